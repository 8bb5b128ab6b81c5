-- expand: a column. The same for an order that is looked at again, or whose hint is lost. Written with the order, never changed.
ALTER TABLE timers ADD COLUMN traceparent text;
