-- What is shut by hand: a supplier, a lane, or a supplier in a lane; '' stands for all of them.
CREATE TABLE pauses (
    supplier_id text NOT NULL,
    lane        text NOT NULL,
    paused_by   text NOT NULL,
    reason      text NOT NULL,
    paused_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (supplier_id, lane),
    CHECK (supplier_id <> '' OR lane <> '')
);

-- Suppliers whose calls kept failing: no new orders until probe_at, then one at a time until one is answered.
CREATE TABLE breakers (
    supplier_id text PRIMARY KEY REFERENCES suppliers,
    reason      text NOT NULL,
    trips       int NOT NULL CHECK (trips > 0),
    opened_at   timestamptz NOT NULL DEFAULT now(),
    probe_at    timestamptz NOT NULL
);

-- The worker processes that share the suppliers' limits.
CREATE TABLE fleet (
    worker_id uuid PRIMARY KEY,
    seen_at   timestamptz NOT NULL
);

ALTER TABLE routes ADD COLUMN may_cost_more boolean NOT NULL DEFAULT false;
