//! `refill supplier` and `refill lane`: what is shut for new orders, by hand or by its own failures.

use console::actions::{self, Gate, NotDone};
use console::told;
use domain::{Lane, SupplierId};
use store::Store;

use crate::command::doubt::Operator;
use crate::settings::Settings;

/// Why and by whom something is paused.
#[derive(Debug, clap::Args)]
pub(crate) struct Word {
    /// Why; shown to whoever looks.
    #[arg(long, default_value = "")]
    pub(crate) reason: String,
    #[command(flatten)]
    pub(crate) operator: Operator,
}

/// `refill supplier …`
#[derive(Debug, clap::Subcommand)]
pub(crate) enum SupplierTool {
    /// All suppliers, what is paused, what has tripped.
    List {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// No new orders for the supplier; what it has is still cleared up.
    Pause {
        /// The supplier.
        supplier: String,
        /// In this lane only.
        #[arg(long)]
        lane: Option<String>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        word: Word,
    },
    /// New orders again.
    Resume {
        /// The supplier.
        supplier: String,
        /// In this lane only.
        #[arg(long)]
        lane: Option<String>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        operator: Operator,
    },
}

/// `refill lane …`
#[derive(Debug, clap::Subcommand)]
pub(crate) enum LaneTool {
    /// No new orders of the lane go to any supplier; they wait as long as their products allow.
    Pause {
        /// The lane.
        lane: String,
        /// Print JSON.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        word: Word,
    },
    /// New orders again.
    Resume {
        /// The lane.
        lane: String,
        /// Print JSON.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        operator: Operator,
    },
}

pub(crate) async fn supplier(settings: &Settings, tool: SupplierTool) -> anyhow::Result<()> {
    let store = Store::new(&settings.store()?)?;
    match tool {
        SupplierTool::List { json } => list(&store, json).await,
        SupplierTool::Pause {
            supplier,
            lane,
            json,
            word,
        } => pause(&store, &gate(supplier, lane), &word, json).await,
        SupplierTool::Resume {
            supplier,
            lane,
            json,
            operator,
        } => resume(&store, &gate(supplier, lane), &operator, json).await,
    }
}

pub(crate) async fn lane(settings: &Settings, tool: LaneTool) -> anyhow::Result<()> {
    let store = Store::new(&settings.store()?)?;
    match tool {
        LaneTool::Pause { lane, json, word } => {
            pause(&store, &Gate::Lane(Lane::new(lane)), &word, json).await
        }
        LaneTool::Resume {
            lane,
            json,
            operator,
        } => resume(&store, &Gate::Lane(Lane::new(lane)), &operator, json).await,
    }
}

fn gate(supplier: String, lane: Option<String>) -> Gate {
    let supplier = SupplierId::new(supplier);
    match lane {
        Some(lane) => Gate::SupplierInLane(supplier, Lane::new(lane)),
        None => Gate::Supplier(supplier),
    }
}

async fn pause(store: &Store, gate: &Gate, word: &Word, as_json: bool) -> anyhow::Result<()> {
    let catalogue = store.catalogue().await?;
    let actor = word.operator.actor()?;
    let changed = match actions::pause(store, &actor, gate, &word.reason, &catalogue).await {
        Ok(()) => true,
        Err(NotDone::Unchanged(_)) => false,
        Err(why) => return Err(why.into()),
    };
    match changed {
        _ if as_json => println!("{}", told::paused(gate, changed)),
        true => println!("{gate} is paused: the whole fleet knows within seconds"),
        false => println!("{gate} was paused already"),
    }
    Ok(())
}

async fn resume(
    store: &Store,
    gate: &Gate,
    operator: &Operator,
    as_json: bool,
) -> anyhow::Result<()> {
    actions::resume(store, &operator.actor()?, gate).await?;
    if as_json {
        println!("{}", told::resumed(gate));
    } else {
        println!("{gate} takes new orders again");
    }
    Ok(())
}

fn named(supplier: Option<&SupplierId>, lane: Option<&Lane>) -> String {
    match (supplier, lane) {
        (Some(supplier), Some(lane)) => format!("{supplier} in lane {lane}"),
        (Some(supplier), None) => supplier.to_string(),
        (None, Some(lane)) => format!("lane {lane}"),
        (None, None) => "nothing".into(),
    }
}

async fn list(store: &Store, as_json: bool) -> anyhow::Result<()> {
    let (suppliers, pauses) = (store.suppliers().await?, store.pauses().await?);
    if as_json {
        println!("{}", told::suppliers(&suppliers, &pauses));
        return Ok(());
    }
    for supplier in &suppliers {
        let state = match (&supplier.tripped, supplier.is_enabled) {
            (_, false) => "switched off in the catalogue".into(),
            (Some((reason, trips, _)), _) => format!("tripped {trips} times in a row: {reason}"),
            (None, true) => "open".into(),
        };
        println!("{}  {state}, {} calls now", supplier.id, supplier.calling);
    }
    for pause in &pauses {
        let what = named(pause.supplier.as_ref(), pause.lane.as_ref());
        println!("{what} is paused by {}: {}", pause.by, pause.reason);
    }
    Ok(())
}
