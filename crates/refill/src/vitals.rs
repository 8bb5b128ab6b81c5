//! The whole database in numbers, asked every few seconds and kept for whoever scrapes: a scrape never waits for the database.
//!
//! Served by the workers that charge suppliers and by the console, so that one of them may be missing; each tells the same, so take
//! the maximum and never the sum. When the database does not answer, the old values stay and the time of the last answer says so.

use std::collections::BTreeMap;
use std::time::Duration;

use domain::{BusinessId, Money};
use metrics::{Unit, describe_gauge, gauge};
use store::vitals::{DoubtVitals, Holder, Vitals, Waiting};
use store::{Store, StoreError};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::meters::now;

/// How long one look may take.
const WITHIN: Duration = Duration::from_secs(5);
/// How often the money of all businesses is looked at.
const MONEY_EVERY: Duration = Duration::from_mins(5);
/// How long one such round may take; the next one goes on where it ended.
const MONEY_WITHIN: Duration = Duration::from_mins(1);

/// Says what each of these metrics means, for `/metrics`.
pub(crate) fn describe_meters() {
    describe_gauge!(
        "refill_vitals_observed_timestamp_seconds",
        Unit::Seconds,
        "When the database was last asked for what follows (admin.look_every_ms), in seconds since 1970: outbox, open orders, pauses, breakers, doubts, waiting reports."
    );
    describe_gauge!(
        "refill_database_blocked_sessions",
        "Transactions that have waited for a lock for a second or longer."
    );
    describe_gauge!(
        "refill_database_blocked_seconds",
        Unit::Seconds,
        "For how long the first of them has waited; 0: there is none."
    );
    describe_gauge!(
        "refill_outbox_batches",
        "Batches whose hints the broker has not all confirmed, counted up to 10000."
    );
    describe_gauge!(
        "refill_outbox_oldest_age_seconds",
        Unit::Seconds,
        "Age of the oldest of them; 0: there is none."
    );
    describe_gauge!(
        "refill_orders_open",
        "Open orders by lane and state (stored: no worker has seen them; waiting: at no supplier, for one that can take them; calling: claimed; asked: at a supplier, or perhaps, and it is not known how they ended), counted up to 10000. Doubts are not among them."
    );
    describe_gauge!(
        "refill_orders_open_oldest_age_seconds",
        Unit::Seconds,
        "Age of the oldest of them, by lane and state; 0: there is none."
    );
    describe_gauge!(
        "refill_claims_overdue_seconds",
        Unit::Seconds,
        "For how long the lease of a claimed order has been over without a worker that took it up again, of the lane's first one; 0: none is."
    );
    describe_gauge!(
        "refill_lane_paused",
        "Whether a person keeps new orders of the lane from all suppliers: 1, or 0."
    );
    describe_gauge!(
        "refill_supplier_paused",
        "Whether a person keeps new orders from the supplier in all lanes: 1, or 0."
    );
    describe_gauge!(
        "refill_supplier_breaker_open",
        "Whether the fleet spares the supplier because its calls kept failing: 1, or 0."
    );
    describe_gauge!(
        "refill_doubts_open",
        "Cases that wait for a person, by kind (doubt: the outcome is not known; discrepancy: a supplier contradicts a final state), counted up to 10000."
    );
    describe_gauge!(
        "refill_doubts_oldest_age_seconds",
        Unit::Seconds,
        "Age of the oldest of them, by kind; 0: there is none."
    );
    describe_gauge!(
        "refill_doubts_money_yuan",
        "What the merchants pay for their orders, in yuan, by kind. To be watched, not to be booked: money is kept in whole units of 0.0001 yuan."
    );
    describe_gauge!(
        "refill_reports_waiting",
        "Reports that are not delivered yet, by line (first: not tried; retry: not taken; replay: asked for again), counted up to 10000."
    );
    describe_gauge!(
        "refill_reports_overdue_seconds",
        Unit::Seconds,
        "How long the first report at an endpoint that is well has been due for its first try; 0: none is."
    );
    describe_gauge!(
        "refill_reports_parked",
        "Reports that were given up, counted up to 10000."
    );
    describe_gauge!(
        "refill_ledger_difference_yuan",
        "The sum over all businesses of what their balance holds and their open orders do not account for, or the other way round, in yuan. Anything but 0 is a defect."
    );
    describe_gauge!(
        "refill_ledger_checked_timestamp_seconds",
        Unit::Seconds,
        "When the last round over all businesses ended that looked for such differences, in seconds since 1970."
    );
    describe_gauge!(
        "refill_ledger_businesses_skipped",
        "Businesses that the last round left to `refill check`, because they have more than 10000 open orders."
    );
}

/// Looks until `shutdown`, each time `every` has passed.
pub(crate) async fn watch(store: Store, every: Duration, shutdown: CancellationToken) {
    let looking = async {
        tokio::join!(look_at_what_waits(&store, every), look_at_money(&store));
    };
    tokio::select! {
        () = shutdown.cancelled() => {}
        () = looking => {}
    }
}

async fn look_at_what_waits(store: &Store, every: Duration) {
    let mut ticks = tokio::time::interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let asked = tokio::time::timeout(WITHIN, store.vitals()).await;
        match asked.unwrap_or(Err(StoreError::TooSlow)) {
            Ok(vitals) => tell(&vitals),
            Err(error) => tracing::warn!(%error, "the database could not be asked for its metrics"),
        }
    }
}

fn tell(vitals: &Vitals) {
    let blocked = &vitals.blocked;
    gauge!("refill_database_blocked_sessions").set(number(blocked.sessions));
    gauge!("refill_database_blocked_seconds").set(blocked.longest.as_secs_f64());
    if let Some(holder) = &blocked.holder {
        let Holder {
            pid,
            user,
            application,
        } = holder;
        tracing::warn!(
            pid, %user, %application, sessions = blocked.sessions, for_ms = blocked.longest.as_millis(),
            "transactions wait for a lock that a session of the database keeps"
        );
    }
    gauge!("refill_outbox_batches").set(number(vitals.outbox.count));
    gauge!("refill_outbox_oldest_age_seconds").set(vitals.outbox.oldest.as_secs_f64());
    for lane in &vitals.lanes {
        let name = lane.lane.to_string();
        for (state, Waiting { count, oldest }) in [
            ("stored", lane.stored),
            ("waiting", lane.waiting),
            ("calling", lane.calling),
            ("asked", lane.asked),
        ] {
            gauge!("refill_orders_open", "lane" => name.clone(), "state" => state)
                .set(number(count));
            gauge!("refill_orders_open_oldest_age_seconds", "lane" => name.clone(), "state" => state)
                .set(oldest.as_secs_f64());
        }
        gauge!("refill_claims_overdue_seconds", "lane" => name.clone())
            .set(lane.overdue.as_secs_f64());
        gauge!("refill_lane_paused", "lane" => name).set(flag(lane.is_paused));
    }
    for supplier in &vitals.suppliers {
        let name = supplier.supplier.to_string();
        gauge!("refill_supplier_paused", "supplier" => name.clone()).set(flag(supplier.is_paused));
        gauge!("refill_supplier_breaker_open", "supplier" => name).set(flag(supplier.is_tripped));
    }
    for (kind, DoubtVitals { waiting, money }) in [
        ("doubt", vitals.doubts),
        ("discrepancy", vitals.discrepancies),
    ] {
        gauge!("refill_doubts_open", "kind" => kind).set(number(waiting.count));
        gauge!("refill_doubts_oldest_age_seconds", "kind" => kind)
            .set(waiting.oldest.as_secs_f64());
        gauge!("refill_doubts_money_yuan", "kind" => kind).set(in_yuan_for_metrics(money));
    }
    let reports = &vitals.reports;
    for (line, count) in [
        ("first", reports.first),
        ("retry", reports.retry),
        ("replay", reports.replay),
    ] {
        gauge!("refill_reports_waiting", "line" => line).set(number(count));
    }
    gauge!("refill_reports_overdue_seconds").set(reports.overdue.as_secs_f64());
    gauge!("refill_reports_parked").set(number(reports.parked));
    gauge!("refill_vitals_observed_timestamp_seconds").set(now());
}

async fn look_at_money(store: &Store) {
    let mut books = Books::default();
    let mut ticks = tokio::time::interval(MONEY_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        match tokio::time::timeout(MONEY_WITHIN, books.look(store)).await {
            Ok(Ok(())) | Err(_) => {}
            Ok(Err(error)) => {
                tracing::warn!(%error, "held money could not be compared with open orders");
            }
        }
    }
}

/// What is known of the businesses' money.
#[derive(Default)]
struct Books {
    /// The last business that was looked at in this round.
    after: Option<BusinessId>,
    skipped: i64,
    /// Held and not accounted for; only businesses where it is not zero.
    differences: BTreeMap<BusinessId, Money>,
}

impl Books {
    /// Goes on with the round, to its end.
    async fn look(&mut self, store: &Store) -> Result<(), StoreError> {
        while let Some(found) = store.held_money(self.after.as_ref()).await? {
            self.after = Some(found.business.clone());
            match found.open {
                None => self.skipped += 1,
                Some(open) if open == found.held => {
                    self.differences.remove(&found.business);
                }
                Some(open) => {
                    tracing::error!(business = %found.business, held = %found.held, open_orders = %open,
                        "the money on hold is not that of the open orders: `refill check` tells more");
                    let apart = found.held.units().abs_diff(open.units());
                    let apart = Money::from_units(i64::try_from(apart).unwrap_or(i64::MAX));
                    self.differences.insert(found.business, apart);
                }
            }
            self.tell();
        }
        self.tell();
        gauge!("refill_ledger_businesses_skipped").set(number(self.skipped));
        gauge!("refill_ledger_checked_timestamp_seconds").set(now());
        (self.after, self.skipped) = (None, 0);
        Ok(())
    }

    fn tell(&self) {
        let all = self
            .differences
            .values()
            .map(|money| money.units())
            .fold(0, i64::saturating_add);
        gauge!("refill_ledger_difference_yuan").set(in_yuan_for_metrics(Money::from_units(all)));
    }
}

/// Exact up to a hundred billion yuan, which is enough to be looked at.
#[expect(clippy::cast_precision_loss, reason = "nothing is booked from it")]
fn in_yuan_for_metrics(money: Money) -> f64 {
    let units = money.units();
    units as f64 / 10_000.0
}

fn number(count: i64) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

fn flag(is_so: bool) -> f64 {
    f64::from(u8::from(is_so))
}
