-- A doubt is closed by a supplier's evidence or by two persons: what the first one proposes, another one confirms.
ALTER TABLE doubts
    ADD COLUMN proposed_charged boolean,
    ADD COLUMN proposed_by      text,
    ADD COLUMN proposed_at      timestamptz,
    ADD COLUMN proposed_reason  text,
    ADD CONSTRAINT proposal_is_whole
        CHECK (num_nonnulls(proposed_charged, proposed_by, proposed_at, proposed_reason) IN (0, 4)),
    ADD CONSTRAINT two_persons CHECK (closed_by IS NULL OR proposed_by IS NULL OR closed_by <> proposed_by);
