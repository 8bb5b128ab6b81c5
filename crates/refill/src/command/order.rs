//! `refill order cancel`: takes orders back that no worker has claimed.

use std::process::ExitCode;

use anyhow::Context;
use domain::{BusinessId, OrderCode, OrderKey};
use store::Store;

use crate::command::doubt::Operator;
use crate::settings::Settings;

/// The flags of `refill order cancel`.
#[derive(Debug, clap::Args)]
pub(crate) struct Cancel {
    /// The orders.
    #[arg(required_unless_present = "batch", conflicts_with = "batch")]
    orders: Vec<OrderCode>,
    /// All orders of this batch, by the merchant's number.
    #[arg(long, requires = "business")]
    batch: Option<String>,
    /// Whose batch.
    #[arg(long, requires = "batch")]
    business: Option<String>,
    #[command(flatten)]
    operator: Operator,
}

/// Cancels what can be cancelled; exit code 1 if that was not all.
pub(crate) async fn cancel(settings: &Settings, flags: &Cancel) -> anyhow::Result<ExitCode> {
    let actor = flags.operator.name()?;
    let store = Store::new(&settings.store()?)?;
    let keys = named(&store, flags).await?;
    let catalogue = store.catalogue().await?;
    let note = format!("cancelled by {actor}");
    let cancelled = store.cancel(&keys, &note, &catalogue).await?;
    for moved in &cancelled {
        tracing::info!(order = %moved.key.order, business = %moved.key.business, operator = actor, "order cancelled");
    }
    let left = keys.len() - cancelled.len();
    println!("{} of {} orders are cancelled", cancelled.len(), keys.len());
    if left == 0 {
        return Ok(ExitCode::SUCCESS);
    }
    println!("{left} had been claimed by a worker, or had ended: they were left as they are");
    Ok(ExitCode::FAILURE)
}

async fn named(store: &Store, flags: &Cancel) -> anyhow::Result<Vec<OrderKey>> {
    if let (Some(batch), Some(business)) = (&flags.batch, &flags.business) {
        let business = BusinessId::new(business);
        let orders = store.batch_orders(&business, batch).await?;
        return orders.with_context(|| format!("{business} has no batch {batch}"));
    }
    let mut keys = Vec::with_capacity(flags.orders.len());
    for order in &flags.orders {
        let key = store.find_order(*order).await?;
        let key = key.with_context(|| format!("there is no order {order}"))?;
        if !keys.contains(&key) {
            keys.push(key);
        }
    }
    Ok(keys)
}
