//! `refill callback resend`: sends status reports again that were parked or delivered.

use domain::{BusinessId, OrderCode};
use store::Store;
use store::callbacks::Resend;
use store::reads::OrderName;

use crate::settings::Settings;

/// The flags of `refill callback resend`.
#[derive(Debug, clap::Args)]
pub(crate) struct Flags {
    /// Whose reports.
    #[arg(long)]
    business: String,
    #[command(flatten)]
    which: Which,
    /// Reports per second; 0: all at once.
    #[arg(long, default_value_t = 20)]
    per_second: u32,
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct Which {
    /// That of one order.
    #[arg(long)]
    order: Option<OrderCode>,
    /// That of one order, by the merchant's number.
    #[arg(long)]
    biz_code: Option<String>,
    /// Those of a batch, by the merchant's number.
    #[arg(long)]
    batch: Option<String>,
    /// Those that were given up.
    #[arg(long)]
    parked: bool,
}

pub(crate) async fn run(settings: &Settings, flags: &Flags) -> anyhow::Result<()> {
    let which = match &flags.which {
        Which {
            order: Some(code), ..
        } => Resend::Order(OrderName::Code(*code)),
        Which {
            biz_code: Some(text),
            ..
        } => Resend::Order(OrderName::BizCode(text.clone())),
        Which {
            batch: Some(text), ..
        } => Resend::Batch(text.clone()),
        Which { .. } => Resend::Parked,
    };
    let business = BusinessId::new(&flags.business);
    let resent = Store::new(&settings.store()?)?
        .resend_reports(&business, &which, flags.per_second)
        .await?;
    println!("{resent} reports will be sent again");
    Ok(())
}
