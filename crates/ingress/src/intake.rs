//! Checked batches on their way into the database. What comes while others are being stored is stored together: under load many
//! batches share a transaction and its commit, and a single one waits for nobody.
//!
//! Businesses take turns, and a business is in one transaction at a time: its batches would only wait there for its balance, which the
//! other transaction holds until its commit.

use std::collections::{HashMap, HashSet, VecDeque};

use domain::BusinessId;
use store::intake::{Asked, Intake};
use store::{Store, StoreError};
use tokio::sync::{mpsc, oneshot};
use tokio::task::{Id, JoinSet};
use tokio_util::sync::CancellationToken;

/// About how many orders are stored in one transaction.
const SET_ORDERS: usize = 2_000;
/// Transactions at the same time.
const SETS_AT_ONCE: usize = 4;

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
        let mut at_work: HashMap<Id, Vec<BusinessId>> = HashMap::new();
        let mut open = true;
        loop {
            while storing.len() < SETS_AT_ONCE
                && let Some((businesses, set)) = turns.next_set()
            {
                let task = storing.spawn(store_set(self.store.clone(), set));
                at_work.insert(task.id(), businesses);
            }
            if !open && storing.is_empty() {
                return;
            }
            tokio::select! {
                () = shutdown.cancelled(), if open => self.waiting.close(),
                Some(ended) = storing.join_next_with_id() => {
                    let (id, held_up) = match ended {
                        Ok(ended) => ended,
                        Err(error) => {
                            tracing::error!(%error, "storing a set of batches broke");
                            (error.id(), false)
                        }
                    };
                    turns.ended(at_work.remove(&id).unwrap_or_default(), held_up);
                }
                next = self.waiting.recv(), if open => match next {
                    Some(next) => {
                        turns.wait(next);
                        while let Ok(next) = self.waiting.try_recv() {
                            turns.wait(next);
                        }
                    }
                    None => open = false,
                },
            }
        }
    }
}

/// Returns whether somebody may keep locked what it needs.
async fn store_set(store: Store, set: Vec<Waiting>) -> bool {
    let (asked, tellers): (Vec<Asked>, Vec<_>) = set.into_iter().map(|w| (w.asked, w.told)).unzip();
    metrics::histogram!("refill_ingress_batches_together")
        .record(f64::from(u32::try_from(asked.len()).unwrap_or(u32::MAX)));
    let told = store.intake(&asked).await;
    let may_be_a_lock =
        |told: &Result<_, StoreError>| told.as_ref().is_err_and(StoreError::may_be_a_lock);
    let held_up = told.iter().any(may_be_a_lock);
    for ((asked, intake), teller) in asked.into_iter().zip(told).zip(tellers) {
        // Nobody waits any more if the request broke.
        let _ = teller.send(Told { intake, asked });
    }
    held_up
}

/// Who is stored next.
#[derive(Default)]
struct Turns {
    lines: HashMap<BusinessId, Line>,
    /// The businesses that have something waiting and nothing that is being stored, each once.
    ready: VecDeque<BusinessId>,
    /// Those whose last set was held up by a lock, perhaps not theirs: each is alone in its next one.
    alone: HashSet<BusinessId>,
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
        if line.waiting.is_empty() && !line.at_work {
            self.ready.push_back(business);
        }
        line.waiting.push_back(waiting);
    }

    /// Every business that is ready gives as much as its share allows, and at least one batch.
    fn next_set(&mut self) -> Option<(Vec<BusinessId>, Vec<Waiting>)> {
        let share = SET_ORDERS / self.ready.len().max(1);
        let mut set = vec![];
        let mut orders = 0;
        let mut businesses = vec![];
        while orders < SET_ORDERS
            && let Some(next) = self.ready.front()
        {
            let alone = self.alone.contains(next);
            if alone && !set.is_empty() {
                break;
            }
            let Some(business) = self.ready.pop_front() else {
                break;
            };
            let Some(line) = self.lines.get_mut(&business) else {
                continue;
            };
            line.at_work = true;
            let mut given = 0;
            while let Some(next) = line.waiting.front()
                && (given == 0 || given + next.asked.batch.orders.len() <= share)
            {
                given += next.asked.batch.orders.len();
                set.extend(line.waiting.pop_front());
            }
            orders += given;
            businesses.push(business);
            if alone {
                break;
            }
        }
        (!set.is_empty()).then_some((businesses, set))
    }

    /// What these businesses had at work is over.
    fn ended(&mut self, businesses: Vec<BusinessId>, held_up: bool) {
        for business in businesses {
            if held_up {
                self.alone.insert(business.clone());
            } else {
                self.alone.remove(&business);
            }
            let Some(line) = self.lines.get_mut(&business) else {
                continue;
            };
            line.at_work = false;
            if line.waiting.is_empty() {
                self.lines.remove(&business);
            } else {
                self.ready.push_back(business);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

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
                arrived: Instant::now(),
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
        turns.ended(first, false);
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
        turns.ended(businesses, false);
        let (_, set) = turns.next_set().unwrap();
        assert_eq!(numbers(&set), ["f1", "f2"], "alone it has all of it");
    }

    #[test]
    fn who_was_held_up_with_others_is_tried_alone_until_it_goes() {
        let mut turns = Turns::default();
        let all_wait = |turns: &mut Turns, n: u8| {
            for business in ["a", "b", "c"] {
                turns.wait(waiting(business, &format!("{business}{n}"), 1));
            }
        };
        all_wait(&mut turns, 1);
        let (businesses, set) = turns.next_set().unwrap();
        assert_eq!(numbers(&set), ["a1", "b1", "c1"]);
        all_wait(&mut turns, 2);
        turns.ended(businesses, true);
        for expected in ["a2", "b2", "c2"] {
            let (business, set) = turns.next_set().unwrap();
            assert_eq!(numbers(&set), [expected]);
            turns.ended(business, expected == "b2");
        }
        all_wait(&mut turns, 3);
        let (_, set) = turns.next_set().unwrap();
        assert_eq!(numbers(&set), ["a3"], "b is next, and alone");
        let (_, set) = turns.next_set().unwrap();
        assert_eq!(numbers(&set), ["b3"]);
        let (_, set) = turns.next_set().unwrap();
        assert_eq!(numbers(&set), ["c3"]);
    }
}
