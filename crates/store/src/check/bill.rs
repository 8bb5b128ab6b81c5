//! A supplier's bill against our attempts, item by item, both ways.

use std::collections::{HashMap, HashSet};

use domain::{AttemptState, Money, SupplierId, UnixMs, masked_account};
use tokio_postgres::Row;

use super::{WHOLE_TABLES, WITHIN};
use crate::session::Session;
use crate::{Store, StoreError};

/// References that are looked up at once.
const AT_ONCE: usize = 5_000;
/// The differences that are named; more are counted.
const NAMED: usize = 1_000;

/// One line of a supplier's bill.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BillLine {
    /// Its number in the file, from 1.
    pub line: usize,
    /// Our reference.
    pub reference: String,
    /// What it says was topped up.
    pub account: String,
    /// What it wants for that.
    pub amount: Money,
    /// Whether it says that it charged.
    pub charged: bool,
}

/// A difference between the bill and our books.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// What kind, in a word.
    pub kind: &'static str,
    /// The reference.
    pub reference: String,
    /// Both sides' words; accounts are masked.
    pub detail: String,
    /// What to do about it.
    pub advice: &'static str,
}

/// What the comparison came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BillCheck {
    /// Lines of the bill.
    pub lines: usize,
    /// Lines that say what our books say.
    pub matched: usize,
    /// All differences there are.
    pub differences: usize,
    /// The first of them.
    pub named: Vec<Difference>,
}

/// One attempt as our books know it.
#[derive(Clone, Debug)]
struct Booked {
    reference: String,
    account: String,
    cost: Money,
    state: AttemptState,
}

impl Store {
    /// Compares a supplier's bill with our attempts: each line with the attempt that it names, and each attempt that was charged
    /// between `since` and `until` with the bill.
    pub async fn check_bill(
        &self,
        supplier: &SupplierId,
        bill: &[BillLine],
        since: Option<UnixMs>,
        until: Option<UnixMs>,
    ) -> Result<BillCheck, StoreError> {
        let mut session = self.session().await?;
        let work = read(&mut session, supplier, bill, since, until);
        let (named, charged) = tokio::time::timeout(WITHIN, work)
            .await
            .unwrap_or(Err(StoreError::TooSlow))?;
        session.give_back();
        Ok(compare(bill, &named, &charged))
    }
}

const COLUMNS: &str = "SELECT a.reference, o.account, a.cost, a.state FROM attempts a JOIN orders o USING (business_id, order_code)";

async fn read(
    session: &mut Session,
    supplier: &SupplierId,
    bill: &[BillLine],
    since: Option<UnixMs>,
    until: Option<UnixMs>,
) -> Result<(HashMap<String, Booked>, Vec<Booked>), StoreError> {
    let transaction = session.begin_reading();
    transaction.batch_execute(WHOLE_TABLES).await?;
    let mut named = HashMap::with_capacity(bill.len());
    let by_reference = transaction
        .prepare_cached(&format!(
            "{COLUMNS} WHERE a.supplier_id = $1 AND a.reference = ANY ($2)"
        ))
        .await?;
    for lines in bill.chunks(AT_ONCE) {
        let references: Vec<&str> = lines.iter().map(|l| l.reference.as_str()).collect();
        for row in transaction
            .query(&by_reference, &[&supplier.as_str(), &references])
            .await?
        {
            let booked = booked(&row)?;
            named.insert(booked.reference.clone(), booked);
        }
    }
    let period = format!(
        "{COLUMNS} WHERE a.supplier_id = $1 AND a.state = 3
             AND ($2::bigint IS NULL OR a.closed_at >= to_timestamp($2 / 1000.0))
             AND ($3::bigint IS NULL OR a.closed_at < to_timestamp($3 / 1000.0))
         ORDER BY a.business_id, a.order_code"
    );
    let rows = transaction
        .query(
            &period,
            &[
                &supplier.as_str(),
                &since.map(|at| at.0),
                &until.map(|at| at.0),
            ],
        )
        .await?;
    let charged = rows.iter().map(booked).collect::<Result<_, _>>()?;
    transaction.rollback().await?;
    Ok((named, charged))
}

fn booked(row: &Row) -> Result<Booked, StoreError> {
    let state: i16 = row.get(3);
    Ok(Booked {
        reference: row.get(0),
        account: row.get(1),
        cost: Money::from_units(row.get(2)),
        state: AttemptState::from_number(state)
            .ok_or_else(|| StoreError::unreadable(format!("attempt state {state}")))?,
    })
}

/// The comparison itself.
fn compare(bill: &[BillLine], named: &HashMap<String, Booked>, charged: &[Booked]) -> BillCheck {
    let mut check = BillCheck {
        lines: bill.len(),
        ..BillCheck::default()
    };
    let mut seen = HashSet::new();
    for line in bill {
        let twice = line.charged && !seen.insert(line.reference.as_str());
        match difference(line, named.get(&line.reference), twice) {
            Some(difference) => check.note(difference),
            None => check.matched += 1,
        }
    }
    let spoken_of: HashSet<&str> = bill.iter().map(|l| l.reference.as_str()).collect();
    for attempt in charged {
        // What the bill denies has been noted with its line.
        if !spoken_of.contains(attempt.reference.as_str()) {
            check.note(Difference {
                kind: "not_billed",
                reference: attempt.reference.clone(),
                detail: format!(
                    "charged for {} yuan, account {}; not on the bill",
                    attempt.cost,
                    masked_account(&attempt.account)
                ),
                advice: "Ask the supplier whether the top-up was made: the merchant has paid for it.",
            });
        }
    }
    check
}

fn difference(line: &BillLine, booked: Option<&Booked>, twice: bool) -> Option<Difference> {
    let told = |kind, detail: String, advice| {
        Some(Difference {
            kind,
            reference: line.reference.clone(),
            detail: format!("line {}: {detail}", line.line),
            advice,
        })
    };
    let Some(booked) = booked else {
        return told(
            "unknown",
            format!("{} yuan for {}", line.amount, masked_account(&line.account)),
            "Do not pay: we never gave this reference to this supplier.",
        );
    };
    if twice {
        return told(
            "billed_twice",
            format!("{} yuan once more", line.amount),
            "Do not pay twice; ask the supplier whether the account was charged twice.",
        );
    }
    if line.account != booked.account {
        return told(
            "other_account",
            format!(
                "{} instead of {}",
                masked_account(&line.account),
                masked_account(&booked.account)
            ),
            "Ask the supplier which account it topped up.",
        );
    }
    match (line.charged, booked.state) {
        (true, AttemptState::NotCharged) => told(
            "billed_not_charged",
            format!(
                "{} yuan for an attempt that is closed as not charged",
                line.amount
            ),
            "A double charge, if the order went to another supplier: look at its story, then dispute it or adjust.",
        ),
        (true, AttemptState::Calling | AttemptState::Accepted | AttemptState::Unknown) => told(
            "billed_open",
            format!(
                "{} yuan for an attempt whose outcome is not known here",
                line.amount
            ),
            "The bill is evidence: settle the order as charged, by `refill doubt propose` and `confirm`.",
        ),
        (false, AttemptState::Charged) => told(
            "denied",
            "not charged, it says; the order has succeeded here".into(),
            "Ask the supplier for its word in writing; a refund to the merchant is made by `refill doubt`.",
        ),
        (true, AttemptState::Charged) if line.amount != booked.cost => told(
            "other_amount",
            format!("{} yuan instead of {}", line.amount, booked.cost),
            "Compare with the agreed cost of the route.",
        ),
        _ => None,
    }
}

impl BillCheck {
    /// Whether both sides say the same.
    pub const fn holds(&self) -> bool {
        self.differences == 0
    }

    fn note(&mut self, difference: Difference) {
        self.differences += 1;
        if self.named.len() < NAMED {
            self.named.push(difference);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(n: usize, reference: &str, amount: i64, charged: bool) -> BillLine {
        BillLine {
            line: n,
            reference: reference.into(),
            account: "13800000000".into(),
            amount: Money::from_units(amount),
            charged,
        }
    }

    fn ours(reference: &str, state: AttemptState) -> Booked {
        Booked {
            reference: reference.into(),
            account: "13800000000".into(),
            cost: Money::from_units(487_000),
            state,
        }
    }

    fn kinds(bill: &[BillLine], books: &[Booked]) -> Vec<(&'static str, String)> {
        let named = books
            .iter()
            .map(|b| (b.reference.clone(), b.clone()))
            .collect();
        let charged: Vec<Booked> = books
            .iter()
            .filter(|b| b.state == AttemptState::Charged)
            .cloned()
            .collect();
        let check = compare(bill, &named, &charged);
        assert_eq!(check.differences, check.named.len());
        check
            .named
            .into_iter()
            .map(|d| (d.kind, d.reference))
            .collect()
    }

    #[test]
    fn a_bill_that_says_what_we_say_has_no_difference() {
        let books = [
            ours("a", AttemptState::Charged),
            ours("b", AttemptState::NotCharged),
        ];
        assert_eq!(
            kinds(
                &[line(1, "a", 487_000, true), line(2, "b", 0, false)],
                &books
            ),
            []
        );
        assert_eq!(kinds(&[line(1, "a", 487_000, true)], &books), []);
    }

    #[test]
    fn each_way_to_differ_is_named() {
        let books = [
            ours("charged", AttemptState::Charged),
            ours("dear", AttemptState::Charged),
            ours("denied", AttemptState::Charged),
            ours("forgotten", AttemptState::Charged),
            ours("failed", AttemptState::NotCharged),
            ours("open", AttemptState::Unknown),
            ours("other", AttemptState::Charged),
        ];
        let mut other = line(8, "other", 487_000, true);
        other.account = "13900000000".into();
        let bill = [
            line(1, "charged", 487_000, true),
            line(2, "charged", 487_000, true),
            line(3, "dear", 497_000, true),
            line(4, "denied", 0, false),
            line(5, "failed", 487_000, true),
            line(6, "open", 487_000, true),
            line(7, "stranger", 487_000, true),
            other,
        ];
        let expected = [
            ("billed_twice", "charged"),
            ("other_amount", "dear"),
            ("denied", "denied"),
            ("billed_not_charged", "failed"),
            ("billed_open", "open"),
            ("unknown", "stranger"),
            ("other_account", "other"),
            ("not_billed", "forgotten"),
        ];
        let found = kinds(&bill, &books);
        let found: Vec<(&str, &str)> = found.iter().map(|(k, r)| (*k, r.as_str())).collect();
        assert_eq!(found, expected);
    }
}
