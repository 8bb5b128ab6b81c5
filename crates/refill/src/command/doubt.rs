//! `refill doubt list` and `refill doubt settle`: orders whose outcome only a person can tell.

use domain::OrderCode;
use store::Store;
use store::life::{NotSettled, Settlement};

use crate::settings::Settings;

/// The most that one listing shows.
const LIST_LIMIT: i64 = 1_000;

pub(crate) async fn list(settings: &Settings, json: bool) -> anyhow::Result<()> {
    let doubts = Store::new(&settings.store()?)?
        .open_doubts(LIST_LIMIT)
        .await?;
    if doubts.is_empty() && !json {
        println!("nothing waits for a person");
    }
    for doubt in doubts {
        let (attempt, supplier, reference) = doubt.attempt.unwrap_or_default();
        if json {
            println!(
                "{}",
                serde_json::json!({
                    "orderCode": doubt.key.order, "businessId": doubt.key.business, "kind": doubt.kind,
                    "reason": doubt.reason, "since": doubt.opened_at.0, "attempt": attempt, "supplier": supplier,
                    "reference": reference,
                })
            );
        } else {
            println!(
                "{}  {:<11}  {}  attempt {attempt} at {supplier}, reference {reference}: {}",
                doubt.key.order, doubt.kind, doubt.key.business, doubt.reason
            );
        }
    }
    Ok(())
}

pub(crate) async fn settle(
    settings: &Settings,
    order: OrderCode,
    charged: bool,
    evidence: String,
) -> anyhow::Result<()> {
    anyhow::ensure!(
        (1..=1_000).contains(&evidence.trim().chars().count()),
        "--evidence: 1 to 1000 characters that say what the decision rests on"
    );
    let store = Store::new(&settings.store()?)?;
    let catalogue = store.catalogue().await?;
    let actor = std::env::var("SUDO_USER")
        .or_else(|_| std::env::var("USER"))
        .unwrap_or_else(|_| "operator".into());
    let settlement = Settlement {
        order,
        charged,
        reason: evidence.trim().to_owned(),
        actor,
    };
    match store.settle_doubt(&settlement, &catalogue).await? {
        Ok(moved) => {
            println!("{order} is {} now", moved.state.word());
            Ok(())
        }
        Err(NotSettled::NoOrder) => anyhow::bail!("there is no order {order}"),
        Err(NotSettled::NotInDoubt) => {
            anyhow::bail!("order {order} is not in doubt: nothing was changed")
        }
    }
}
