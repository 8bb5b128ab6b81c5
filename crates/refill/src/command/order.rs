//! `refill order …`: finds orders, tells one's story, and takes orders back that no worker has claimed.

pub(crate) mod find;
pub(crate) mod show;

use std::process::ExitCode;

use console::actions::{self, Named};
use console::told;
use domain::{BusinessId, OrderCode};
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
    /// Why; kept with the posting.
    #[arg(long, default_value = "")]
    reason: String,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    operator: Operator,
}

/// Cancels what can be cancelled; exit code 1 if that was not all.
pub(crate) async fn cancel(settings: &Settings, flags: &Cancel) -> anyhow::Result<ExitCode> {
    let actor = flags.operator.actor()?;
    let store = Store::new(&settings.store()?)?;
    let catalogue = store.catalogue().await?;
    let named = match (&flags.batch, &flags.business) {
        (Some(batch), Some(business)) => Named::Batch(BusinessId::new(business), batch.clone()),
        _ => Named::Orders(flags.orders.clone()),
    };
    let (cancelled, of) =
        actions::cancel(&store, &actor, &named, &flags.reason, &catalogue).await?;
    let whole = cancelled == of;
    if flags.json {
        println!("{}", told::cancelled(cancelled, of));
    } else {
        println!("{cancelled} of {of} orders are cancelled");
        if !whole {
            let left = of - cancelled;
            println!(
                "{left} had been claimed by a worker, or had ended: they were left as they are"
            );
        }
    }
    Ok(if whole {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
