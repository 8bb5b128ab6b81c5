//! `refill queue`: the broker's queues, and what could not be read and was parked.

use std::time::Duration;

use console::actions::{self, Chosen, NotDone};
use console::told;
use queue::{Fate, Lookout, LookoutHandle, QueueName};
use store::Store;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::command::doubt::Operator;
use crate::settings::Settings;

/// How long a command waits for a connection to the broker: longer than one attempt may take, so that it can say what is wrong.
const CONNECTS_WITHIN: Duration = Duration::from_secs(15);

/// `refill queue …`
#[derive(Debug, clap::Subcommand)]
pub(crate) enum QueueTool {
    /// All queues: messages that wait, and who takes them.
    List {
        /// Print one JSON object per line.
        #[arg(long)]
        json: bool,
    },
    /// Messages that could not be read, the oldest first.
    Parked {
        /// How many; 1000 at most.
        #[arg(long, default_value_t = 50)]
        limit: usize,
        /// Print one JSON object per line.
        #[arg(long)]
        json: bool,
    },
    /// Send parked messages back to the queue that they came from, to be read anew.
    Requeue(Which),
    /// Drop parked messages for ever. The orders that they may have named are safe in the database.
    Drop(Which),
}

/// Which parked messages.
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("which").required(true))]
pub(crate) struct Which {
    /// One, by its id.
    #[arg(long, group = "which")]
    id: Option<String>,
    /// All that came from this queue, 1000 at a time.
    #[arg(long, group = "which", value_name = "QUEUE")]
    from: Option<String>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    operator: Operator,
}

pub(crate) async fn run(settings: &Settings, tool: QueueTool) -> anyhow::Result<()> {
    let (lookout, task) = Lookout::new(settings.broker("tool")?);
    let stop = CancellationToken::new();
    let mut tasks = JoinSet::new();
    tasks.spawn(task.run(stop.clone()));
    let done = match lookout.arrived(CONNECTS_WITHIN).await {
        Ok(()) => answer(settings, &lookout, tool).await,
        Err(away) => Err(away.into()),
    };
    stop.cancel();
    while tasks.join_next().await.is_some() {}
    done
}

async fn answer(
    settings: &Settings,
    lookout: &LookoutHandle,
    tool: QueueTool,
) -> anyhow::Result<()> {
    match tool {
        QueueTool::List { json } => list(settings, lookout, json).await,
        QueueTool::Parked { limit, json } => parked(lookout, limit, json).await,
        QueueTool::Requeue(which) => settle(settings, lookout, which, Fate::Requeued).await,
        QueueTool::Drop(which) => settle(settings, lookout, which, Fate::Dropped).await,
    }
}

async fn list(settings: &Settings, lookout: &LookoutHandle, as_json: bool) -> anyhow::Result<()> {
    let catalogue = Store::new(&settings.store()?)?.catalogue().await?;
    let lanes = catalogue.lanes();
    let lanes = lanes.iter().filter_map(|lane| QueueName::orders(lane).ok());
    let all = lanes.chain([QueueName::callbacks(), QueueName::parked()]);
    for sight in lookout.queues(all.collect()).await? {
        let (queue, ready, consumers) = (sight.queue.as_str(), sight.ready, sight.consumers);
        if as_json {
            println!("{}", told::queue(&sight.queue, ready, consumers));
        } else {
            println!("{queue}  {ready} wait, {consumers} consumers");
        }
    }
    Ok(())
}

async fn parked(lookout: &LookoutHandle, limit: usize, as_json: bool) -> anyhow::Result<()> {
    let sight = lookout.parked(limit).await?;
    for message in &sight.messages {
        if as_json {
            println!("{}", told::parked_message(message));
        } else {
            let (id, reason, origin) = (&message.id, &message.reason, &message.origin);
            println!("{id}  {reason}  from {origin}, {} bytes", message.bytes);
        }
    }
    if sight.more > 0 && !as_json {
        println!("{} more", sight.more);
    }
    Ok(())
}

async fn settle(
    settings: &Settings,
    lookout: &LookoutHandle,
    which: Which,
    fate: Fate,
) -> anyhow::Result<()> {
    let actor = which.operator.actor()?;
    let store = Store::new(&settings.store()?)?;
    let chosen = match (which.id, which.from) {
        (Some(id), _) => Chosen::One(id),
        (None, Some(queue)) => Chosen::From(queue),
        (None, None) => anyhow::bail!("--id or --from: which messages"),
    };
    let settled = match actions::settle_parked(&store, lookout, &actor, &chosen, fate).await {
        Ok(settled) => settled.settled,
        // Of a queue there may be none by now; whoever names one message means one that is there.
        Err(NotDone::Unchanged(_)) if matches!(chosen, Chosen::From(_)) => 0,
        Err(why) => return Err(why.into()),
    };
    if which.json {
        println!("{}", told::settled(fate, settled));
        return Ok(());
    }
    let word = match fate {
        Fate::Requeued => "requeued",
        Fate::Dropped => "dropped",
    };
    println!("{settled} {word}");
    Ok(())
}
