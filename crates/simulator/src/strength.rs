//! How much a supplier can do: nothing while it is down, everything, or so many calls a second. It counts what it is asked.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::clock::now_ms;

/// A supplier that has been idle takes so much of a second at once.
const AT_ONCE: Duration = Duration::from_millis(100);

/// What a supplier is told about its strength.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize)]
pub(crate) struct Control {
    /// Every call answers 503.
    #[serde(default)]
    pub(crate) down: bool,
    /// Calls that give orders, per second; 0: any number.
    #[serde(default)]
    per_second: u32,
    /// A call whose turn comes later than this is refused (429) and not remembered; earlier ones wait for their turn.
    #[serde(default)]
    longest_wait_ms: u64,
}

/// What it was asked in one second of Unix time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Calls {
    /// The second.
    second: u64,
    /// Calls that gave orders, whatever became of them.
    submits: u64,
    /// … of which so many were refused for want of strength, or because it was down.
    refused: u64,
    /// Questions after orders.
    queries: u64,
}

/// A supplier's strength now.
#[derive(Debug, Default)]
pub(crate) struct Strength {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    control: Control,
    /// When the next call would have its turn.
    next: Option<Instant>,
    calls: BTreeMap<u64, Calls>,
}

/// A call comes when there is no room for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooMany;

impl Strength {
    pub(crate) fn set(&self, control: Control) {
        let mut state = self.state();
        state.control = control;
        state.next = None;
    }

    pub(crate) fn is_down(&self) -> bool {
        self.state().control.down
    }

    /// Waits for the turn of a call that gives orders.
    pub(crate) async fn turn(&self) -> Result<(), TooMany> {
        let turn = self.take_turn();
        if let Ok(Some(turn)) = turn {
            tokio::time::sleep_until(turn).await;
        }
        turn.map(drop)
    }

    fn take_turn(&self) -> Result<Option<Instant>, TooMany> {
        let mut state = self.state();
        let control = state.control;
        let turn = if control.down {
            Err(TooMany)
        } else if control.per_second == 0 {
            Ok(None)
        } else {
            let now = Instant::now();
            let idle_since = now.checked_sub(AT_ONCE).unwrap_or(now);
            let turn = state.next.unwrap_or(idle_since).max(idle_since);
            if turn > now + Duration::from_millis(control.longest_wait_ms) {
                Err(TooMany)
            } else {
                state.next = Some(turn + Duration::from_secs(1) / control.per_second);
                Ok(Some(turn))
            }
        };
        let calls = state.calls_of_now();
        calls.submits += 1;
        calls.refused += u64::from(turn.is_err());
        turn
    }

    pub(crate) fn note_query(&self) {
        self.state().calls_of_now().queries += 1;
    }

    /// Second by second.
    pub(crate) fn calls(&self) -> Vec<Calls> {
        self.state().calls.values().copied().collect()
    }

    /// Counts are kept whole at each step, so a poisoned lock guards nothing that is broken.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn calls_of_now(&mut self) -> &mut Calls {
        let second = now_ms() / 1_000;
        let calls = self.calls.entry(second).or_default();
        calls.second = second;
        calls
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strength(per_second: u32, longest_wait_ms: u64) -> Strength {
        let strength = Strength::default();
        strength.set(Control {
            down: false,
            per_second,
            longest_wait_ms,
        });
        strength
    }

    #[tokio::test(start_paused = true)]
    async fn above_its_strength_a_supplier_refuses() {
        tokio::time::advance(Duration::from_secs(1)).await;
        let strength = strength(50, 0);
        let taken = (0..20).filter(|_| strength.take_turn().is_ok()).count();
        assert_eq!(
            taken, 6,
            "a tenth of a second at once, and the one that is due"
        );
        tokio::time::advance(Duration::from_millis(20)).await;
        assert!(strength.take_turn().is_ok());
        assert_eq!(strength.take_turn(), Err(TooMany));
        let calls: u64 = strength.calls().iter().map(|c| c.refused).sum();
        assert_eq!(calls, 15);
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_may_keep_others_waiting_is_slow_instead() {
        tokio::time::advance(Duration::from_secs(1)).await;
        let strength = strength(10, 1_000);
        let began = Instant::now();
        for _ in 0..6 {
            assert_eq!(strength.turn().await, Ok(()));
        }
        assert_eq!(began.elapsed().as_millis() / 100, 4);
    }

    #[tokio::test]
    async fn one_that_is_down_takes_nothing_and_others_everything() {
        let strength = Strength::default();
        assert_eq!(strength.turn().await, Ok(()));
        strength.set(Control {
            down: true,
            ..Control::default()
        });
        assert!(strength.is_down());
        assert_eq!(strength.turn().await, Err(TooMany));
    }
}
