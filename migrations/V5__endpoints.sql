-- Reports by endpoint: scheme, host and port, which are what is well, slow or dead. A URL is stored in its normal form, so
-- everything before its third slash is the endpoint.
ALTER TABLE callbacks
    ADD COLUMN endpoint text COLLATE "C" NOT NULL
        GENERATED ALWAYS AS (split_part(url, '/', 1) || '//' || split_part(url, '/', 3)) STORED,
    -- Whether the last try did not reach the endpoint: then the report goes out as soon as the endpoint is well again.
    ADD COLUMN unreached boolean NOT NULL DEFAULT false;

-- What waits, by kind and endpoint: first tries, retries, and replays on request. Whoever looks for due reports walks from
-- endpoint to endpoint, so that one with a million rows costs what one with a single row costs.
DROP INDEX callbacks_due;
CREATE INDEX callbacks_first ON callbacks (endpoint, due_at) WHERE due_at IS NOT NULL AND round = 1 AND tries = 0;
CREATE INDEX callbacks_retry ON callbacks (endpoint, due_at) WHERE due_at IS NOT NULL AND round = 1 AND tries > 0;
CREATE INDEX callbacks_replay ON callbacks (endpoint, due_at) WHERE due_at IS NOT NULL AND round > 1;
-- Only failed reports enter these.
CREATE INDEX callbacks_unreached ON callbacks (endpoint, due_at) WHERE state = 0 AND unreached;
CREATE INDEX callbacks_waiting ON callbacks (business_id, endpoint) WHERE state = 0 AND tries > 0;

-- Endpoints that are not well; one without a row is. '//host' stands for all endpoints of a host.
-- state: 1 set aside, probed with one report at probe_at; 2 recovering since well_at; 3 paused by hand, not probed.
CREATE TABLE endpoints (
    endpoint     text COLLATE "C" PRIMARY KEY,
    host         text NOT NULL GENERATED ALWAYS AS (substring(endpoint from '//(\[[^]]*\]|[^:]*)')) STORED,
    state        smallint NOT NULL CHECK (state BETWEEN 1 AND 3),
    reason       text NOT NULL,
    probes       int NOT NULL DEFAULT 0,
    set_aside_at timestamptz NOT NULL DEFAULT now(),
    probe_at     timestamptz NOT NULL,
    well_at      timestamptz,
    CHECK ((state = 2) = (well_at IS NOT NULL))
);
CREATE INDEX endpoints_by_host ON endpoints (host);

-- A try is named by the claim that made it: one that was not charged, because the fault was on our side, is kept beside the
-- one that takes its number. `fault` says whose fault it was: theirs, network, name, tls, ours.
ALTER TABLE callback_tries
    ADD COLUMN epoch int NOT NULL DEFAULT 0,
    ADD COLUMN charged boolean NOT NULL DEFAULT true,
    ADD COLUMN fault text;
UPDATE callback_tries SET epoch = (round - 1) * 10 + try_no;
ALTER TABLE callback_tries DROP CONSTRAINT callback_tries_pkey, ADD PRIMARY KEY (business_id, order_code, epoch);
-- Written in the order of time, so that a small index is enough to find the old ones.
CREATE INDEX callback_tries_old ON callback_tries USING brin (started_at) WITH (pages_per_range = 32);
