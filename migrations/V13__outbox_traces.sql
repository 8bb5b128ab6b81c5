-- expand: a column. The trace that a batch belongs to (a W3C traceparent), for whoever announces it when the process that stored it did not;
-- NULL: none is kept.
ALTER TABLE outbox ADD COLUMN traceparent text;
