//! Messages that could not be read and were put aside: sent back to where they came from, or dropped.

use std::time::Duration;

use queue::{Fate, LookoutHandle, ParkedMessage, Settled, Unseen};
use serde_json::json;
use store::Store;
use store::audit::DeedOutcome;

use super::{Action, Actor, Begun, NotDone, begin};

/// How many are taken in hand at once.
const AT_ONCE: usize = 1_000;
/// How many ids the audit keeps of several.
const IDS_KEPT: usize = 20;
/// How long the broker may take.
const WITHIN: Duration = Duration::from_secs(20);

/// Which parked messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Chosen {
    /// This one, by its id.
    One(String),
    /// All that came from this queue, 1,000 at a time.
    From(String),
}

impl Chosen {
    fn object(&self) -> String {
        match self {
            Self::One(id) => format!("message {id}"),
            Self::From(queue) => format!("messages of {queue}"),
        }
    }

    fn fits(&self, message: &ParkedMessage) -> bool {
        match self {
            Self::One(id) => message.id == *id,
            Self::From(queue) => message.origin == *queue,
        }
    }
}

/// Sends parked messages back to their queue, or drops them. A row in the audit is written before the broker is told, and a second one if
/// not all of it came about.
pub async fn settle_parked(
    store: &Store,
    lookout: &LookoutHandle,
    actor: &Actor,
    chosen: &Chosen,
    fate: Fate,
) -> Result<Settled, NotDone> {
    let action = match fate {
        Fate::Requeued => Action::RequeueParked,
        Fate::Dropped => Action::DropParked,
    };
    let begun = begin(store, actor, action, chosen.object(), json!({})).await?;
    let done = settled(lookout, chosen, fate, &begun).await;
    begun.ended(done).await
}

async fn settled(
    lookout: &LookoutHandle,
    chosen: &Chosen,
    fate: Fate,
    begun: &Begun<'_>,
) -> Result<Settled, NotDone> {
    let sight = in_time(lookout.parked(AT_ONCE)).await?;
    let fitting = sight.messages.iter().filter(|message| chosen.fits(message));
    let mut ids = vec![];
    let mut stays = None;
    for message in fitting {
        match message.way_home() {
            Err(why) if fate == Fate::Requeued => stays = Some(why),
            _ => ids.push(message.id.clone()),
        }
    }
    if ids.is_empty() {
        return Err(match stays {
            Some(why) => NotDone::Refused(why.to_owned()),
            None => NotDone::Unchanged("no such message is parked".into()),
        });
    }
    let (count, kept) = (ids.len(), ids.len().min(IDS_KEPT));
    let detail = format!("{count}: {}", ids[..kept].join(", "));
    begun
        .store
        .note_deed(&begun.deed, DeedOutcome::Done, &detail)
        .await?;
    let settled = in_time(lookout.settle(ids, fate)).await.map_err(|why| {
        NotDone::Refused(format!("it is not known how many of {count} went: {why}"))
    })?;
    if settled.settled < count {
        let why = settled.stayed.first().map_or("others were faster", |s| s.1);
        let went = settled.settled;
        return Err(NotDone::Refused(format!("{went} of {count} went: {why}")));
    }
    Ok(settled)
}

async fn in_time<T>(asked: impl Future<Output = Result<T, Unseen>>) -> Result<T, NotDone> {
    let answered = tokio::time::timeout(WITHIN, asked).await;
    let answered = answered.unwrap_or(Err(Unseen::Away));
    answered.map_err(|why| match why {
        Unseen::Refused(_) => NotDone::Refused(why.to_string()),
        Unseen::Away | Unseen::Busy => NotDone::Away(why.to_string()),
    })
}
