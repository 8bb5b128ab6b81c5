//! Who has an open order: a person, a supplier, or nobody. Asked the same way wherever such orders are counted or listed.

/// Beside an order `o`, by its own keys: `in_doubt`; `is_held`, a supplier has it or may have it; and `left_at`, when the last supplier
/// that was asked let it go. `$1` is the verdict of a call that was never sent, so that whoever is tried again and again in vain is
/// seen to wait all the while.
pub(crate) const HOLDS: &str =
    "CROSS JOIN LATERAL (SELECT coalesce(bool_or(x.closed_at IS NULL AND x.kind = 'doubt'), false) AS in_doubt
                         FROM doubts x WHERE x.business_id = o.business_id AND x.order_code = o.order_code) d
     CROSS JOIN LATERAL (SELECT coalesce(bool_or(x.holds), false) AS is_held,
                                max(x.closed_at) FILTER (WHERE x.last_verdict IS DISTINCT FROM $1) AS left_at
                         FROM attempts x
                         WHERE o.state = 1 AND x.business_id = o.business_id AND x.order_code = o.order_code) a";
