-- Every change of an order that its merchant sees has a number, counted by business without a gap. It is taken from the balance's
-- row, which each of these transactions locks last and keeps until its commit: so the numbers are in the order of the commits.
ALTER TABLE balances ADD COLUMN feed_no bigint NOT NULL DEFAULT 0;
ALTER TABLE ledger ADD COLUMN feed_no bigint;
ALTER TABLE ledger DISABLE TRIGGER ledger_is_kept;
UPDATE ledger l SET feed_no = n.no
    FROM (SELECT business_id, posting_ref, step, row_number() OVER (PARTITION BY business_id ORDER BY at, step, posting_ref) AS no
          FROM ledger WHERE kind IN ('hold', 'settle', 'release')) n
    WHERE l.business_id = n.business_id AND l.posting_ref = n.posting_ref AND l.step = n.step;
ALTER TABLE ledger ENABLE TRIGGER ledger_is_kept;
UPDATE balances b SET feed_no = coalesce((SELECT max(feed_no) FROM ledger l WHERE l.business_id = b.business_id), 0);
ALTER TABLE ledger ADD CONSTRAINT changes_are_numbered CHECK ((kind IN ('hold', 'settle', 'release')) = (feed_no IS NOT NULL));
CREATE UNIQUE INDEX ledger_feed ON ledger (business_id, feed_no) WHERE feed_no IS NOT NULL;

-- Accounts that want one more report when the last order of a batch is final. In callbacks, such a report has the batch's id where
-- the others have their order's code.
ALTER TABLE businesses ADD COLUMN batch_report boolean NOT NULL DEFAULT false;
ALTER TABLE callbacks ADD COLUMN of_batch boolean NOT NULL DEFAULT false;

-- Reports that are sent again on request, a few each second. Those of the orders from low to high that are parked, or also those
-- that were delivered; `after` is how far it has come. state: 0 running, 1 paused, 2 cancelled, 3 done.
CREATE TABLE resend_jobs (
    job_id      uuid PRIMARY KEY,
    business_id text NOT NULL,
    batch_id    uuid,
    low         uuid NOT NULL,
    high        uuid NOT NULL,
    only_parked boolean NOT NULL,
    per_second  int NOT NULL CHECK (per_second BETWEEN 1 AND 10000),
    state       smallint NOT NULL DEFAULT 0 CHECK (state BETWEEN 0 AND 3),
    total       bigint NOT NULL,
    done        bigint NOT NULL DEFAULT 0,
    after       uuid NOT NULL,
    asked_by    text NOT NULL,
    asked_at    timestamptz NOT NULL DEFAULT now(),
    moved_at    timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX resend_jobs_running ON resend_jobs (moved_at) WHERE state = 0;
CREATE INDEX resend_jobs_of_business ON resend_jobs (business_id, asked_at);
