-- expand: a new table. How it went, for the charts of all consoles and whatever restarts: one row each ten seconds (`slot` counts them since
-- 1970), written by whichever console comes first, kept for a day and an hour.
CREATE TABLE pulses (
    slot          bigint PRIMARY KEY,
    at            timestamptz NOT NULL,
    -- Since when the server that was asked has counted: across another moment, or another server, a difference means nothing.
    counted_since timestamptz NOT NULL,
    stored        bigint NOT NULL,
    ended         bigint NOT NULL,
    doubts        bigint NOT NULL,
    reports       bigint NOT NULL,
    unasked_ms    bigint NOT NULL
);
