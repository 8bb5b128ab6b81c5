//! Accounts whose rows somebody keeps locked: what was heard of their orders is recorded apart, so that nobody else's waits with it.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use domain::BusinessId;
use tokio::task::{Id, JoinSet};

use crate::recorder::{Heard, Pen};

/// Accounts for which the database is tried at the same time.
const AT_ONCE: usize = 4;
/// What may wait here; beyond that nothing more is taken from the calls.
const MOST: usize = 5_000;

/// What waits, by account.
pub(crate) struct HeldUp {
    pen: Pen,
    lines: HashMap<BusinessId, Vec<Heard>>,
    writing: JoinSet<()>,
    /// Whose outcomes each task writes, and how many.
    at_work: HashMap<Id, (BusinessId, usize)>,
}

impl HeldUp {
    pub(crate) fn new(pen: Pen) -> Self {
        Self {
            pen,
            lines: HashMap::new(),
            writing: JoinSet::new(),
            at_work: HashMap::new(),
        }
    }

    /// Whether this account's outcomes wait here.
    pub(crate) fn has(&self, business: &BusinessId) -> bool {
        self.lines.contains_key(business)
    }

    pub(crate) fn has_room(&self) -> bool {
        let waiting: usize = self.lines.values().map(Vec::len).sum();
        let at_work: usize = self.at_work.values().map(|(_, count)| count).sum();
        waiting + at_work < MOST
    }

    /// What could not be recorded with others' outcomes, or comes behind such.
    pub(crate) fn add(&mut self, heard: impl IntoIterator<Item = Heard>) {
        for heard in heard {
            let business = heard.outcome.key.business.clone();
            self.lines.entry(business).or_default().push(heard);
        }
        self.go_on();
    }

    /// Waits until one account's have been recorded; `None`: nothing waits.
    pub(crate) async fn recorded(&mut self) -> Option<()> {
        let ended = self.writing.join_next_with_id().await?;
        let id = match ended {
            Ok((id, ())) => id,
            Err(error) => {
                tracing::error!(%error, "recording an account's outcomes broke, the leases bring them back");
                error.id()
            }
        };
        if let Some((business, _)) = self.at_work.remove(&id)
            && let Entry::Occupied(line) = self.lines.entry(business)
            && line.get().is_empty()
        {
            line.remove();
        }
        self.go_on();
        Some(())
    }

    fn go_on(&mut self) {
        for (business, line) in &mut self.lines {
            if self.writing.len() >= AT_ONCE {
                return;
            }
            let is_at_work = self.at_work.values().any(|(other, _)| other == business);
            if line.is_empty() || is_at_work {
                continue;
            }
            let set = std::mem::take(line);
            let count = set.len();
            let pen = self.pen.clone();
            let task = self
                .writing
                .spawn(async move { pen.record_at_last(set).await });
            self.at_work.insert(task.id(), (business.clone(), count));
        }
    }
}
