-- The platform's keys that sign reports, each with its time. An account names those whose public half its merchant has; the newest
-- of them that is valid signs. Secrets may be sealed: 'sealed:1:<master key>:…'.
CREATE TABLE platform_keys (
    key_id      text PRIMARY KEY,
    private_key text NOT NULL,
    not_before  timestamptz,
    not_after   timestamptz
);
INSERT INTO platform_keys (key_id, private_key)
    SELECT 'default', callback_private_key FROM platform WHERE callback_private_key IS NOT NULL;
ALTER TABLE platform DROP COLUMN callback_private_key;
ALTER TABLE businesses ADD COLUMN callback_keys text[] NOT NULL DEFAULT '{default}';
