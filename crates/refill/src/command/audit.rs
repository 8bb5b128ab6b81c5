//! `refill audit`: what persons did, and were kept from doing.

use console::told;
use domain::OrderCode;
use store::Store;
use store::audit::{AuditOf, Deed};

use crate::settings::Settings;

/// The flags of `refill audit`.
#[derive(Debug, clap::Args)]
pub(crate) struct Flags {
    /// By this operator only; `cli:NAME` by command.
    #[arg(long, conflicts_with = "order")]
    operator: Option<String>,
    /// About this order only.
    #[arg(long)]
    order: Option<OrderCode>,
    /// Only what is older than this number.
    #[arg(long, value_name = "NUMBER")]
    before: Option<i64>,
    /// The most that are listed.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(i64).range(1..=10_000))]
    limit: i64,
    /// Print one JSON object per line.
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(settings: &Settings, flags: &Flags) -> anyhow::Result<()> {
    let store = Store::new(&settings.store()?)?;
    let of = match (&flags.operator, flags.order) {
        (Some(name), _) => AuditOf::Operator(name.clone()),
        (None, Some(order)) => AuditOf::Object(Deed::order(order)),
        (None, None) => AuditOf::Everything,
    };
    for line in store.audit(&of, flags.before, flags.limit).await? {
        if flags.json {
            println!("{}", told::audit_line(&line));
        } else {
            println!(
                "{:>8} {:<20} {:<18} {:<9} {} {}",
                line.no, line.operator, line.action, line.outcome, line.object, line.detail
            );
        }
    }
    Ok(())
}
