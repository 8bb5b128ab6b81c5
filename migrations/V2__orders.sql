-- The order's way: intake, attempts, money, waiting, reports. Every key begins with business_id, so that the tables can be
-- partitioned or distributed by business. No foreign keys here: every row of one order is written in one transaction by
-- `store`, and a check per row would cost more than the row; `refill check` looks for what they would have caught.

CREATE TABLE nonces (
    business_id text NOT NULL,
    nonce       text NOT NULL,
    expires_at  timestamptz NOT NULL,
    PRIMARY KEY (business_id, nonce)
);
CREATE INDEX nonces_expired ON nonces (expires_at);

-- The codes of a batch's orders lie between first_code and last_code, so that its orders are found through the orders' own key.
CREATE TABLE batches (
    business_id    text NOT NULL,
    batch_id       uuid NOT NULL,
    batch_biz_code text NOT NULL,
    product_code   text NOT NULL,
    callback_url   text,
    content_digest bytea NOT NULL,
    item_count     int NOT NULL CHECK (item_count > 0),
    total          bigint NOT NULL CHECK (total >= 0),
    first_code     uuid NOT NULL,
    last_code      uuid NOT NULL,
    created_at     timestamptz NOT NULL DEFAULT now(),
    store_until    timestamptz NOT NULL,
    PRIMARY KEY (business_id, batch_id),
    CONSTRAINT batch_number_once UNIQUE (business_id, batch_biz_code)
);

-- Runs within the commit itself: one that was on its way for too long stores nothing, so that a merchant who asks a minute
-- later learns the last word.
CREATE FUNCTION refuse_late_batch() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF clock_timestamp() > NEW.store_until THEN
        RAISE EXCEPTION 'the batch reached its commit too late' USING ERRCODE = 'query_canceled';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER stored_in_time AFTER INSERT ON batches DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    EXECUTE FUNCTION refuse_late_batch();

-- States: 0 stored, 1 processing, 2 succeeded, 3 failed, 4 cancelled. No index holds a column that changes with the state,
-- and the fill factor leaves room, so that every update stays on its page (HOT).
CREATE TABLE orders (
    business_id  text NOT NULL,
    order_code   uuid NOT NULL,
    batch_id     uuid NOT NULL,
    biz_code     text NOT NULL,
    product_code text NOT NULL,
    account      text NOT NULL,
    attach       text,
    spec         bigint NOT NULL CHECK (spec > 0),
    price        bigint NOT NULL CHECK (price >= 0),
    counted      boolean NOT NULL,
    state        smallint NOT NULL DEFAULT 0 CHECK (state BETWEEN 0 AND 4),
    epoch        int NOT NULL DEFAULT 0 CHECK (epoch >= 0),
    message      text,
    voucher      text,
    created_at   timestamptz NOT NULL DEFAULT now(),
    finished_at  timestamptz,
    PRIMARY KEY (business_id, order_code),
    CONSTRAINT order_number_once UNIQUE (business_id, biz_code),
    CONSTRAINT finished_when_final CHECK ((state >= 2) = (finished_at IS NOT NULL))
) WITH (fillfactor = 70);

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% of % is refused: %', TG_OP, TG_TABLE_NAME, TG_ARGV[0] USING ERRCODE = 'restrict_violation';
END $$;

CREATE TRIGGER final_is_final BEFORE UPDATE ON orders FOR EACH ROW WHEN (OLD.state >= 2)
    EXECUTE FUNCTION refuse_change('a final state never changes');
CREATE TRIGGER terms_are_fixed BEFORE UPDATE ON orders FOR EACH ROW
    WHEN (OLD.price <> NEW.price OR OLD.account <> NEW.account OR OLD.spec <> NEW.spec OR NEW.state < OLD.state OR NEW.epoch < OLD.epoch)
    EXECUTE FUNCTION refuse_change('price, account and spec are fixed, state and epoch only grow');
CREATE TRIGGER orders_stay BEFORE DELETE ON orders FOR EACH ROW
    EXECUTE FUNCTION refuse_change('orders are kept');
CREATE TRIGGER orders_stay_all BEFORE TRUNCATE ON orders
    EXECUTE FUNCTION refuse_change('orders are kept');

-- One row for every open order that waits for something but a person. kind: 0 the hint that brings it to a worker,
-- 1 the worker that holds the lease, 2 the next look. What is due is a range of timers_due.
CREATE TABLE timers (
    business_id text NOT NULL,
    order_code  uuid NOT NULL,
    lane        text NOT NULL,
    kind        smallint NOT NULL CHECK (kind BETWEEN 0 AND 2),
    due_at      timestamptz NOT NULL,
    PRIMARY KEY (business_id, order_code)
);
CREATE INDEX timers_due ON timers (lane, kind, due_at);

-- States: 0 calling, 1 accepted, 2 unknown (these three may still charge), 3 charged, 4 not charged.
-- `holds` is false only when the attempt is proven not to have charged; it is the column of the unique index, so that
-- the way from calling to charged touches no index.
CREATE TABLE attempts (
    business_id    text NOT NULL,
    order_code     uuid NOT NULL,
    attempt_no     smallint NOT NULL CHECK (attempt_no > 0),
    supplier_id    text NOT NULL,
    reference      text NOT NULL,
    sku            text NOT NULL,
    cost           bigint NOT NULL,
    state          smallint NOT NULL DEFAULT 0,
    holds          boolean NOT NULL DEFAULT true,
    calls          smallint NOT NULL DEFAULT 1,
    first_call_at  timestamptz NOT NULL,
    last_call_at   timestamptz NOT NULL,
    upstream_no    text,
    last_verdict   smallint,
    evidence_count smallint NOT NULL DEFAULT 0,
    closed_at      timestamptz,
    PRIMARY KEY (business_id, order_code, attempt_no),
    CONSTRAINT holds_while_live_or_charged CHECK (holds = (state <> 4)),
    CONSTRAINT closed_with_evidence CHECK (state < 3 OR (evidence_count > 0 AND closed_at IS NOT NULL))
) WITH (fillfactor = 70);
CREATE UNIQUE INDEX one_live_or_charged_attempt ON attempts (business_id, order_code) WHERE holds;
CREATE INDEX attempts_reference ON attempts (reference);

CREATE TRIGGER closed_is_closed BEFORE UPDATE ON attempts FOR EACH ROW
    WHEN (OLD.state >= 3 AND NEW.state <> OLD.state OR OLD.reference <> NEW.reference OR OLD.supplier_id <> NEW.supplier_id)
    EXECUTE FUNCTION refuse_change('a closed attempt stays closed, its reference is fixed');

-- What was heard about an attempt, in order. source: 0 submit, 1 query, 2 push, 3 operator. Append only.
CREATE TABLE evidence (
    business_id text NOT NULL,
    order_code  uuid NOT NULL,
    attempt_no  smallint NOT NULL,
    evidence_no smallint NOT NULL,
    source      smallint NOT NULL,
    verdict     smallint NOT NULL,
    upstream_no text,
    detail      text NOT NULL,
    actor       text,
    at          timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (business_id, order_code, attempt_no, evidence_no)
);
CREATE TRIGGER evidence_is_kept BEFORE UPDATE OR DELETE ON evidence FOR EACH ROW
    EXECUTE FUNCTION refuse_change('evidence is append only');
CREATE TRIGGER evidence_is_kept_all BEFORE TRUNCATE ON evidence
    EXECUTE FUNCTION refuse_change('evidence is append only');

-- Every movement of money. step 0: a hold or a deposit; step 1: the one final posting of an order (settle or release).
-- For an order `posting_ref` is its code. A balance is the sum of its deltas. Append only.
CREATE TABLE ledger (
    business_id   text NOT NULL,
    posting_ref   uuid NOT NULL,
    step          smallint NOT NULL,
    kind          text NOT NULL,
    prepaid_delta bigint NOT NULL,
    held_delta    bigint NOT NULL,
    note          text,
    at            timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT one_hold_and_one_final_posting PRIMARY KEY (business_id, posting_ref, step),
    CONSTRAINT posting_has_its_shape CHECK (CASE kind
        WHEN 'deposit' THEN step = 0 AND held_delta = 0
        WHEN 'hold'    THEN step = 0 AND prepaid_delta = 0 AND held_delta >= 0
        WHEN 'settle'  THEN step = 1 AND prepaid_delta = held_delta AND held_delta <= 0
        WHEN 'release' THEN step = 1 AND prepaid_delta = 0 AND held_delta <= 0
        WHEN 'adjust'  THEN step >= 2
        ELSE false END)
);
CREATE TRIGGER ledger_is_kept BEFORE UPDATE OR DELETE ON ledger FOR EACH ROW
    EXECUTE FUNCTION refuse_change('the ledger is append only');
CREATE TRIGGER ledger_is_kept_all BEFORE TRUNCATE ON ledger
    EXECUTE FUNCTION refuse_change('the ledger is append only');

-- Batches whose hints have not all been confirmed by the broker.
CREATE TABLE outbox (
    business_id text NOT NULL,
    batch_id    uuid NOT NULL,
    lane        text NOT NULL,
    due_at      timestamptz NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (business_id, batch_id)
);
CREATE INDEX outbox_due ON outbox (due_at);

-- How far each lane's queue has moved: the newest order code that a worker has taken from it.
CREATE TABLE lane_marks (
    lane        text PRIMARY KEY,
    newest_code uuid NOT NULL,
    moved_at    timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 50);

-- Orders for a person: 'doubt' stops the order, 'discrepancy' contradicts a final state.
CREATE TABLE doubts (
    business_id text NOT NULL,
    order_code  uuid NOT NULL,
    doubt_no    smallint NOT NULL,
    kind        text NOT NULL CHECK (kind IN ('doubt', 'discrepancy')),
    attempt_no  smallint,
    reason      text NOT NULL,
    opened_at   timestamptz NOT NULL DEFAULT now(),
    closed_at   timestamptz,
    closed_by   text,
    PRIMARY KEY (business_id, order_code, doubt_no)
);
CREATE UNIQUE INDEX one_open_doubt ON doubts (business_id, order_code) WHERE closed_at IS NULL AND kind = 'doubt';
CREATE INDEX doubts_open ON doubts (opened_at) WHERE closed_at IS NULL;

-- Status reports. state: 0 waiting, 1 being sent, 2 delivered, 3 parked. due_at is NULL when nothing more is to be done,
-- so that the index of what is due holds waiting rows only.
CREATE TABLE callbacks (
    business_id  text NOT NULL,
    order_code   uuid NOT NULL,
    url          text NOT NULL,
    state        smallint NOT NULL DEFAULT 0 CHECK (state BETWEEN 0 AND 3),
    tries        smallint NOT NULL DEFAULT 0,
    round        smallint NOT NULL DEFAULT 1,
    epoch        int NOT NULL DEFAULT 0,
    due_at       timestamptz,
    created_at   timestamptz NOT NULL DEFAULT now(),
    delivered_at timestamptz,
    PRIMARY KEY (business_id, order_code),
    CONSTRAINT due_while_open CHECK ((due_at IS NOT NULL) = (state IN (0, 1))),
    CONSTRAINT tries_are_bounded CHECK (tries BETWEEN 0 AND 10)
) WITH (fillfactor = 70);
CREATE INDEX callbacks_due ON callbacks (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX callbacks_parked ON callbacks (business_id, order_code) WHERE state = 3;

-- Every try, written before its POST. A round is one schedule of ten tries; a resend begins another.
CREATE TABLE callback_tries (
    business_id text NOT NULL,
    order_code  uuid NOT NULL,
    round       smallint NOT NULL,
    try_no      smallint NOT NULL CHECK (try_no BETWEEN 1 AND 10),
    started_at  timestamptz NOT NULL DEFAULT now(),
    duration_ms int,
    http_status smallint,
    outcome     text,
    detail      text,
    PRIMARY KEY (business_id, order_code, round, try_no)
) WITH (fillfactor = 70);
