//! What must hold at any moment (`refill check`): questions whose right answer is "none".

use crate::{Store, StoreError};

/// One rule, and what breaks it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The rule, as a sentence.
    pub rule: &'static str,
    /// How many rows break it.
    pub broken_by: i64,
    /// Some of them.
    pub examples: Vec<String>,
}

/// All rules with what was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Check {
    /// In the order of `RULES`.
    pub findings: Vec<Finding>,
}

impl Check {
    /// Whether all rules hold.
    pub fn holds(&self) -> bool {
        self.findings.iter().all(|finding| finding.broken_by == 0)
    }
}

/// Each question returns one text column: the rows that break the rule.
const RULES: [(&str, &str); 11] = [
    (
        "a balance is the sum of its ledger",
        "SELECT b.business_id FROM balances b
         LEFT JOIN (SELECT business_id, sum(prepaid_delta) AS prepaid, sum(held_delta) AS held FROM ledger GROUP BY 1) l
              USING (business_id)
         WHERE b.prepaid <> coalesce(l.prepaid, 0) OR b.held <> coalesce(l.held, 0)",
    ),
    (
        "what is held is the price of the open orders",
        "SELECT b.business_id FROM balances b
         LEFT JOIN (SELECT business_id, sum(price) AS open FROM orders WHERE state < 2 GROUP BY 1) o USING (business_id)
         WHERE b.held <> coalesce(o.open, 0)",
    ),
    (
        "every order has one hold of its price",
        "SELECT o.order_code::text FROM orders o
         LEFT JOIN ledger l ON l.business_id = o.business_id AND l.posting_ref = o.order_code AND l.step = 0 AND l.kind = 'hold'
         WHERE l.held_delta IS DISTINCT FROM o.price",
    ),
    (
        "a final order has the posting of its state, an open order has none",
        "SELECT o.order_code::text FROM orders o
         LEFT JOIN ledger l ON l.business_id = o.business_id AND l.posting_ref = o.order_code AND l.step = 1
         WHERE l.kind IS DISTINCT FROM CASE o.state WHEN 2 THEN 'settle' WHEN 3 THEN 'release' WHEN 4 THEN 'release' END
            OR (o.state >= 2 AND l.held_delta <> -o.price)",
    ),
    (
        "a posting belongs to an order or is a deposit",
        "SELECT l.posting_ref::text FROM ledger l
         LEFT JOIN orders o ON o.business_id = l.business_id AND o.order_code = l.posting_ref
         WHERE o.order_code IS NULL AND l.kind IN ('hold', 'settle', 'release')",
    ),
    (
        "a succeeded order has one charged attempt, another has none",
        "SELECT o.order_code::text FROM orders o
         LEFT JOIN (SELECT business_id, order_code, count(*) AS charged FROM attempts WHERE state = 3 GROUP BY 1, 2) a
              USING (business_id, order_code)
         WHERE coalesce(a.charged, 0) <> CASE WHEN o.state = 2 THEN 1 ELSE 0 END",
    ),
    (
        "a final order has no attempt that may still charge",
        "SELECT o.order_code::text FROM orders o JOIN attempts a USING (business_id, order_code)
         WHERE o.state >= 2 AND a.state < 3",
    ),
    (
        "a closed attempt has its evidence",
        "SELECT a.reference FROM attempts a
         LEFT JOIN (SELECT business_id, order_code, attempt_no, count(*) AS pieces FROM evidence GROUP BY 1, 2, 3) e
              USING (business_id, order_code, attempt_no)
         WHERE a.evidence_count <> coalesce(e.pieces, 0) OR (a.state >= 3 AND e.pieces IS NULL)",
    ),
    (
        "an open order waits for something or for a person, a final one for nothing",
        "SELECT o.order_code::text FROM orders o
         LEFT JOIN timers t USING (business_id, order_code)
         LEFT JOIN doubts d ON d.business_id = o.business_id AND d.order_code = o.order_code AND d.closed_at IS NULL
                           AND d.kind = 'doubt'
         WHERE (o.state < 2 AND t.kind IS NULL AND d.kind IS NULL) OR (o.state >= 2 AND (t.kind IS NOT NULL OR d.kind IS NOT NULL))",
    ),
    (
        "a final order whose batch names an address has a report, an open order has none",
        "SELECT o.order_code::text FROM orders o JOIN batches b USING (business_id, batch_id)
         LEFT JOIN callbacks c ON c.business_id = o.business_id AND c.order_code = o.order_code
         WHERE (c.order_code IS NOT NULL) <> (o.state >= 2 AND b.callback_url IS NOT NULL)",
    ),
    (
        "a batch has its orders and their total",
        "SELECT b.batch_biz_code FROM batches b
         LEFT JOIN (SELECT business_id, batch_id, count(*) AS orders, sum(price) AS total FROM orders GROUP BY 1, 2) o
              USING (business_id, batch_id)
         WHERE o.orders IS DISTINCT FROM b.item_count::bigint OR o.total IS DISTINCT FROM b.total",
    ),
];

impl Store {
    /// Asks all questions at one moment; changes nothing.
    pub async fn check(&self) -> Result<Check, StoreError> {
        let mut session = self.session().await?;
        let work = async {
            let transaction = session.begin().await?;
            transaction
                .batch_execute(
                    "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY; SET LOCAL statement_timeout = '10min';
                     SET LOCAL enable_seqscan = on; SET LOCAL enable_hashjoin = on; SET LOCAL enable_mergejoin = on",
                )
                .await?;
            let mut check = Check::default();
            for (rule, question) in RULES {
                let sql = format!(
                    "SELECT count(*) OVER (), example FROM ({question}) AS broken (example) LIMIT 5"
                );
                let rows = transaction.query(&sql, &[]).await?;
                check.findings.push(Finding {
                    rule,
                    broken_by: rows.first().map_or(0, |row| row.get(0)),
                    examples: rows.iter().map(|row| row.get(1)).collect(),
                });
            }
            transaction.rollback().await?;
            Ok(check)
        };
        let limit = std::time::Duration::from_mins(15);
        let check = tokio::time::timeout(limit, work)
            .await
            .unwrap_or(Err(StoreError::TooSlow))?;
        session.give_back();
        Ok(check)
    }
}
