-- expand: a column. Why the broker, which is there, takes no messages of this process, in the broker's words; NULL while it does, or is away.
ALTER TABLE instances ADD COLUMN broker_blocked text;
