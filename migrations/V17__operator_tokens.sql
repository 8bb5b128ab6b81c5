-- expand: a table. What an operator's programs come with; the program has the token, here is only what recognizes it.

CREATE TABLE operator_tokens (
    token_no     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    operator     text NOT NULL REFERENCES operators,
    label        text NOT NULL CHECK (char_length(label) BETWEEN 1 AND 64),
    token_sha256 bytea NOT NULL UNIQUE CHECK (octet_length(token_sha256) = 32),
    created_at   timestamptz NOT NULL DEFAULT now(),
    expires_at   timestamptz NOT NULL,
    used_at      timestamptz,
    revoked_at   timestamptz,
    CONSTRAINT no_token_for_ever CHECK (expires_at > created_at AND expires_at <= created_at + interval '366 days')
);
CREATE INDEX operator_tokens_of_operator ON operator_tokens (operator, token_no);
