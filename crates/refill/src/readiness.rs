//! Whether this process should be sent work, and why not.

use std::fmt::Write as _;
use std::time::Duration;

use queue::PublisherHandle;
use store::{Store, StoreError};
use tokio_util::sync::CancellationToken;

use crate::meters;

/// How long the database may take to show that it is there.
const WITHIN: Duration = Duration::from_secs(2);
/// How often the metrics learn of it.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// What readiness is judged by.
#[derive(Clone)]
pub(crate) struct Readiness {
    pub(crate) store: Store,
    pub(crate) publisher: PublisherHandle,
    /// A worker without its broker does only what the database reminds it of. Whoever takes orders goes on without one.
    pub(crate) needs_broker: bool,
    /// Cancelled as soon as the process is told to stop.
    pub(crate) draining: CancellationToken,
}

/// The judgement, with its reasons for people.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Judgement {
    pub(crate) is_ready: bool,
    /// The last migration that was applied, if the database says so.
    pub(crate) applied: Option<i32>,
    pub(crate) text: String,
}

impl Readiness {
    /// Looks now; never longer than two seconds.
    pub(crate) async fn look(&self) -> Judgement {
        let asked = tokio::time::timeout(WITHIN, self.store.schema()).await;
        judge(
            asked
                .unwrap_or(Err(StoreError::TooSlow))
                .map(|schema| schema.applied)
                .map_err(|error| error.to_string()),
            store::SCHEMA_NEEDED,
            broker_of(&self.publisher),
            self.needs_broker,
            self.draining.is_cancelled(),
        )
    }

    /// Keeps the metrics up to date, until `shutdown`.
    pub(crate) async fn watch(self, shutdown: CancellationToken) {
        loop {
            let judgement = self.look().await;
            meters::readiness(judgement.is_ready, judgement.applied);
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = self.draining.cancelled(), if judgement.is_ready => {}
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
        }
    }
}

/// How the broker is to whoever publishes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Broker {
    Connected,
    Away,
    /// There, and takes no messages.
    Blocked,
}

fn broker_of(publisher: &PublisherHandle) -> Broker {
    match (publisher.is_connected(), &*publisher.blocked().borrow()) {
        (true, _) => Broker::Connected,
        (false, Some(_)) => Broker::Blocked,
        (false, None) => Broker::Away,
    }
}

fn judge(
    applied: Result<i32, String>,
    needed: i32,
    broker: Broker,
    needs_broker: bool,
    is_draining: bool,
) -> Judgement {
    let mut text = String::new();
    if is_draining {
        text.push_str("draining\n");
    }
    // Writing to a string cannot fail.
    let _ = match &applied {
        Ok(applied) => writeln!(text, "database ok\nschema {applied}, needed {needed}"),
        Err(error) => writeln!(text, "database {error}"),
    };
    let stands = match broker {
        Broker::Connected => "connected",
        Broker::Away => "away",
        Broker::Blocked => "takes no messages",
    };
    let _ = writeln!(text, "broker {stands}");
    let has_broker = broker == Broker::Connected;
    // A schema that is ahead is that of a newer binary, which each migration leaves room for.
    let schema_is_there = applied.as_ref().is_ok_and(|applied| *applied >= needed);
    Judgement {
        is_ready: schema_is_there && (has_broker || !needs_broker) && !is_draining,
        applied: applied.ok(),
        text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_ready(applied: i32, has_broker: bool, needs_broker: bool, is_draining: bool) -> bool {
        let broker = if has_broker {
            Broker::Connected
        } else {
            Broker::Away
        };
        judge(Ok(applied), 9, broker, needs_broker, is_draining).is_ready
    }

    #[test]
    fn a_process_is_ready_when_it_could_do_its_work() {
        assert!(is_ready(9, true, true, false));
        assert!(is_ready(9, false, false, false), "orders are still taken");
        assert!(!is_ready(9, false, true, false), "a worker without hints");
        assert!(!is_ready(9, true, true, true), "it is about to end");
        assert!(is_ready(10, true, true, false), "a newer binary was here");
        assert!(!is_ready(8, true, true, false), "a migration is missing");
        let blocked = judge(Ok(9), 9, Broker::Blocked, true, false);
        assert!(!blocked.is_ready && blocked.text.contains("takes no messages"));
        let gone = Err("connection refused".into());
        let away = judge(gone, 9, Broker::Connected, false, false);
        assert_eq!((away.is_ready, away.applied), (false, None));
        assert!(away.text.contains("database connection refused"));
    }
}
