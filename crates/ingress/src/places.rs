//! Places for requests in flight. A caller (a business, or a supplier that pushes) may have as many as are still free: one that floods is turned away while half of them are
//! left, two while a third is, and there is always one for whoever comes next.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

#[derive(Clone, Debug)]
pub(crate) struct Places {
    most: usize,
    taken: Arc<Mutex<Taken>>,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    /// Only those that have one.
    by_caller: HashMap<String, usize>,
}

/// One request's place; free again when it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    places: Places,
    caller: String,
}

impl Places {
    pub(crate) fn new(most: usize) -> Self {
        Self {
            most,
            taken: Arc::default(),
        }
    }

    /// A place for a request of this caller, if it may have one more.
    pub(crate) fn take(&self, caller: &str) -> Option<Place> {
        let mut taken = self.lock();
        let free = self.most.saturating_sub(taken.all);
        let of_caller = taken.by_caller.get(caller).copied().unwrap_or_default();
        if of_caller >= free {
            return None;
        }
        taken.all += 1;
        taken.by_caller.insert(caller.to_owned(), of_caller + 1);
        Some(Place {
            places: self.clone(),
            caller: caller.to_owned(),
        })
    }

    /// Nothing in here can panic halfway, so a poisoned lock guards nothing that is broken.
    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.lock();
        taken.all -= 1;
        if let Some(count) = taken.by_caller.get_mut(&self.caller) {
            *count -= 1;
            if *count == 0 {
                taken.by_caller.remove(&self.caller);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_floods_leaves_places_for_others() {
        let places = Places::new(12);
        let fill = |caller: &str| std::iter::from_fn(|| places.take(caller)).collect::<Vec<_>>();
        let flood = fill("flood");
        assert_eq!(flood.len(), 6);
        let other = fill("other");
        assert_eq!(other.len(), 3);
        assert_eq!(fill("third").len(), 2);
        drop(flood);
        assert_eq!(
            fill("other").len(),
            3,
            "of 9 free ones, 3 are its own already"
        );
        drop(other);
        assert_eq!(fill("other").len(), 6);
    }
}
