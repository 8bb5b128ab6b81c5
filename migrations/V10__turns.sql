-- What waits for its hint is found by lane and business, oldest first, so that whoever is behind somebody else's flood can be seen and
-- fetched without reading the flood; what waits for anything else, by lane and time. Each timer is in one of the two.
CREATE INDEX timers_hints ON timers (lane, business_id, order_code) WHERE kind = 0;
CREATE INDEX timers_looks ON timers (lane, kind, due_at) WHERE kind > 0;
DROP INDEX timers_due;
