//! `refill order show`: what the console's page of an order tells.

use anyhow::Context;
use console::told::{self, Told};
use console::words::{address, moment, money, second};
use domain::OrderCode;
use store::Store;

use crate::settings::Settings;

/// The flags of `refill order show`.
#[derive(Debug, clap::Args)]
pub(crate) struct Show {
    /// The order.
    #[arg(value_name = "CODE")]
    order: OrderCode,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// Tells its story; that there is no such order is an error.
pub(crate) async fn show(settings: &Settings, flags: &Show) -> anyhow::Result<()> {
    let store = Store::new(&settings.store()?)?;
    let told = told::order(&store, flags.order).await?;
    let told = told.with_context(|| format!("there is no order {}", flags.order))?;
    if flags.json {
        println!("{}", told.json());
    } else {
        print(&told);
    }
    Ok(())
}

fn print(told: &Told) {
    let order = &told.order;
    println!("{} is {}", order.key.order, order.state.word());
    println!(
        "business {}, its number {}, batch {} ({} orders, {} yuan)",
        order.key.business,
        order.biz_code,
        order.batch_biz_code,
        order.batch_items,
        money(order.batch_total),
    );
    println!(
        "{} for {}: face value {}, price {}",
        order.product,
        order.account,
        money(order.spec),
        money(order.price)
    );
    if let Some(message) = &order.message {
        println!("message: {}", in_one_line(message));
    }
    if let Some(report) = &order.report {
        println!("report {} to {}", report.state, address(&report.url));
    }
    println!();
    if told.is_cut {
        println!("only the newest entries of each kind:");
    }
    for event in &told.moments {
        let (what, more) = (in_one_line(&event.what), in_one_line(&event.more));
        let line = format!("{}  {:<8}  {what}  {more}", moment(event.at), event.kind);
        println!("{}", line.trim_end());
    }
    let next = told.next_at.map(|at| format!(" {}", second(at)));
    println!("\n{}{}", told.standing, next.unwrap_or_default());
}

/// What others have written, so that it neither begins a line nor says anything to the terminal.
fn in_one_line(text: &str) -> String {
    let tamed = |c: char| if c.is_control() { ' ' } else { c };
    text.chars().map(tamed).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_have_written_stays_in_its_line_and_tells_the_terminal_nothing() {
        assert_eq!(in_one_line("a\r\nb\u{1b}[2Jc\u{9b}d"), "a  b [2Jc d");
        assert_eq!(in_one_line("充值失败"), "充值失败");
    }
}
