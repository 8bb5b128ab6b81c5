//! What happens next, from a seed.

use std::collections::BTreeMap;
use std::time::Duration;

/// Something bad, or its end.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Happening {
    Kill(usize),
    Start(usize),
    Freeze(usize, Duration),
    CutDatabase,
    KillDatabase(Duration),
    KillBroker(Duration),
    /// Its data folder is lost. Once in a run.
    WipeBroker,
}

impl Happening {
    const fn kind(self) -> &'static str {
        match self {
            Self::Kill(_) => "process killed",
            Self::Start(_) => "process started",
            Self::Freeze(..) => "process stopped",
            Self::CutDatabase => "database cut off",
            Self::KillDatabase(_) => "database killed",
            Self::KillBroker(_) => "broker killed",
            Self::WipeBroker => "broker wiped",
        }
    }
}

/// A run's choices.
pub(crate) struct Fate {
    state: u64,
    seen: BTreeMap<&'static str, u32>,
}

impl Fate {
    pub(crate) const fn new(seed: u64) -> Self {
        Self {
            state: seed,
            seen: BTreeMap::new(),
        }
    }

    /// The next number below `end` (SplitMix64).
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % end
    }

    pub(crate) fn pause(&mut self) -> Duration {
        Duration::from_millis(500 + self.below(2_500))
    }

    pub(crate) fn next(&mut self) -> Happening {
        let n = usize::from(self.below(2) == 1);
        let away = Duration::from_millis(self.below(4_000));
        // Each kind once before any comes again, so that a short run has seen them all.
        let happening = match (self.count(), self.below(12)) {
            (3, _) => Happening::WipeBroker,
            (0, _) | (_, 0..=2) => Happening::Kill(n),
            (1, _) | (_, 3..=6) => Happening::Start(n),
            (2, _) | (_, 7) => Happening::Freeze(n, away),
            (4, _) | (_, 8 | 9) => Happening::CutDatabase,
            (5, _) | (_, 10) => Happening::KillDatabase(away),
            _ => Happening::KillBroker(away),
        };
        *self.seen.entry(happening.kind()).or_default() += 1;
        happening
    }

    pub(crate) fn count(&self) -> u32 {
        self.seen.values().sum()
    }

    pub(crate) const fn by_kind(&self) -> &BTreeMap<&'static str, u32> {
        &self.seen
    }
}
