//! What several people look at at the same time, read once for all of them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use tokio::sync::Mutex;

/// The last answer, and when it was given.
pub(crate) struct Kept<T> {
    fresh_for: Duration,
    last: Mutex<Option<(Instant, Arc<T>)>>,
}

impl<T> Kept<T> {
    /// An answer serves for so long.
    pub(crate) fn fresh_for(fresh_for: Duration) -> Self {
        Self {
            fresh_for,
            last: Mutex::new(None),
        }
    }

    /// The last answer while it is fresh, else a new one; who comes meanwhile waits for that. What goes wrong is not kept.
    pub(crate) async fn or<E>(&self, ask: BoxFuture<'_, Result<T, E>>) -> Result<Arc<T>, E> {
        let mut last = self.last.lock().await;
        if let Some((at, answer)) = &*last
            && at.elapsed() < self.fresh_for
        {
            return Ok(Arc::clone(answer));
        }
        let answer = Arc::new(ask.await?);
        *last = Some((Instant::now(), Arc::clone(&answer)));
        Ok(answer)
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[tokio::test]
    async fn an_answer_serves_while_it_is_fresh_and_a_fault_not_at_all() {
        let kept = Kept::fresh_for(Duration::from_hours(1));
        assert_eq!(kept.or(async { Err("away") }.boxed()).await, Err("away"));
        for asked in [1, 2] {
            let answer = kept.or(async { Ok::<_, &str>(asked) }.boxed()).await;
            assert_eq!(answer.as_deref(), Ok(&1));
        }
        let stale = Kept::fresh_for(Duration::ZERO);
        for asked in [1, 2] {
            let answer = stale.or(async { Ok::<_, &str>(asked) }.boxed()).await;
            assert_eq!(answer.as_deref(), Ok(&asked));
        }
    }
}
