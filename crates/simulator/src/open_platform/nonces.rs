//! Nonces that were used. A restart forgets them: the book, which remembers, is what a repeated order runs into then.

use std::collections::{HashSet, VecDeque};
use std::sync::{Mutex, PoisonError};

use super::WINDOW_MS;
use crate::clock::now_ms;

/// Twice the window and a minute.
const KEPT_MS: u64 = 2 * WINDOW_MS + 60_000;
/// The most that are remembered; the oldest go first.
const MOST: usize = 1_000_000;

#[derive(Debug, Default)]
pub(super) struct Nonces {
    used: Mutex<Used>,
}

#[derive(Debug, Default)]
struct Used {
    known: HashSet<String>,
    by_age: VecDeque<(u64, String)>,
}

impl Nonces {
    /// Uses a nonce up; `false`: it was used before.
    pub(super) fn take(&self, nonce: &str) -> bool {
        self.take_at(nonce, now_ms())
    }

    fn take_at(&self, nonce: &str, now: u64) -> bool {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        while used
            .by_age
            .front()
            .is_some_and(|(then, _)| then + KEPT_MS < now)
            || used.by_age.len() >= MOST
        {
            if let Some((_, old)) = used.by_age.pop_front() {
                used.known.remove(&old);
            }
        }
        if !used.known.insert(nonce.to_owned()) {
            return false;
        }
        used.by_age.push_back((now, nonce.to_owned()));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nonce_is_taken_once_until_it_is_too_old_to_matter() {
        let nonces = Nonces::default();
        assert!(nonces.take_at("n", 1_000));
        assert!(!nonces.take_at("n", 1_000 + KEPT_MS));
        assert!(nonces.take_at("m", 1_001));
        assert!(nonces.take_at("n", 1_001 + KEPT_MS));
    }
}
