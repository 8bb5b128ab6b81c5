//! `refill supplier` and `refill lane`: what is shut for new orders, by hand or by its own failures.

use domain::{Lane, SupplierId};
use serde_json::json;
use store::Store;
use store::gates::{Pause, SupplierLine};

use crate::command::doubt::Operator;
use crate::settings::Settings;

/// Why and by whom something is paused.
#[derive(Debug, clap::Args)]
pub(crate) struct Word {
    /// Why; shown to whoever looks.
    #[arg(long, default_value = "")]
    reason: String,
    #[command(flatten)]
    operator: Operator,
}

impl Word {
    /// Who, and why.
    pub(crate) fn said(&self) -> anyhow::Result<(String, &str)> {
        let reason = self.reason.trim();
        anyhow::ensure!(
            reason.chars().count() <= 200,
            "--reason: at most 200 characters"
        );
        Ok((self.operator.name()?, reason))
    }
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
    },
}

/// `refill lane …`
#[derive(Debug, clap::Subcommand)]
pub(crate) enum LaneTool {
    /// No new orders of the lane go to any supplier; they wait as long as their products allow.
    Pause {
        /// The lane.
        lane: String,
        #[command(flatten)]
        word: Word,
    },
    /// New orders again.
    Resume {
        /// The lane.
        lane: String,
    },
}

pub(crate) async fn supplier(settings: &Settings, tool: SupplierTool) -> anyhow::Result<()> {
    let store = Store::new(&settings.store()?)?;
    match tool {
        SupplierTool::List { json } => list(&store, json).await,
        SupplierTool::Pause {
            supplier,
            lane,
            word,
        } => {
            let supplier = known_supplier(&store, &supplier).await?;
            let lane = match lane {
                Some(lane) => Some(known_lane(&store, &lane).await?),
                None => None,
            };
            pause(&store, Some(&supplier), lane.as_ref(), &word).await
        }
        SupplierTool::Resume { supplier, lane } => {
            let (supplier, lane) = (SupplierId::new(supplier), lane.map(Lane::new));
            resume(&store, Some(&supplier), lane.as_ref()).await
        }
    }
}

pub(crate) async fn lane(settings: &Settings, tool: LaneTool) -> anyhow::Result<()> {
    let store = Store::new(&settings.store()?)?;
    match tool {
        LaneTool::Pause { lane, word } => {
            let lane = known_lane(&store, &lane).await?;
            pause(&store, None, Some(&lane), &word).await
        }
        LaneTool::Resume { lane } => resume(&store, None, Some(&Lane::new(lane))).await,
    }
}

async fn known_supplier(store: &Store, id: &str) -> anyhow::Result<SupplierId> {
    let id = SupplierId::new(id);
    let known = store.catalogue().await?.suppliers.contains_key(&id);
    anyhow::ensure!(known, "there is no supplier {id}");
    Ok(id)
}

async fn known_lane(store: &Store, name: &str) -> anyhow::Result<Lane> {
    let lane = Lane::new(name);
    let known = store.catalogue().await?.lanes().contains(&lane);
    anyhow::ensure!(known, "no product travels the lane {lane}");
    Ok(lane)
}

async fn pause(
    store: &Store,
    supplier: Option<&SupplierId>,
    lane: Option<&Lane>,
    word: &Word,
) -> anyhow::Result<()> {
    let (by, reason) = word.said()?;
    let what = named(supplier, lane);
    if store.pause(supplier, lane, &by, reason).await? {
        tracing::info!(
            supplier = supplier.map(SupplierId::as_str),
            lane = lane.map(Lane::as_str),
            operator = by,
            reason,
            "paused"
        );
        println!("{what} is paused: the whole fleet knows within seconds");
    } else {
        println!("{what} was paused already");
    }
    Ok(())
}

async fn resume(
    store: &Store,
    supplier: Option<&SupplierId>,
    lane: Option<&Lane>,
) -> anyhow::Result<()> {
    let what = named(supplier, lane);
    anyhow::ensure!(store.resume(supplier, lane).await?, "{what} was not paused");
    tracing::info!(
        supplier = supplier.map(SupplierId::as_str),
        lane = lane.map(Lane::as_str),
        "resumed"
    );
    println!("{what} takes new orders again");
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
        println!(
            "{}",
            json!({
                "suppliers": suppliers.iter().map(supplier_json).collect::<Vec<_>>(),
                "pauses": pauses.iter().map(pause_json).collect::<Vec<_>>(),
            })
        );
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

fn supplier_json(line: &SupplierLine) -> serde_json::Value {
    json!({
        "id": line.id, "enabled": line.is_enabled, "calling": line.calling,
        "tripped": line.tripped.as_ref().map(|(reason, trips, probe_at)| json!({"reason": reason, "trips": trips, "probeAt": probe_at.0})),
    })
}

fn pause_json(pause: &Pause) -> serde_json::Value {
    json!({"supplier": pause.supplier, "lane": pause.lane, "by": pause.by, "reason": pause.reason, "since": pause.since.0})
}
