//! The worker processes that run now, so that they can share what a supplier takes from the whole fleet.

use uuid::Uuid;

use crate::{Store, StoreError};

/// A process that has not been seen for so long does not count, in seconds.
const GONE_AFTER_S: f64 = 6.0;

/// Names one worker process as long as it runs.
#[derive(Clone, Copy, Debug)]
pub struct WorkerId(Uuid);

impl WorkerId {
    /// A new one.
    #[expect(clippy::new_without_default, reason = "each one is another")]
    pub fn new() -> Self {
        Self(Uuid::now_v7())
    }
}

/// One process's place among those that run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// Its place, from 0.
    pub index: u32,
    /// How many there are.
    pub of: u32,
}

impl Share {
    /// All of it.
    pub const WHOLE: Self = Self { index: 0, of: 1 };
    /// Nothing of it.
    pub const NOTHING: Self = Self { index: 1, of: 1 };

    /// Whether this process is one of those that share. One that is not yet, or not any more, has no part of anything; one that is may have
    /// no part of a limit that is smaller than the fleet.
    pub const fn has_a_place(self) -> bool {
        self.index < self.of
    }

    /// This process's part of `limit`: the parts of all processes add up to it.
    pub const fn part_of(self, limit: u32) -> u32 {
        if !self.has_a_place() {
            return 0;
        }
        limit / self.of + if self.index < limit % self.of { 1 } else { 0 }
    }
}

impl Store {
    /// Says that this worker process runs, and learns its place among all that do.
    pub async fn report_for_work(&self, worker: WorkerId) -> Result<Share, StoreError> {
        self.bounded(async {
            let session = self.session().await?;
            let seen = session
                .client()
                .prepare_cached(
                    "INSERT INTO fleet (worker_id, seen_at) VALUES ($1, clock_timestamp())
                     ON CONFLICT (worker_id) DO UPDATE SET seen_at = excluded.seen_at",
                )
                .await?;
            session.client().execute(&seen, &[&worker.0]).await?;
            let place = session
                .client()
                .prepare_cached(
                    "SELECT count(*) FILTER (WHERE worker_id < $1), count(*) FROM fleet
                     WHERE seen_at > clock_timestamp() - make_interval(secs => $2)",
                )
                .await?;
            let row = session
                .client()
                .query_one(&place, &[&worker.0, &GONE_AFTER_S])
                .await?;
            session.give_back();
            let number = |index| u32::try_from(row.get::<_, i64>(index)).unwrap_or(u32::MAX);
            Ok(Share {
                index: number(0),
                of: number(1).max(1),
            })
        })
        .await
    }

    /// This process stops, or the rows of those that ended without a word are old.
    pub async fn leave_work(&self, worker: WorkerId) -> Result<(), StoreError> {
        self.bounded(async {
            let session = self.session().await?;
            let statement = session
                .client()
                .prepare_cached("DELETE FROM fleet WHERE worker_id = $1 OR seen_at < now() - interval '1 minute'")
                .await?;
            session.client().execute(&statement, &[&worker.0]).await?;
            session.give_back();
            Ok(())
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_all_add_up_to_the_limit() {
        for limit in [0, 1, 2, 7, 100] {
            for of in 1..=9 {
                let parts: u32 = (0..of)
                    .map(|index| Share { index, of }.part_of(limit))
                    .sum();
                assert_eq!(parts, limit);
            }
        }
        assert_eq!(Share::NOTHING.part_of(100), 0);
        assert_eq!(Share::WHOLE.part_of(100), 100);
    }
}
