//! Checked batches on their way into the database. What comes while others are being stored is stored together: under load many
//! batches share a transaction and its commit, and a single one waits for nobody.
//!
//! While one transaction runs, the next begins a moment later at the earliest: if everybody had his own at once, each would have its seven
//! statements for one batch, and at the balances they would wait for each other.
//!
//! Businesses take turns, and a business is in one transaction at a time: its batches would only wait there for its balance, which the
//! other transaction holds until its commit.

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Duration;

use domain::BusinessId;
use store::intake::{Asked, Intake};
use store::{Store, StoreError};
use tokio::sync::{mpsc, oneshot};
use tokio::task::{Id, JoinSet};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

/// About how many orders are stored in one transaction.
const SET_ORDERS: usize = 2_000;
/// Transactions at the same time.
const SETS_AT_ONCE: usize = 4;
/// While others run, the next begins so long after the last one at the earliest. It is about as long as one takes; longer ones hold nobody up.
const APART: Duration = Duration::from_millis(5);
/// Beside them, accounts whose balance somebody kept locked: each waits for it by itself, holding nothing.
const WAITERS_AT_ONCE: usize = 2;
/// How long one of them waits, before it is another's turn.
const AT_THE_LOCK: Duration = Duration::from_secs(3);

/// A batch and where its request waits.
struct Waiting {
    asked: Asked,
    told: oneshot::Sender<Told>,
}

/// What became of a batch, and the batch.
pub(crate) struct Told {
    pub(crate) intake: Result<Intake, StoreError>,
    pub(crate) asked: Asked,
}

/// Where requests leave their batches.
#[derive(Clone)]
pub(crate) struct IntakeHandle {
    inbox: mpsc::Sender<Waiting>,
}

impl IntakeHandle {
    /// The handle, and the task that stores. `most`: batches that may wait, which the places of the requests bound already.
    pub(crate) fn new(store: Store, most: usize) -> (Self, IntakeTask) {
        let (inbox, waiting) = mpsc::channel(most);
        (Self { inbox }, IntakeTask { store, waiting })
    }

    /// Stores a batch, or says why not.
    pub(crate) async fn store(&self, asked: Asked) -> Result<Told, StoreError> {
        let (told, answer) = oneshot::channel();
        let waiting = Waiting { asked, told };
        if self.inbox.send(waiting).await.is_err() {
            return Err(StoreError::Away("intake has ended".into()));
        }
        // Whoever was storing it broke: nobody knows how far it came.
        answer.await.map_err(|_| StoreError::CommitUnknown)
    }
}

/// Stores what is left with the handle.
pub(crate) struct IntakeTask {
    store: Store,
    waiting: mpsc::Receiver<Waiting>,
}

impl IntakeTask {
    /// Runs until `shutdown`, then stores what still waits.
    pub(crate) async fn run(mut self, shutdown: CancellationToken) {
        let mut turns = Turns::default();
        let mut storing = JoinSet::new();
        let mut waiting = JoinSet::new();
        let mut at_work: HashMap<Id, Vec<BusinessId>> = HashMap::new();
        let mut last_began = Instant::now();
        let mut open = true;
        loop {
            while may_begin(storing.len(), last_began.elapsed())
                && let Some((businesses, set)) = turns.next_set()
            {
                last_began = Instant::now();
                let task = storing.spawn(store_set(self.store.clone(), set));
                at_work.insert(task.id(), businesses);
            }
            while waiting.len() < WAITERS_AT_ONCE
                && let Some((business, set)) = turns.next_held()
            {
                let store = self.store.clone();
                let task = waiting.spawn(wait_and_store(store, business.clone(), set));
                at_work.insert(task.id(), vec![business]);
            }
            if !open && at_work.is_empty() {
                return;
            }
            let ended = tokio::select! {
                () = shutdown.cancelled(), if open => {
                    self.waiting.close();
                    continue;
                }
                Some(ended) = storing.join_next_with_id() => ended,
                Some(ended) = waiting.join_next_with_id() => ended,
                () = sleep_until(last_began + APART), if turns.is_somebody_ready() && storing.len() < SETS_AT_ONCE => continue,
                next = self.waiting.recv(), if open => {
                    match next {
                        Some(next) => turns.wait(next),
                        None => open = false,
                    }
                    while let Ok(next) = self.waiting.try_recv() {
                        turns.wait(next);
                    }
                    continue;
                }
            };
            let (id, held) = ended.unwrap_or_else(|error| {
                tracing::error!(%error, "storing a set of batches broke");
                (error.id(), HashSet::new())
            });
            turns.ended(at_work.remove(&id).unwrap_or_default(), &held);
        }
    }
}

/// Whether a transaction may begin where so many run, the last of them since so long.
fn may_begin(running: usize, since_last: Duration) -> bool {
    running == 0 || running < SETS_AT_ONCE && since_last >= APART
}

/// Returns the businesses whose balance somebody keeps locked.
async fn store_set(store: Store, set: Vec<Waiting>) -> HashSet<BusinessId> {
    let (asked, tellers): (Vec<Asked>, Vec<_>) = set.into_iter().map(|w| (w.asked, w.told)).unzip();
    metrics::histogram!("refill_ingress_batches_together")
        .record(f64::from(u32::try_from(asked.len()).unwrap_or(u32::MAX)));
    let told = store.intake(&asked).await;
    let mut held = HashSet::new();
    for ((asked, intake), teller) in asked.into_iter().zip(told).zip(tellers) {
        if matches!(intake, Err(StoreError::Locked)) {
            held.insert(asked.request.business.clone());
        }
        // Nobody waits any more if the request broke.
        let _ = teller.send(Told { intake, asked });
    }
    held
}

/// Batches of a business whose balance somebody kept locked.
async fn wait_and_store(
    store: Store,
    business: BusinessId,
    set: Vec<Waiting>,
) -> HashSet<BusinessId> {
    if store.wait_for_balance(&business, AT_THE_LOCK).await.is_ok() {
        return store_set(store, set).await;
    }
    tracing::warn!(%business, batches = set.len(), "somebody keeps this account's balance locked: its batches are refused");
    for Waiting { asked, told } in set {
        let intake = Err(StoreError::Locked);
        let _ = told.send(Told { intake, asked });
    }
    HashSet::from([business])
}

/// Who is stored next.
#[derive(Default)]
struct Turns {
    lines: HashMap<BusinessId, Line>,
    /// The businesses that have something waiting and nothing that is being stored, each once.
    ready: VecDeque<BusinessId>,
    /// Those whose balance somebody kept locked when they were stored last.
    held: HashSet<BusinessId>,
    /// As `ready`, but of `held`: nobody else is stored with them.
    ready_held: VecDeque<BusinessId>,
}

#[derive(Default)]
struct Line {
    waiting: VecDeque<Waiting>,
    /// Some of it is being stored.
    at_work: bool,
}

impl Turns {
    fn wait(&mut self, waiting: Waiting) {
        let business = waiting.asked.request.business.clone();
        let line = self.lines.entry(business.clone()).or_default();
        let is_first = line.waiting.is_empty() && !line.at_work;
        line.waiting.push_back(waiting);
        if is_first {
            self.is_ready(business);
        }
    }

    fn is_ready(&mut self, business: BusinessId) {
        if self.held.contains(&business) {
            self.ready_held.push_back(business);
        } else {
            self.ready.push_back(business);
        }
    }

    fn is_somebody_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// Every business that is ready gives as much as its share allows, and at least one batch.
    fn next_set(&mut self) -> Option<(Vec<BusinessId>, Vec<Waiting>)> {
        let share = SET_ORDERS / self.ready.len().max(1);
        let mut set = vec![];
        let mut orders = 0;
        let mut businesses = vec![];
        while orders < SET_ORDERS
            && let Some(business) = self.ready.pop_front()
        {
            orders += self.give(&business, share, &mut set);
            businesses.push(business);
        }
        (!set.is_empty()).then_some((businesses, set))
    }

    /// One business whose balance is to be waited for.
    fn next_held(&mut self) -> Option<(BusinessId, Vec<Waiting>)> {
        let business = self.ready_held.pop_front()?;
        let mut set = vec![];
        self.give(&business, SET_ORDERS, &mut set);
        Some((business, set))
    }

    /// About `share` orders, at least one batch; returns how many.
    fn give(&mut self, business: &BusinessId, share: usize, set: &mut Vec<Waiting>) -> usize {
        let Some(line) = self.lines.get_mut(business) else {
            return 0;
        };
        line.at_work = true;
        let mut given = 0;
        while let Some(next) = line.waiting.front()
            && (given == 0 || given + next.asked.batch.orders.len() <= share)
        {
            given += next.asked.batch.orders.len();
            set.extend(line.waiting.pop_front());
        }
        given
    }

    /// What these businesses had at work is over; of `held` somebody kept the balance locked.
    fn ended(&mut self, businesses: Vec<BusinessId>, held: &HashSet<BusinessId>) {
        for business in businesses {
            if held.contains(&business) {
                self.held.insert(business.clone());
            } else {
                self.held.remove(&business);
            }
            let Some(line) = self.lines.get_mut(&business) else {
                continue;
            };
            line.at_work = false;
            if line.waiting.is_empty() {
                self.lines.remove(&business);
            } else {
                self.is_ready(business);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use domain::{Lane, Money, OrderCode, ProductCode};
    use store::intake::{BatchClaim, NewBatch, NewOrder, SignedRequest};

    use super::*;

    fn waiting(business: &str, number: &str, orders: usize) -> Waiting {
        let order = |n| NewOrder {
            code: OrderCode::generate(),
            biz_code: format!("{number}-{n}"),
            account: "13800138000".into(),
            attach: None,
            spec: Money::from_units(500_000),
            price: Money::from_units(491_000),
        };
        let asked = Asked {
            request: SignedRequest {
                business: BusinessId::new(business),
                nonce: number.into(),
                nonce_ttl: Duration::from_mins(11),
                arrived: std::time::Instant::now(),
            },
            batch: NewBatch {
                claim: BatchClaim {
                    biz_code: number.into(),
                    digest: [0; 32],
                },
                product: ProductCode::new("P"),
                lane: Lane::new("l"),
                counted: false,
                callback_url: None,
                traceparent: None,
                orders: (0..orders).map(order).collect(),
            },
        };
        let (told, _) = oneshot::channel();
        Waiting { asked, told }
    }

    fn numbers(set: &[Waiting]) -> Vec<&str> {
        set.iter()
            .map(|w| w.asked.batch.claim.biz_code.as_str())
            .collect()
    }

    #[test]
    fn one_that_is_alone_begins_at_once_and_the_next_when_company_has_come() {
        let at_once = Duration::ZERO;
        assert!(may_begin(0, at_once));
        assert!(!may_begin(1, at_once), "it waits for company");
        assert!(may_begin(1, APART), "but not for a long one's end");
        assert!(may_begin(SETS_AT_ONCE - 1, APART));
        assert!(!may_begin(SETS_AT_ONCE, Duration::from_hours(1)));
    }

    #[test]
    fn what_waits_is_stored_together_and_a_business_once_at_a_time() {
        let mut turns = Turns::default();
        turns.wait(waiting("a", "a1", 1));
        let (first, set) = turns.next_set().unwrap();
        assert_eq!(numbers(&set), ["a1"]);
        for (business, number) in [("a", "a2"), ("b", "b1"), ("a", "a3"), ("b", "b2")] {
            turns.wait(waiting(business, number, 100));
        }
        let (_, set) = turns.next_set().unwrap();
        assert_eq!(numbers(&set), ["b1", "b2"], "a is at work");
        assert!(turns.next_set().is_none());
        turns.ended(first, &HashSet::new());
        let (_, set) = turns.next_set().unwrap();
        assert_eq!(numbers(&set), ["a2", "a3"]);
    }

    #[test]
    fn a_flood_takes_no_more_than_its_share_of_a_set() {
        let mut turns = Turns::default();
        for n in 0..100 {
            turns.wait(waiting("flood", &format!("f{n}"), 1_000));
        }
        turns.wait(waiting("calm", "c1", 1));
        turns.wait(waiting("other", "o1", 1_000));
        let (businesses, set) = turns.next_set().unwrap();
        assert_eq!(numbers(&set), ["f0", "c1", "o1"]);
        turns.ended(businesses, &HashSet::new());
        let (_, set) = turns.next_set().unwrap();
        assert_eq!(numbers(&set), ["f1", "f2"], "alone it has all of it");
    }

    #[test]
    fn whose_balance_is_kept_locked_waits_by_itself_until_it_is_free() {
        let mut turns = Turns::default();
        let all_wait = |turns: &mut Turns, n: u8| {
            for business in ["a", "b", "c"] {
                turns.wait(waiting(business, &format!("{business}{n}"), 1));
            }
        };
        let nobody = HashSet::new();
        all_wait(&mut turns, 1);
        let (businesses, set) = turns.next_set().unwrap();
        assert_eq!(numbers(&set), ["a1", "b1", "c1"]);
        all_wait(&mut turns, 2);
        let b = BusinessId::new("b");
        turns.ended(businesses, &HashSet::from([b.clone()]));
        let (businesses, set) = turns.next_set().unwrap();
        assert_eq!(numbers(&set), ["a2", "c2"], "b holds nobody up");
        let (held, set) = turns.next_held().unwrap();
        assert_eq!((&held, numbers(&set)), (&b, vec!["b2"]));
        all_wait(&mut turns, 3);
        turns.ended(businesses, &nobody);
        turns.ended(vec![held], &HashSet::from([b.clone()]));
        assert_eq!(numbers(&turns.next_set().unwrap().1), ["a3", "c3"]);
        let (held, set) = turns.next_held().unwrap();
        assert_eq!(numbers(&set), ["b3"]);
        turns.ended(vec![held], &nobody);
        turns.wait(waiting("b", "b4", 1));
        assert!(turns.next_held().is_none());
        assert_eq!(numbers(&turns.next_set().unwrap().1), ["b4"]);
    }
}
