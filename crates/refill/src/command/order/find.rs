//! `refill order find`: from any number that a person holds to the orders that carry it, as the console's search.

use console::told;
use console::words::{money, second};
use store::Store;
use store::story::{FoundOrder, MOST_FOUND};

use crate::settings::Settings;

/// The flags of `refill order find`.
#[derive(Debug, clap::Args)]
pub(crate) struct Find {
    /// The number.
    what: String,
    /// Print one JSON object per line.
    #[arg(long)]
    json: bool,
}

/// Lists them, the newest first; finding none is an error.
pub(crate) async fn find(settings: &Settings, flags: &Find) -> anyhow::Result<()> {
    let store = Store::new(&settings.store()?)?;
    let found = store.find_orders(flags.what.trim()).await?;
    anyhow::ensure!(
        !found.is_empty(),
        "no order carries this; the search takes, whole: an order code, a merchant's number of an order or a batch, an account, \
         a reference at a supplier"
    );
    for order in &found {
        print(order, flags.json);
    }
    if found.len() >= usize::from(MOST_FOUND) && !flags.json {
        println!("these are the newest {MOST_FOUND}");
    }
    Ok(())
}

fn print(order: &FoundOrder, as_json: bool) {
    let (code, business) = (order.key.order, order.key.business.as_str());
    if as_json {
        println!("{}", told::found(order));
        return;
    }
    println!(
        "{code} {:<10} {business} {} in batch {}: {} for {}, {} yuan, {}",
        order.state.word(),
        order.biz_code,
        order.batch_biz_code,
        order.product,
        order.account,
        money(order.price),
        second(order.created_at),
    );
}
