//! Slots by kind of traffic: none takes those of another.

use std::sync::Arc;

use store::callbacks::Line;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Whose slots a call takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Pool {
    First,
    Retry,
    Replay,
    /// First tries and retries at endpoints that are slow.
    Slow,
    Probe,
}

impl Pool {
    pub(crate) const ALL: [Self; 5] = [
        Self::First,
        Self::Retry,
        Self::Replay,
        Self::Slow,
        Self::Probe,
    ];

    /// Whose slots a report of the line takes, at an endpoint that is slow or is not.
    pub(crate) const fn for_line(line: Line, slow: bool) -> Self {
        match line {
            Line::Replay => Self::Replay,
            Line::First | Line::Retry if slow => Self::Slow,
            Line::First => Self::First,
            Line::Retry => Self::Retry,
        }
    }

    /// Its part of so many slots in all.
    pub(crate) const fn of(self, most: usize) -> usize {
        (most * self.percent()).div_ceil(100)
    }

    /// Its part of all slots, in percent.
    const fn percent(self) -> usize {
        match self {
            Self::First => 50,
            Self::Retry => 20,
            Self::Slow => 15,
            Self::Replay => 10,
            Self::Probe => 5,
        }
    }

    /// As metrics name it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::Retry => "retry",
            Self::Replay => "replay",
            Self::Slow => "slow",
            Self::Probe => "probe",
        }
    }

    const fn place(self) -> usize {
        match self {
            Self::First => 0,
            Self::Retry => 1,
            Self::Replay => 2,
            Self::Slow => 3,
            Self::Probe => 4,
        }
    }
}

/// All slots of a process.
#[derive(Clone, Debug)]
pub(crate) struct Pools {
    most: usize,
    pools: Arc<[Arc<Semaphore>; 5]>,
}

impl Pools {
    pub(crate) fn new(most: usize) -> Self {
        Self {
            most,
            pools: Arc::new(Pool::ALL.map(|pool| Arc::new(Semaphore::new(pool.of(most))))),
        }
    }

    /// A slot, if one is free.
    pub(crate) fn take(&self, pool: Pool) -> Option<OwnedSemaphorePermit> {
        Arc::clone(self.pool(pool)).try_acquire_owned().ok()
    }

    /// How many are free.
    pub(crate) fn free(&self, pool: Pool) -> usize {
        self.pool(pool).available_permits()
    }

    /// Waits until one is free; returns how many are.
    pub(crate) async fn wait_for(&self, pool: Pool) -> usize {
        // Closed never.
        let one = self.pool(pool).acquire().await;
        drop(one);
        self.free(pool)
    }

    /// How many are in use.
    pub(crate) fn in_use(&self) -> [(Pool, usize); 5] {
        Pool::ALL.map(|pool| (pool, pool.of(self.most).saturating_sub(self.free(pool))))
    }

    fn pool(&self, pool: Pool) -> &Arc<Semaphore> {
        &self.pools[pool.place()]
    }
}
