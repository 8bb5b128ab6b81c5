//! What was heard of orders whose rows somebody keeps locked: it waits here until they are free, and nobody else's waits with it.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use domain::BusinessId;
use domain::life::LEASE;
use store::life::Locking;
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

use crate::recorder::{Heard, Pen};

/// How long after a try that recorded nothing the next one begins.
const PAUSE: Duration = Duration::from_millis(500);
/// How long one account's lock is waited for, before it is another's turn.
const AT_THE_LOCK: Duration = Duration::from_secs(8);
/// How often the claims are kept in force of which a refusal waits here.
const KEPT_EVERY: Duration = Duration::from_secs(LEASE.as_secs() / 6);
/// What may wait here. Beyond that an answer is given up: the lease of its claim brings the order back, and its supplier is asked.
const MOST: usize = 5_000;

/// What waits, by account.
pub(crate) struct HeldUp {
    pen: Pen,
    lines: HashMap<BusinessId, VecDeque<Heard>>,
    /// The accounts that have a line, each once: whose turn it is.
    turns: VecDeque<BusinessId>,
    next_try: Instant,
    keep_at: Instant,
    /// One session waits at a lock for all, so that the server's list of those who wait shows people that somebody keeps it.
    at_the_lock: Option<AbortOnDropHandle<()>>,
}

impl HeldUp {
    pub(crate) fn new(pen: Pen) -> Self {
        Self {
            pen,
            lines: HashMap::new(),
            turns: VecDeque::new(),
            next_try: Instant::now(),
            keep_at: Instant::now(),
            at_the_lock: None,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.turns.is_empty()
    }

    /// Whether this account's outcomes wait here.
    pub(crate) fn has(&self, business: &BusinessId) -> bool {
        self.lines.contains_key(business)
    }

    /// What could not be recorded, or comes behind such. Its messages are acknowledged: the leases of its orders say who works on them.
    pub(crate) fn add(&mut self, mut heard: Vec<Heard>) {
        let waiting: usize = self.lines.values().map(VecDeque::len).sum();
        let room = MOST.saturating_sub(waiting).min(heard.len());
        for Heard { outcome, .. } in &heard[room..] {
            tracing::warn!(
                order = %outcome.key.order,
                business = %outcome.key.business,
                attempt = outcome.attempt.0,
                verdict = outcome.evidence.verdict.word(),
                "too much is held up, an answer is given up: the lease brings the order back"
            );
        }
        heard.iter_mut().for_each(Heard::acknowledge);
        for heard in heard.into_iter().take(room) {
            let business = heard.outcome.key.business.clone();
            if !self.has(&business) {
                tracing::warn!(%business, "somebody keeps rows of this account locked: what is heard of its orders waits");
                self.turns.push_back(business.clone());
            }
            self.lines.entry(business).or_default().push_back(heard);
        }
    }

    /// Waits until it is time to try again.
    pub(crate) async fn turn(&self) {
        tokio::time::sleep_until(self.next_try).await;
    }

    /// Tries to record `most` of what waits, the accounts by turns; whose rows are free is found by that.
    pub(crate) async fn try_again(&mut self, most: usize) {
        let set = self.next_set(most);
        let tried = set.len();
        let left = self.pen.record(set, Locking::Skip).await;
        let moved = left.len() < tried;
        for heard in left.into_iter().rev() {
            let line = self.lines.entry(heard.outcome.key.business.clone());
            line.or_default().push_front(heard);
        }
        let lines = &mut self.lines;
        lines.retain(|_, line| !line.is_empty());
        self.turns.retain(|business| {
            let waits = lines.contains_key(business);
            if !waits {
                tracing::info!(%business, "what was heard of this account's orders is recorded, its rows are free");
            }
            waits
        });
        if !moved {
            self.next_try = Instant::now() + PAUSE;
            self.stand_at_a_lock();
        }
        if self.keep_at <= Instant::now() {
            self.keep_refusals().await;
            self.keep_at = Instant::now() + KEPT_EVERY;
        }
    }

    /// An order whose refusal waits here is not sent again by others meanwhile.
    async fn keep_refusals(&self) {
        let refusals = self.lines.values().flatten().filter(|heard| {
            let evidence = &heard.outcome.evidence;
            evidence.verdict.refuses_a_call(evidence.source)
        });
        let claims = refusals.map(|heard| (heard.outcome.key.clone(), heard.outcome.epoch));
        let catalogue = Arc::clone(&self.pen.desk.borrow().catalogue);
        let kept = self.pen.store.hold_up(claims.collect(), &catalogue).await;
        if let Err(error) = kept {
            tracing::warn!(%error, "claims of refusals that wait may end before those are recorded");
        }
    }

    /// As much of each line as makes a set.
    fn next_set(&mut self, most: usize) -> Vec<Heard> {
        let each = (most / self.turns.len().max(1)).max(1);
        let accounts = most.min(self.turns.len());
        let mut set = vec![];
        for business in self.turns.iter().take(accounts) {
            if let Some(line) = self.lines.get_mut(business) {
                set.extend(line.drain(..each.min(line.len())));
            }
        }
        self.turns.rotate_left(accounts);
        set
    }

    fn stand_at_a_lock(&mut self) {
        let stands = self
            .at_the_lock
            .as_ref()
            .is_some_and(|task| !task.is_finished());
        if let (Some(business), false) = (self.turns.front().cloned(), stands) {
            let store = self.pen.store.clone();
            let waiting = tokio::spawn(async move {
                let waited = store.wait_for_balance(&business, AT_THE_LOCK).await;
                tracing::debug!(%business, ?waited, "stood at the lock");
            });
            self.at_the_lock = Some(AbortOnDropHandle::new(waiting));
        }
    }
}
