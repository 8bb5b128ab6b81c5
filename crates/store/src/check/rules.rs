//! The rules, each with the question that finds what breaks it and with what to do then.
//!
//! A question returns one text column. `{orders}` and the like stand for the table, or for its newer part.

/// What a rule has to look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Span {
    /// Orders one by one: it can be asked about the newer ones alone.
    Orders,
    /// What is open now, which is little.
    Open,
    /// All rows there are.
    Everything,
}

/// One rule.
pub(super) struct Rule {
    pub(super) says: &'static str,
    pub(super) span: Span,
    pub(super) asks: &'static str,
    pub(super) advice: &'static str,
}

const MONEY: &str = "Stop the intake of the account, keep a dump, and compare its ledger with its orders: money was written by something other than Refill.";
const BY_HAND: &str = "Somebody wrote to the database by hand, or a migration went wrong: restore the rows from a backup, or correct them by two persons.";
const WORKERS: &str =
    "Look whether `refill fulfillment` runs for the lane, and at its log for that order.";

pub(super) const RULES: [Rule; 27] = [
    Rule {
        says: "a balance is the sum of its ledger",
        span: Span::Everything,
        asks: "SELECT b.business_id FROM balances b
         LEFT JOIN (SELECT business_id, sum(prepaid_delta) AS prepaid, sum(held_delta) AS held FROM ledger GROUP BY 1) l
              USING (business_id)
         WHERE b.prepaid <> coalesce(l.prepaid, 0) OR b.held <> coalesce(l.held, 0)",
        advice: MONEY,
    },
    Rule {
        says: "what is held is the price of the open orders",
        span: Span::Everything,
        asks: "SELECT b.business_id FROM balances b
         LEFT JOIN (SELECT business_id, sum(price) AS open FROM orders WHERE state < 2 GROUP BY 1) o USING (business_id)
         WHERE b.held <> coalesce(o.open, 0)",
        advice: MONEY,
    },
    Rule {
        says: "no balance is beyond its credit line",
        span: Span::Open,
        asks: "SELECT business_id FROM balances WHERE prepaid - held + credit_line < 0 OR held < 0",
        advice: "Stop the intake of the account; the constraint that forbids this is missing: compare the schema with migrations/.",
    },
    Rule {
        says: "every order has one hold of its price",
        span: Span::Orders,
        asks: "SELECT o.order_code::text FROM {orders} o
         LEFT JOIN ledger l ON l.business_id = o.business_id AND l.posting_ref = o.order_code AND l.step = 0 AND l.kind = 'hold'
         WHERE l.held_delta IS DISTINCT FROM o.price",
        advice: MONEY,
    },
    Rule {
        says: "a final order has the posting of its state, an open order has none",
        span: Span::Orders,
        asks: "SELECT o.order_code::text FROM {orders} o
         LEFT JOIN ledger l ON l.business_id = o.business_id AND l.posting_ref = o.order_code AND l.step = 1
         WHERE l.kind IS DISTINCT FROM CASE o.state WHEN 2 THEN 'settle' WHEN 3 THEN 'release' WHEN 4 THEN 'release' END
            OR (o.state >= 2 AND l.held_delta <> -o.price)",
        advice: MONEY,
    },
    Rule {
        says: "a business's feed has no gap and ends where its balance says",
        span: Span::Everything,
        asks: "SELECT b.business_id FROM balances b
         LEFT JOIN (SELECT business_id, count(*) AS changes, max(feed_no) AS last FROM ledger WHERE feed_no IS NOT NULL
                    GROUP BY business_id) l USING (business_id)
         WHERE b.feed_no <> coalesce(l.last, 0) OR b.feed_no <> coalesce(l.changes, 0)",
        advice: BY_HAND,
    },
    Rule {
        says: "a posting belongs to an order or is a deposit",
        span: Span::Orders,
        asks: "SELECT l.posting_ref::text FROM {ledger} l
         LEFT JOIN orders o ON o.business_id = l.business_id AND o.order_code = l.posting_ref
         WHERE o.order_code IS NULL AND l.kind <> 'deposit'",
        advice: MONEY,
    },
    Rule {
        says: "an adjustment belongs to a discrepancy that two persons closed",
        span: Span::Orders,
        asks: "SELECT l.posting_ref::text FROM {ledger} l
         WHERE l.kind = 'adjust' AND NOT EXISTS (
             SELECT FROM doubts d WHERE d.business_id = l.business_id AND d.order_code = l.posting_ref
                 AND d.kind = 'discrepancy' AND d.closed_by <> d.proposed_by)",
        advice: "Ask who posted it: adjustments are made by `refill doubt propose` and `confirm` only.",
    },
    Rule {
        says: "a succeeded order has one charged attempt, another has none",
        span: Span::Orders,
        asks: "SELECT o.order_code::text FROM {orders} o
         LEFT JOIN LATERAL (SELECT count(*) AS charged FROM attempts a
                            WHERE a.business_id = o.business_id AND a.order_code = o.order_code AND a.state = 3) a ON true
         WHERE a.charged <> CASE WHEN o.state = 2 THEN 1 ELSE 0 END",
        advice: "Look at the order's story in the console and at the supplier's bill: somebody was charged for nothing, or twice.",
    },
    Rule {
        says: "a final order has no attempt that may still charge",
        span: Span::Orders,
        asks: "SELECT o.order_code::text FROM {orders} o JOIN attempts a USING (business_id, order_code)
         WHERE o.state >= 2 AND a.state < 3",
        advice: "Ask the supplier after the attempt's reference at once: it may charge for an order that has ended.",
    },
    Rule {
        says: "an attempt belongs to an order, and only a claimed order has any",
        span: Span::Orders,
        asks: "SELECT a.reference FROM {attempts} a LEFT JOIN orders o USING (business_id, order_code)
         WHERE o.order_code IS NULL OR o.state IN (0, 4)",
        advice: BY_HAND,
    },
    Rule {
        says: "a reference was given to one attempt",
        span: Span::Everything,
        asks: "SELECT reference FROM attempts GROUP BY supplier_id, reference HAVING count(*) > 1",
        advice: "Ask the supplier how often it charged for the reference.",
    },
    Rule {
        says: "a closed attempt has its evidence",
        span: Span::Orders,
        asks: "SELECT a.reference FROM {attempts} a
         LEFT JOIN LATERAL (SELECT count(*) AS pieces FROM evidence e WHERE e.business_id = a.business_id
                            AND e.order_code = a.order_code AND e.attempt_no = a.attempt_no) e ON true
         WHERE a.evidence_count <> e.pieces OR (a.state >= 3 AND e.pieces = 0)",
        advice: BY_HAND,
    },
    Rule {
        says: "a charged attempt was heard to succeed, one that is not charged was heard not to",
        span: Span::Orders,
        asks: "SELECT a.reference FROM {attempts} a
         WHERE a.state >= 3 AND NOT EXISTS (
             SELECT FROM evidence e WHERE e.business_id = a.business_id AND e.order_code = a.order_code
                 AND e.attempt_no = a.attempt_no AND (e.verdict = 0) = (a.state = 3) AND e.verdict IN (0, 1, 2, 5, 7))",
        advice: "Ask the supplier after the reference; what it says in writing decides, by `refill doubt propose` and `confirm`.",
    },
    Rule {
        says: "evidence speaks of an attempt",
        span: Span::Orders,
        asks: "SELECT e.order_code::text FROM {evidence} e LEFT JOIN attempts a USING (business_id, order_code, attempt_no)
         WHERE a.attempt_no IS NULL",
        advice: BY_HAND,
    },
    Rule {
        says: "an open order waits for something or for a person, a final one for nothing",
        span: Span::Orders,
        asks: "SELECT o.order_code::text FROM {orders} o
         LEFT JOIN timers t USING (business_id, order_code)
         LEFT JOIN doubts d ON d.business_id = o.business_id AND d.order_code = o.order_code AND d.closed_at IS NULL
                           AND d.kind = 'doubt'
         WHERE (o.state < 2 AND t.kind IS NULL AND d.kind IS NULL) OR (o.state >= 2 AND (t.kind IS NOT NULL OR d.kind IS NOT NULL))",
        advice: "An open order that waits for nothing needs a timer: INSERT INTO timers … kind 2, due now(), in its product's lane.",
    },
    Rule {
        says: "no order stands still for ten minutes after its time has come",
        span: Span::Open,
        asks: "SELECT t.order_code::text FROM timers t WHERE t.due_at < now() - interval '10 minutes'",
        advice: WORKERS,
    },
    Rule {
        says: "no batch waits ten minutes to be announced",
        span: Span::Open,
        asks: "SELECT b.batch_biz_code FROM outbox x JOIN batches b USING (business_id, batch_id)
         WHERE x.created_at < now() - interval '10 minutes'",
        advice: "Look whether the broker takes messages, and whether `refill fulfillment`, which sweeps, runs.",
    },
    Rule {
        says: "a final order whose batch names an address has a report, an open order has none",
        span: Span::Orders,
        asks: "SELECT o.order_code::text FROM {orders} o JOIN batches b USING (business_id, batch_id)
         LEFT JOIN callbacks c ON c.business_id = o.business_id AND c.order_code = o.order_code
         WHERE (c.order_code IS NOT NULL) <> (o.state >= 2 AND b.callback_url IS NOT NULL)",
        advice: "Tell the merchant by hand: nothing will send this report.",
    },
    Rule {
        says: "a report that was delivered or parked has its tries, at most ten a round",
        span: Span::Orders,
        asks: "SELECT c.order_code::text FROM {callbacks} c
         LEFT JOIN LATERAL (SELECT count(*) FILTER (WHERE t.charged) AS tries, count(*) FILTER (WHERE t.outcome = 'delivered') AS delivered
                            FROM callback_tries t WHERE t.business_id = c.business_id AND t.order_code = c.order_code
                                AND t.round = c.round) t ON true
         WHERE (t.tries <> c.tries AND c.created_at > now() - interval '1 day') OR t.tries > 10
             OR (c.state = 2 AND t.delivered = 0 AND t.tries > 0) OR (c.state = 3 AND c.tries < 10 AND NOT c.unreached)",
        advice: "Send the report again: `refill callback resend`; repeated reports do no harm.",
    },
    Rule {
        says: "no report waits ten minutes after its time has come, unless its endpoint is not well",
        span: Span::Open,
        asks: "SELECT order_code::text FROM callbacks c
         WHERE (c.due_at IS NOT NULL AND c.round = 1 AND c.tries = 0 OR c.due_at IS NOT NULL AND c.round = 1 AND c.tries > 0
                OR c.due_at IS NOT NULL AND c.round > 1) AND c.due_at < now() - interval '10 minutes'
             AND NOT EXISTS (SELECT FROM endpoints e WHERE e.endpoint IN (c.endpoint, '//' || substring(c.endpoint from '//(\\[[^]]*\\]|[^:]*)')))",
        advice: "Look whether `refill callback` runs, and at its log for that order.",
    },
    Rule {
        says: "a batch has its orders and their total",
        span: Span::Orders,
        asks: "SELECT b.batch_biz_code FROM {batches} b
         LEFT JOIN LATERAL (SELECT count(*) AS orders, sum(price) AS total FROM orders o WHERE o.business_id = b.business_id
                            AND o.batch_id = b.batch_id AND o.order_code BETWEEN b.first_code AND b.last_code) o ON true
         WHERE o.orders <> b.item_count OR o.total IS DISTINCT FROM b.total",
        advice: BY_HAND,
    },
    Rule {
        says: "an order belongs to a batch",
        span: Span::Orders,
        asks: "SELECT o.order_code::text FROM {orders} o LEFT JOIN batches b ON b.business_id = o.business_id AND b.batch_id = o.batch_id
             AND o.order_code BETWEEN b.first_code AND b.last_code
         WHERE b.batch_id IS NULL",
        advice: BY_HAND,
    },
    Rule {
        says: "an order's number is its own for ever",
        span: Span::Orders,
        asks: "SELECT o.order_code::text FROM {orders} o LEFT JOIN order_numbers n USING (biz_code, business_id)
         WHERE n.order_code IS DISTINCT FROM o.order_code",
        advice: BY_HAND,
    },
    Rule {
        says: "a number that is used has its order",
        span: Span::Everything,
        asks: "SELECT n.biz_code FROM order_numbers n LEFT JOIN orders o USING (business_id, order_code)
         WHERE o.biz_code IS DISTINCT FROM n.biz_code",
        advice: "If a month was detached, ask with `--since` about what is still attached; else restore the order from a backup.",
    },
    Rule {
        says: "no order lies outside the months that are kept",
        span: Span::Open,
        asks: "SELECT order_code::text FROM orders_outside UNION ALL SELECT order_code::text FROM attempts_outside
         UNION ALL SELECT order_code::text FROM evidence_outside",
        advice: "A machine's clock was wrong: mend it, then move the rows (migrations/README.md, \"Months\"). Nothing is lost meanwhile.",
    },
    Rule {
        says: "the next month is prepared",
        span: Span::Open,
        asks: "SELECT part FROM unnest('{orders,attempts,evidence}'::text[]) AS kept (name),
             LATERAL (SELECT name || to_char(now() AT TIME ZONE 'UTC' + interval '1 month', '_YYYY_MM') AS part) m
         WHERE to_regclass(part) IS NULL",
        advice: "Run `refill migrate`; then look why `refill fulfillment`, which prepares months, did not: its log says.",
    },
];
