-- expand: a new table. How far each callback process has come in the queue of reports: when the order of the hint that it took last
-- became final. Ingress looks at it: reports that go out late are work that waits, as orders in a lane are.
CREATE TABLE report_marks (
    worker_id uuid PRIMARY KEY,
    final_at  timestamptz NOT NULL,
    taken_at  timestamptz NOT NULL
) WITH (fillfactor = 50);
