-- Old orders leave the hot path: orders, attempts and evidence are kept by calendar month (UTC). A code begins with the millisecond in
-- which it was made, so a month is a range of codes, and whoever has a code touches its month alone.
--
-- The process that stores batches must be stopped while this is applied: the previous binary names a constraint that goes.

-- A merchant's order numbers, used once for ever. A table that is kept by month can only promise that within a month.
-- (Why the number comes first: V8.)
CREATE TABLE order_numbers (
    biz_code    text NOT NULL,
    business_id text NOT NULL,
    order_code  uuid NOT NULL
);
INSERT INTO order_numbers (biz_code, business_id, order_code) SELECT biz_code, business_id, order_code FROM orders;
ALTER TABLE orders DROP CONSTRAINT order_number_once;
ALTER TABLE order_numbers ADD CONSTRAINT order_number_once PRIMARY KEY (biz_code, business_id);

-- The rules go with the parents, whose rows' triggers come down to every month.
DROP TRIGGER final_is_final ON orders;
DROP TRIGGER terms_are_fixed ON orders;
DROP TRIGGER orders_stay ON orders;
DROP TRIGGER orders_stay_all ON orders;
DROP TRIGGER closed_is_closed ON attempts;
DROP TRIGGER evidence_is_kept ON evidence;
DROP TRIGGER evidence_is_kept_all ON evidence;

ALTER TABLE orders RENAME TO orders_old;
ALTER TABLE attempts RENAME TO attempts_old;
ALTER TABLE evidence RENAME TO evidence_old;
ALTER INDEX orders_pkey RENAME TO orders_old_pkey;
ALTER INDEX attempts_pkey RENAME TO attempts_old_pkey;
ALTER INDEX evidence_pkey RENAME TO evidence_old_pkey;
ALTER INDEX one_live_or_charged_attempt RENAME TO one_live_or_charged_attempt_old;
ALTER INDEX attempts_reference RENAME TO attempts_reference_old;

CREATE TABLE orders (LIKE orders_old INCLUDING DEFAULTS INCLUDING CONSTRAINTS,
    PRIMARY KEY (business_id, order_code)) PARTITION BY RANGE (order_code);
CREATE TABLE attempts (LIKE attempts_old INCLUDING DEFAULTS INCLUDING CONSTRAINTS,
    PRIMARY KEY (business_id, order_code, attempt_no)) PARTITION BY RANGE (order_code);
CREATE TABLE evidence (LIKE evidence_old INCLUDING DEFAULTS INCLUDING CONSTRAINTS,
    PRIMARY KEY (business_id, order_code, attempt_no, evidence_no)) PARTITION BY RANGE (order_code);
CREATE UNIQUE INDEX one_live_or_charged_attempt ON attempts (business_id, order_code) WHERE holds;
CREATE INDEX attempts_reference ON attempts (reference);

CREATE TRIGGER final_is_final BEFORE UPDATE ON orders FOR EACH ROW WHEN (OLD.state >= 2)
    EXECUTE FUNCTION refuse_change('a final state never changes');
CREATE TRIGGER terms_are_fixed BEFORE UPDATE ON orders FOR EACH ROW
    WHEN (OLD.price <> NEW.price OR OLD.account <> NEW.account OR OLD.spec <> NEW.spec OR NEW.state < OLD.state OR NEW.epoch < OLD.epoch)
    EXECUTE FUNCTION refuse_change('price, account and spec are fixed, state and epoch only grow');
CREATE TRIGGER orders_stay BEFORE DELETE ON orders FOR EACH ROW
    EXECUTE FUNCTION refuse_change('orders are kept');
CREATE TRIGGER orders_stay_all BEFORE TRUNCATE ON orders
    EXECUTE FUNCTION refuse_change('orders are kept');
CREATE TRIGGER closed_is_closed BEFORE UPDATE ON attempts FOR EACH ROW
    WHEN (OLD.state >= 3 AND NEW.state <> OLD.state OR OLD.reference <> NEW.reference OR OLD.supplier_id <> NEW.supplier_id)
    EXECUTE FUNCTION refuse_change('a closed attempt stays closed, its reference is fixed');
CREATE TRIGGER evidence_is_kept BEFORE UPDATE OR DELETE ON evidence FOR EACH ROW
    EXECUTE FUNCTION refuse_change('evidence is append only');
CREATE TRIGGER evidence_is_kept_all BEFORE TRUNCATE ON evidence
    EXECUTE FUNCTION refuse_change('evidence is append only');

-- The least code that can be made on a day, from its first millisecond (UTC) on.
CREATE FUNCTION first_code_of(day date) RETURNS uuid LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT (lpad(to_hex((extract(epoch FROM day) * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid
$$;

-- Gives a part of `parent` what does not come down to it: how it is stored and vacuumed (migrations/README.md says why so), the rule
-- against TRUNCATE, and names for its indexes that say what they refuse.
CREATE FUNCTION furnish_part(parent text, part text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    ours text;
    theirs text;
BEGIN
    EXECUTE format('ALTER TABLE %I SET (%s autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000,
        autovacuum_vacuum_insert_scale_factor = 0.05, autovacuum_vacuum_cost_limit = 2000)', part,
        CASE WHEN parent = 'evidence' THEN '' ELSE 'fillfactor = 45,' END);
    IF parent = 'orders' THEN
        EXECUTE format('CREATE TRIGGER orders_stay_all BEFORE TRUNCATE ON %I EXECUTE FUNCTION refuse_change(%L)',
            part, 'orders are kept');
    ELSIF parent = 'evidence' THEN
        EXECUTE format('CREATE TRIGGER evidence_is_kept_all BEFORE TRUNCATE ON %I EXECUTE FUNCTION refuse_change(%L)',
            part, 'evidence is append only');
    END IF;
    FOR theirs, ours IN
        SELECT child.relname, mother.relname || substr(part, length(parent) + 1)
        FROM pg_index i JOIN pg_inherits h ON h.inhrelid = i.indexrelid
        JOIN pg_class child ON child.oid = h.inhrelid JOIN pg_class mother ON mother.oid = h.inhparent
        WHERE i.indrelid = part::regclass
    LOOP
        IF theirs <> ours THEN
            EXECUTE format('ALTER INDEX %I RENAME TO %I', theirs, ours);
        END IF;
    END LOOP;
END $$;

-- Makes the part of `parent` that takes the codes of a month. Made beside the others and then attached: so only the part for what lies
-- outside is locked against everybody, for as long as it takes to see that it is empty.
CREATE FUNCTION make_month(parent text, month date) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    part text := parent || to_char(month, '_YYYY_MM');
BEGIN
    EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', part, parent);
    EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', parent, part,
        first_code_of(month), first_code_of((month + interval '1 month')::date));
    PERFORM furnish_part(parent, part);
    RETURN part;
END $$;

-- Makes one part that is missing, of this month or of `ahead` more, and returns its name; NULL: none is missing. One at a time, so that
-- no transaction holds locks of two tables, and with little patience: whatever runs long now, the next call comes in time.
CREATE FUNCTION keep_months(ahead int) RETURNS text LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = public, pg_temp SET lock_timeout = '500ms' AS $$
DECLARE
    this_month date := date_trunc('month', now() AT TIME ZONE 'UTC');
    month date;
    parent text;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('refill: keep_months'));
    FOR n IN 0 .. least(ahead, 24) LOOP
        month := this_month + n * interval '1 month';
        FOREACH parent IN ARRAY ARRAY['orders', 'attempts', 'evidence'] LOOP
            IF to_regclass(parent || to_char(month, '_YYYY_MM')) IS NULL THEN
                RETURN make_month(parent, month);
            END IF;
        END LOOP;
    END LOOP;
    RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION keep_months(int) FROM PUBLIC;

-- What is there becomes this month's part, together with all that came before it.
DO $$
DECLARE
    this_month date := date_trunc('month', now() AT TIME ZONE 'UTC');
    parent text;
    part text;
    has_older boolean;
BEGIN
    FOREACH parent IN ARRAY ARRAY['orders', 'attempts', 'evidence'] LOOP
        part := parent || to_char(this_month, '_YYYY_MM');
        EXECUTE format('ALTER TABLE %I RENAME TO %I', parent || '_old', part);
        EXECUTE format('SELECT EXISTS (SELECT FROM %I WHERE order_code < %L)', part, first_code_of(this_month)) INTO has_older;
        EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%s) TO (%L)', parent, part,
            CASE WHEN has_older THEN 'MINVALUE' ELSE quote_literal(first_code_of(this_month)) END,
            first_code_of((this_month + interval '1 month')::date));
        PERFORM furnish_part(parent, part);
        -- What no month takes, because a clock was wrong: intake must not fail for it; `refill check` tells.
        EXECUTE format('CREATE TABLE %I PARTITION OF %I DEFAULT', parent || '_outside', parent);
        PERFORM furnish_part(parent, parent || '_outside');
    END LOOP;
    WHILE keep_months(2) IS NOT NULL LOOP
    END LOOP;
END $$;

-- How the other tables are vacuumed; migrations/README.md says why so.
ALTER TABLE timers SET (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000,
    autovacuum_vacuum_cost_limit = 2000, vacuum_truncate = false);
ALTER TABLE outbox SET (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000,
    autovacuum_vacuum_cost_limit = 2000, vacuum_truncate = false);
ALTER TABLE nonces SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000,
    autovacuum_vacuum_cost_limit = 2000, vacuum_truncate = false);
ALTER TABLE callbacks SET (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000,
    autovacuum_vacuum_insert_scale_factor = 0.05, autovacuum_vacuum_cost_limit = 2000);
ALTER TABLE callback_tries SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000,
    autovacuum_vacuum_insert_scale_factor = 0.05, autovacuum_vacuum_cost_limit = 2000, vacuum_truncate = false);
ALTER TABLE balances SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_cost_limit = 2000);
ALTER TABLE stock SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_cost_limit = 2000);
ALTER TABLE lane_marks SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_cost_limit = 2000);
ALTER TABLE batches SET (autovacuum_vacuum_insert_scale_factor = 0.05, autovacuum_vacuum_cost_limit = 2000);
ALTER TABLE ledger SET (autovacuum_vacuum_insert_scale_factor = 0.05, autovacuum_vacuum_cost_limit = 2000);
ALTER TABLE order_numbers SET (autovacuum_vacuum_insert_scale_factor = 0.05, autovacuum_vacuum_cost_limit = 2000);

-- A range of pages that is not summed up is read by everyone who looks for old tries.
ALTER INDEX callback_tries_old SET (autosummarize = on);
