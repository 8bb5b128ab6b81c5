//! Whether a batch is let in to be stored: not while too much waits, and not above what its account may order in a second.
//!
//! One that is being stored at this moment is let in once more, whatever the limits say, so that both requests get the same answer
//! (`CONTRACT.md` §3.2).

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use domain::BusinessId;
use domain::catalogue::Business;
use store::intake::NewBatch;

use crate::answer::Refusal;
use crate::backlog::Backlog;
use crate::behind::Behind;
use crate::rate::{RateLimits, Share};

/// An account, the number that it has given its batch, and the digest of what is in it: another batch under the same number is no twin.
type Name = (BusinessId, String, [u8; 32]);

/// Lets batches in.
#[derive(Debug, Default)]
pub(crate) struct Admission {
    backlog: Backlog,
    behind: Behind,
    /// Of accounts that have none of their own, in orders a second; 0: any number.
    order_limit: u32,
    orders_sent: RateLimits,
    /// How many requests are storing each; only those that are being stored.
    underway: Mutex<HashMap<Name, usize>>,
}

/// A batch that is let in, and underway until this is dropped.
#[derive(Debug)]
pub(crate) struct Admitted<'a> {
    admission: &'a Admission,
    name: Name,
    /// Of what the account may order: given back with this, unless the batch counts.
    share: Share,
    is_taken: bool,
}

impl Admission {
    pub(crate) fn new(backlog: Backlog, behind: Behind, order_limit: u32) -> Self {
        Self {
            backlog,
            behind,
            order_limit,
            ..Self::default()
        }
    }

    /// Lets the batch in, or says why not.
    pub(crate) fn admit(
        &self,
        business: &Business,
        batch: &NewBatch,
    ) -> Result<Admitted<'_>, Refusal> {
        let claim = &batch.claim;
        let name = (business.id.clone(), claim.biz_code.clone(), claim.digest);
        let share = Share::of(batch.orders.len(), self.limit_of(business));
        let too_busy = self.backlog.is_full() || self.behind.is_behind(&batch.lane, &business.id);
        self.enter(name, share, too_busy)
    }

    /// In orders a second; 0: any number.
    fn limit_of(&self, business: &Business) -> u32 {
        match business.order_limit {
            0 => self.order_limit,
            own => own,
        }
    }

    fn enter(&self, name: Name, share: Share, too_busy: bool) -> Result<Admitted<'_>, Refusal> {
        // One lock for both: of two equal batches the second must not look between the first's share and its name.
        let mut underway = self.underway();
        let is_twin = underway.contains_key(&name);
        if !is_twin {
            if too_busy {
                return Err(Refusal::Overloaded);
            }
            self.orders_sent
                .take(&name.0, share, Instant::now())
                .map_err(Refusal::OrderLimited)?;
        }
        *underway.entry(name.clone()).or_default() += 1;
        Ok(Admitted {
            admission: self,
            name,
            share,
            is_taken: !is_twin,
        })
    }

    /// Nothing in here can panic halfway, so a poisoned lock guards nothing that is broken.
    fn underway(&self) -> MutexGuard<'_, HashMap<Name, usize>> {
        self.underway.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Admitted<'_> {
    /// It has been stored, or written and taken back, or nobody knows: its share stays taken.
    pub(crate) fn counts(mut self) {
        let orders_sent = &self.admission.orders_sent;
        if !self.is_taken {
            // The request that it was let in beside has failed, and has given its share back.
            orders_sent.charge(&self.name.0, self.share, Instant::now());
        }
        self.is_taken = false;
    }
}

impl Drop for Admitted<'_> {
    fn drop(&mut self) {
        let mut underway = self.admission.underway();
        if let Some(requests) = underway.get_mut(&self.name) {
            *requests -= 1;
            if *requests == 0 {
                underway.remove(&self.name);
            }
        }
        if self.is_taken {
            let orders_sent = &self.admission.orders_sent;
            orders_sent.give_back(&self.name.0, self.share);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn named(batch: &str) -> Name {
        (BusinessId::new("b"), batch.to_owned(), [0; 32])
    }

    /// A minute's worth, so that the limit is used up however slow the test is.
    fn large() -> Share {
        Share::of(60, 1)
    }

    #[test]
    fn a_batch_that_is_being_stored_is_let_in_again_and_no_other() {
        let admission = Admission::default();
        let first = admission.enter(named("1"), large(), false).unwrap();
        let other = admission.enter(named("2"), large(), false).unwrap_err();
        assert!(matches!(other, Refusal::OrderLimited(_)), "{other}");
        let twin = admission.enter(named("1"), large(), true).unwrap();
        first.counts();
        drop(twin);
        let again = admission.enter(named("1"), large(), false).unwrap_err();
        assert!(matches!(again, Refusal::OrderLimited(_)), "{again}");
        assert!(admission.underway().is_empty());
    }

    #[test]
    fn another_batch_under_the_same_number_is_no_twin() {
        let admission = Admission::default();
        let _first = admission.enter(named("1"), large(), false).unwrap();
        let mut other = named("1");
        other.2 = [1; 32];
        let refused = admission.enter(other, large(), false).unwrap_err();
        assert!(matches!(refused, Refusal::OrderLimited(_)), "{refused}");
    }

    #[test]
    fn a_twin_is_charged_though_there_is_no_room_any_more() {
        let admission = Admission::default();
        let first = admission.enter(named("1"), large(), false).unwrap();
        let twin = admission.enter(named("1"), large(), false).unwrap();
        drop(first);
        admission
            .enter(named("2"), large(), false)
            .unwrap()
            .counts();
        twin.counts();
        let Refusal::OrderLimited(wait) = admission.enter(named("3"), large(), false).unwrap_err()
        else {
            panic!("it was let in");
        };
        assert!(wait > Duration::from_secs(100), "of two minutes' worth");
    }

    #[test]
    fn what_costs_nothing_takes_nothing_of_the_limit() {
        let admission = Admission::default();
        for _ in 0..2 {
            drop(admission.enter(named("1"), large(), false).unwrap());
        }
        let first = admission.enter(named("1"), large(), false).unwrap();
        let twin = admission.enter(named("1"), large(), false).unwrap();
        drop(first);
        twin.counts();
        let other = admission.enter(named("2"), large(), false).unwrap_err();
        assert!(matches!(other, Refusal::OrderLimited(_)), "the twin counts");
    }

    #[test]
    fn while_too_much_waits_nothing_new_is_let_in() {
        let admission = Admission::default();
        let refused = admission.enter(named("1"), large(), true).unwrap_err();
        assert!(matches!(refused, Refusal::Overloaded), "{refused}");
        assert!(admission.enter(named("1"), large(), false).is_ok());
    }
}
