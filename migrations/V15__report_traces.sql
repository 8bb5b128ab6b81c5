-- expand: a column. The same for an order's report, which is tried when nothing else of the order moves any more.
ALTER TABLE callbacks ADD COLUMN traceparent text;
