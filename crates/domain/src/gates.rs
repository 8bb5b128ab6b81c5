//! What keeps new orders from a supplier for a while: a person's pause, or calls that kept failing.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use crate::{Lane, SupplierId, UnixMs};

/// How long a supplier rests after its first trip.
const FIRST_REST: Duration = Duration::from_secs(10);
/// The longest rest.
const LONGEST_REST: Duration = Duration::from_mins(5);

/// All that is shut now, in the whole fleet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Gates {
    /// Pauses: `None` stands for all suppliers, or all lanes.
    pub paused: HashSet<(Option<SupplierId>, Option<Lane>)>,
    /// Tripped suppliers, and from when on one may be probed.
    pub tripped: HashMap<SupplierId, UnixMs>,
}

impl Gates {
    /// Whether a person has shut this way.
    pub fn is_paused(&self, supplier: &SupplierId, lane: &Lane) -> bool {
        let (supplier, lane) = (Some(supplier.clone()), Some(lane.clone()));
        self.paused.contains(&(supplier.clone(), None))
            || self.paused.contains(&(None, lane.clone()))
            || self.paused.contains(&(supplier, lane))
    }

    /// Whether nothing at all stands in the way.
    pub fn is_clear(&self, supplier: &SupplierId, lane: &Lane) -> bool {
        !self.tripped.contains_key(supplier) && !self.is_paused(supplier, lane)
    }

    /// Whether a new order may go that way at `now`; `may_probe`: this worker has no other probe at the supplier.
    pub fn lets_through(
        &self,
        supplier: &SupplierId,
        lane: &Lane,
        now: UnixMs,
        may_probe: bool,
    ) -> bool {
        !self.is_paused(supplier, lane)
            && self
                .tripped
                .get(supplier)
                .is_none_or(|probe_at| may_probe && *probe_at <= now)
    }
}

/// How long a supplier rests after so many trips in a row.
pub fn rest_after(trips: u32) -> Duration {
    let doubled = FIRST_REST.saturating_mul(1 << trips.saturating_sub(1).min(10));
    doubled.min(LONGEST_REST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_shuts_what_it_names() {
        let (s1, s2) = (SupplierId::new("s1"), SupplierId::new("s2"));
        let (mobile, fuel) = (Lane::new("mobile"), Lane::new("fuel"));
        let open = |paused: &[(Option<&SupplierId>, Option<&Lane>)]| {
            let gates = Gates {
                paused: paused
                    .iter()
                    .map(|(s, l)| (s.cloned(), l.cloned()))
                    .collect(),
                tripped: HashMap::new(),
            };
            [(&s1, &mobile), (&s1, &fuel), (&s2, &mobile), (&s2, &fuel)]
                .map(|(s, l)| gates.is_clear(s, l))
        };
        assert_eq!(open(&[]), [true; 4]);
        assert_eq!(open(&[(Some(&s1), None)]), [false, false, true, true]);
        assert_eq!(open(&[(None, Some(&mobile))]), [false, true, false, true]);
        assert_eq!(open(&[(Some(&s2), Some(&fuel))]), [true, true, true, false]);
    }

    #[test]
    fn a_tripped_supplier_is_probed_when_it_has_rested() {
        let (s1, lane) = (SupplierId::new("s1"), Lane::new("mobile"));
        let gates = Gates {
            paused: HashSet::new(),
            tripped: [(s1.clone(), UnixMs(1_000))].into(),
        };
        let through = |now, may_probe| gates.lets_through(&s1, &lane, UnixMs(now), may_probe);
        assert!(!through(999, true));
        assert!(through(1_000, true));
        assert!(!through(1_000, false), "one probe at a time");
    }

    #[test]
    fn each_trip_in_a_row_rests_twice_as_long() {
        let rests: Vec<u64> = [1, 2, 3, 5, 6, 7, u32::MAX]
            .map(|n| rest_after(n).as_secs())
            .into();
        assert_eq!(rests, [10, 20, 40, 160, 300, 300, 300]);
    }
}
