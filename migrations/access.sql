-- Who may do what. Carried out by `refill migrate` after the migrations, every time and as a whole, in one transaction: what does not stand
-- here is taken away. A new table needs a line here (tests/tests/e2e/rights/refused.rs looks for those that have none).
--
-- ingress, fulfillment, callback and console stand for the users that these roles of the fleet come as (refill_ingress …), catalog for
-- whoever imports the catalogue and seals its secrets, readonly for people and tools that only look; fleet for the first four, all for all.
-- The tables belong to whoever migrates. A month's part needs no word of its own: rights are asked of the table that it is
-- a part of.

CREATE TEMPORARY TABLE access (object text NOT NULL, who text NOT NULL, may text NOT NULL) ON COMMIT DROP;
INSERT INTO access (object, who, may) VALUES
    ('refinery_schema_history', 'all', 'SELECT'),

    -- The catalogue. Its secrets are read by those who need them: keys of accounts to check requests and to sign reports (MD5), credentials to
    -- call suppliers and to check their pushes, the platform's own keys to sign reports and calls.
    ('merchants', 'console, catalog, readonly', 'SELECT'),
    ('merchants', 'catalog', 'INSERT, UPDATE'),
    ('businesses', 'all', 'SELECT'),
    ('businesses', 'catalog', 'INSERT, UPDATE'),
    ('business_keys', 'ingress, callback', 'SELECT'),
    ('business_keys', 'catalog', 'SELECT, INSERT, UPDATE, DELETE'),
    ('account_keys', 'fulfillment, console', 'SELECT'),
    ('products', 'all', 'SELECT'),
    ('products', 'catalog', 'INSERT, UPDATE'),
    ('prices', 'all', 'SELECT'),
    ('prices', 'catalog', 'INSERT, UPDATE'),
    ('suppliers', 'all', 'SELECT (supplier_id, adapter, base_url, push_base_url, enabled, card)'),
    ('suppliers', 'ingress, fulfillment', 'SELECT (credentials)'),
    ('suppliers', 'catalog', 'SELECT, INSERT, UPDATE'),
    ('routes', 'all', 'SELECT'),
    ('routes', 'catalog', 'INSERT, UPDATE'),
    ('platform', 'all', 'SELECT'),
    ('platform', 'fulfillment, console', 'UPDATE (catalogue_version)'),
    ('platform', 'catalog', 'UPDATE (catalogue_version, callback_allow)'),
    ('platform_keys', 'ingress, fulfillment, callback', 'SELECT'),
    ('platform_keys', 'catalog', 'SELECT, INSERT, UPDATE'),

    -- Money. The ledger is only ever added to.
    ('balances', 'ingress, fulfillment, console, catalog, readonly', 'SELECT'),
    ('balances', 'ingress, fulfillment, console', 'UPDATE (prepaid, held, feed_no)'),
    ('balances', 'catalog', 'INSERT, UPDATE (prepaid, credit_line)'),
    ('ledger', 'ingress, fulfillment, console, catalog, readonly', 'SELECT'),
    ('ledger', 'ingress, fulfillment, console, catalog', 'INSERT'),
    ('stock', 'all', 'SELECT'),
    ('stock', 'ingress, fulfillment, console', 'UPDATE (units_left)'),
    ('stock', 'catalog', 'INSERT, UPDATE'),

    -- The order's way. A supplier's push moves an order as a worker does, and so does a person.
    ('nonces', 'ingress', 'SELECT, INSERT'),
    ('nonces', 'fulfillment', 'SELECT, UPDATE (expires_at), DELETE'),
    ('batches', 'ingress', 'INSERT'),
    ('batches', 'fleet, readonly', 'SELECT'),
    ('order_numbers', 'ingress', 'INSERT'),
    ('order_numbers', 'ingress, console, readonly', 'SELECT'),
    ('orders', 'fleet, readonly', 'SELECT'),
    ('orders', 'ingress', 'INSERT'),
    ('orders', 'ingress, fulfillment, console', 'UPDATE (state, epoch, message, voucher, finished_at)'),
    ('timers', 'ingress, fulfillment, console, readonly', 'SELECT'),
    ('timers', 'ingress, fulfillment, console', 'INSERT, UPDATE (lane, kind, due_at), DELETE'),
    ('attempts', 'ingress, fulfillment, console, readonly', 'SELECT'),
    ('attempts', 'fulfillment', 'INSERT'),
    ('attempts', 'ingress, fulfillment, console', 'UPDATE (state, holds, calls, last_call_at, upstream_no, last_verdict, evidence_count, closed_at)'),
    ('evidence', 'ingress, fulfillment, console, readonly', 'SELECT'),
    ('evidence', 'ingress, fulfillment, console', 'INSERT'),
    -- `refill check` asks by name what lies outside of every month.
    ('orders_outside', 'console, readonly', 'SELECT'),
    ('attempts_outside', 'console, readonly', 'SELECT'),
    ('evidence_outside', 'console, readonly', 'SELECT'),
    ('doubts', 'ingress, fulfillment, console, readonly', 'SELECT'),
    ('doubts', 'ingress, fulfillment', 'INSERT, UPDATE (closed_at, closed_by)'),
    ('doubts', 'console', 'UPDATE (closed_at, closed_by, proposed_charged, proposed_by, proposed_at, proposed_reason)'),
    ('outbox', 'ingress, fulfillment, console, readonly', 'SELECT'),
    ('outbox', 'ingress', 'INSERT, UPDATE (due_at), DELETE'),
    ('outbox', 'fulfillment', 'UPDATE (due_at), DELETE'),
    ('lane_marks', 'ingress, fulfillment, console, readonly', 'SELECT'),
    ('lane_marks', 'fulfillment', 'INSERT, UPDATE (newest_code, moved_at)'),

    -- The workers among themselves, and what people have shut.
    ('fleet', 'fulfillment, console, readonly', 'SELECT'),
    ('fleet', 'fulfillment', 'INSERT, UPDATE (seen_at), DELETE'),
    ('pauses', 'fleet, readonly', 'SELECT'),
    ('pauses', 'console', 'INSERT, DELETE'),
    ('breakers', 'fleet, readonly', 'SELECT'),
    ('breakers', 'fulfillment', 'INSERT, UPDATE (reason, trips, probe_at), DELETE'),

    -- Persons: who may sign in to the console, and what they did, there or by command. Every process says that it runs.
    ('operators', 'console', 'SELECT, INSERT, UPDATE (role, password_hash, active, failed_tries, locked_until)'),
    ('console_sessions', 'console', 'SELECT, INSERT, UPDATE (seen_at), DELETE'),
    ('operator_tokens', 'console', 'SELECT, INSERT, UPDATE (used_at, revoked_at)'),
    ('audit', 'console, readonly', 'SELECT'),
    ('audit', 'console, catalog', 'INSERT'),
    ('instances', 'fleet, readonly', 'SELECT'),
    ('instances', 'fleet', 'INSERT, UPDATE (seen_at, broker_blocked), DELETE'),
    ('pulses', 'console, readonly', 'SELECT'),
    ('pulses', 'console', 'INSERT, DELETE'),

    -- Reports. Whoever ends an order writes the report; only `callback` sends it.
    ('callbacks', 'fleet, readonly', 'SELECT'),
    ('callbacks', 'ingress, fulfillment, console', 'INSERT'),
    ('callbacks', 'callback', 'UPDATE (state, tries, round, epoch, due_at, delivered_at, unreached)'),
    ('callback_tries', 'callback, console, readonly', 'SELECT'),
    ('callback_tries', 'callback', 'INSERT, UPDATE (duration_ms, http_status, outcome, detail, fault, charged), DELETE'),
    ('report_marks', 'ingress, callback, readonly', 'SELECT'),
    ('report_marks', 'callback', 'INSERT, UPDATE (final_at, taken_at), DELETE'),
    ('endpoints', 'ingress, fulfillment, callback, console, readonly', 'SELECT'),
    ('endpoints', 'callback, console', 'INSERT, UPDATE (state, reason, probes, probe_at, well_at)'),
    ('endpoints', 'callback', 'DELETE'),
    ('resend_jobs', 'ingress, callback, console, readonly', 'SELECT'),
    ('resend_jobs', 'ingress, console', 'INSERT'),
    ('resend_jobs', 'console', 'UPDATE (state, moved_at)'),
    ('resend_jobs', 'callback', 'UPDATE (state, done, after, moved_at)'),

    -- New months are made with the owner's rights, by whoever calls it (V9).
    ('FUNCTION keep_months(int)', 'fulfillment', 'EXECUTE');

DO $$
DECLARE
    fleet CONSTANT text[] := ARRAY['ingress', 'fulfillment', 'callback', 'console'];
    everybody CONSTANT text[] := fleet || ARRAY['catalog', 'readonly'];
    known text[];
    member text;
    line record;
BEGIN
    SELECT coalesce(array_agg(name), '{}') INTO known
        FROM unnest(everybody) AS name JOIN pg_roles ON rolname = 'refill_' || name;
    IF known = '{}' THEN
        RETURN;
    END IF;
    EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database());
    FOREACH member IN ARRAY known LOOP
        FOR line IN
            SELECT c.oid::regclass AS relation FROM pg_class c, aclexplode(c.relacl) held
            WHERE c.relnamespace = 'public'::regnamespace AND held.grantee = ('refill_' || member)::regrole
            UNION SELECT c.oid::regclass FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid, aclexplode(a.attacl) held
            WHERE c.relnamespace = 'public'::regnamespace AND held.grantee = ('refill_' || member)::regrole
        LOOP
            EXECUTE format('REVOKE ALL ON %s FROM %I', line.relation, 'refill_' || member);
        END LOOP;
        EXECUTE format('REVOKE ALL ON ALL FUNCTIONS IN SCHEMA public FROM %I', 'refill_' || member);
        EXECUTE format('GRANT CONNECT ON DATABASE %I TO %I', current_database(), 'refill_' || member);
        EXECUTE format('GRANT USAGE ON SCHEMA public TO %I', 'refill_' || member);
    END LOOP;
    FOR line IN
        SELECT a.object, a.may, name FROM access a, unnest(string_to_array(a.who, ', ')) AS word,
            unnest(CASE word WHEN 'all' THEN everybody WHEN 'fleet' THEN fleet ELSE ARRAY[word] END) AS name
    LOOP
        IF NOT line.name = ANY (everybody) THEN
            RAISE EXCEPTION 'access to %: nobody is called %', line.object, line.name;
        END IF;
        -- A schema that is not the newest has not all of them yet.
        CONTINUE WHEN CASE WHEN line.object LIKE 'FUNCTION %' THEN to_regprocedure(substr(line.object, 10))::oid
            ELSE to_regclass(line.object)::oid END IS NULL;
        IF line.name = ANY (known) THEN
            EXECUTE format('GRANT %s ON %s TO %I', line.may, line.object, 'refill_' || line.name);
        END IF;
    END LOOP;
END $$;
