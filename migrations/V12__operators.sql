-- expand: new tables, a view and an index. Who may sign in to the console, and what persons did, there or by command.

CREATE TABLE operators (
    name          text PRIMARY KEY CHECK (name ~ '^[a-z0-9][a-z0-9._-]{0,31}$'),
    role          text NOT NULL CHECK (role IN ('viewer', 'operator', 'approver', 'admin')),
    password_hash text NOT NULL CHECK (password_hash LIKE '$argon2id$%'),
    active        boolean NOT NULL DEFAULT true,
    -- In a row. A try is counted before its password is looked at, so that many at once find out no more than one after the other.
    failed_tries  int NOT NULL DEFAULT 0 CHECK (failed_tries >= 0),
    locked_until  timestamptz,
    created_at    timestamptz NOT NULL DEFAULT now()
);

-- The browser has the token; here is only what recognizes it.
CREATE TABLE console_sessions (
    token_sha256 bytea PRIMARY KEY CHECK (octet_length(token_sha256) = 32),
    operator     text NOT NULL REFERENCES operators,
    created_at   timestamptz NOT NULL DEFAULT now(),
    seen_at      timestamptz NOT NULL DEFAULT now(),
    ends_at      timestamptz NOT NULL
);
CREATE INDEX console_sessions_of_operator ON console_sessions (operator);
CREATE INDEX console_sessions_ended ON console_sessions (ends_at);

-- One row for each thing that a person did, or was kept from doing. By command the operator is 'cli:NAME'. Append only.
CREATE TABLE audit (
    audit_no   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at         timestamptz NOT NULL DEFAULT clock_timestamp(),
    operator   text NOT NULL,
    role       text NOT NULL,
    action     text NOT NULL,
    object     text NOT NULL,
    parameters jsonb NOT NULL,
    outcome    text NOT NULL CHECK (outcome IN ('done', 'unchanged', 'refused')),
    detail     text NOT NULL
);
CREATE INDEX audit_of_object ON audit (object, audit_no);
CREATE INDEX audit_of_operator ON audit (operator, audit_no);
CREATE TRIGGER audit_is_kept BEFORE UPDATE OR DELETE ON audit FOR EACH ROW
    EXECUTE FUNCTION refuse_change('the audit is append only');
CREATE TRIGGER audit_is_kept_all BEFORE TRUNCATE ON audit
    EXECUTE FUNCTION refuse_change('the audit is append only');

-- The processes that run, as they tell it themselves; one that has not for a while is gone.
CREATE TABLE instances (
    instance_id uuid PRIMARY KEY,
    role        text NOT NULL,
    version     text NOT NULL,
    host        text NOT NULL,
    started_at  timestamptz NOT NULL DEFAULT now(),
    seen_at     timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 50);

-- People ask by the account that was topped up. It never changes, so updates stay HOT. On a large table, make it by hand first, one
-- month after the other (CREATE INDEX CONCURRENTLY on each, then this one, which takes them over).
CREATE INDEX IF NOT EXISTS orders_account ON orders (account, order_code);

-- What may be known of accounts' keys without their secrets: a public key is none, an MD5 key is left out.
CREATE VIEW account_keys AS
    SELECT business_id, kind, CASE kind WHEN 'SHA256-RSA' THEN key END AS public_key, not_before, not_after FROM business_keys;
