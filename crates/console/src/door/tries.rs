//! Wrong passwords, and wrong tokens, by address; and when they are answered. An operator's own lock is in the database; this keeps one
//! address from trying through all of them.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Wrong tries are answered at multiples of this after they came, so that nobody can tell by the time what was wrong.
const BEAT: Duration = Duration::from_millis(250);
/// Wrong tries from one address, within [`FORGOTTEN_AFTER`]; many operators may come from one address.
const MOST: u32 = 50;
const FORGOTTEN_AFTER: Duration = Duration::from_mins(10);
/// The most addresses that are remembered; beyond that the oldest make room.
const REMEMBERED: usize = 4_096;

/// What is remembered of addresses.
#[derive(Default)]
pub(crate) struct Tries(Mutex<HashMap<IpAddr, (u32, Instant)>>);

impl Tries {
    /// Whether a try from there is looked at.
    pub(crate) fn allow(&self, from: IpAddr, now: Instant) -> bool {
        let tries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tries
            .get(&from)
            .is_none_or(|(failed, since)| *failed < MOST || now - *since >= FORGOTTEN_AFTER)
    }

    /// One was wrong.
    pub(crate) fn failed(&self, from: IpAddr, now: Instant) {
        let mut tries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if tries.len() >= REMEMBERED && !tries.contains_key(&from) {
            tries.retain(|_, (_, since)| now - *since < FORGOTTEN_AFTER);
            if tries.len() >= REMEMBERED {
                let oldest = tries.iter().min_by_key(|(_, (_, since))| *since);
                if let Some(address) = oldest.map(|(address, _)| *address) {
                    tries.remove(&address);
                }
            }
        }
        let (failed, since) = tries.entry(from).or_insert((0, now));
        if now - *since >= FORGOTTEN_AFTER {
            (*failed, *since) = (0, now);
        }
        *failed += 1;
    }
}

/// Waits until what came then may be answered that it was wrong.
pub(crate) async fn at_the_next_beat(came: Instant) {
    let beats = came.elapsed().as_millis() / BEAT.as_millis() + 2;
    let beats = u32::try_from(beats).unwrap_or(2);
    tokio::time::sleep_until((came + BEAT * beats).into()).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_is_wrong_too_often_waits_and_the_others_do_not() {
        let tries = Tries::default();
        let now = Instant::now();
        let [one, other] = ["10.0.0.1", "10.0.0.2"].map(|a| a.parse().unwrap());
        for _ in 0..MOST {
            assert!(tries.allow(one, now));
            tries.failed(one, now);
        }
        assert!(!tries.allow(one, now));
        assert!(tries.allow(other, now));
        let later = now + FORGOTTEN_AFTER;
        assert!(tries.allow(one, later));
        tries.failed(one, later);
        assert!(tries.allow(one, later));
    }

    #[test]
    fn the_addresses_that_are_remembered_are_bounded() {
        let tries = Tries::default();
        let now = Instant::now();
        for n in 0..5_000_u32 {
            tries.failed(
                IpAddr::from(n.to_be_bytes()),
                now + Duration::from_millis(n.into()),
            );
        }
        assert_eq!(tries.0.lock().unwrap().len(), REMEMBERED);
    }
}
