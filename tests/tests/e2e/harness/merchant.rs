//! A merchant who orders, and who can tell whether it was treated right.

use std::collections::HashMap;

use rust_decimal::Decimal;
use serde_json::Value;
use simulator::{Item, MerchantClient};

use super::{Outside, until};

pub(crate) const MERCHANT: &str = "m1";
pub(crate) const BUSINESS: &str = "shop";

pub(crate) struct Merchant {
    pub(crate) client: MerchantClient,
    /// Numbers and accounts of everything that was answered 0, in order.
    pub(crate) ordered: Vec<(String, String)>,
}

impl Merchant {
    pub(crate) fn new(openapi: &str, outside: &Outside) -> Self {
        let key = &outside.merchant_key.private_pem;
        Self {
            client: MerchantClient::rsa(openapi, MERCHANT, BUSINESS, key).unwrap(),
            ordered: vec![],
        }
    }

    /// Orders plain top-ups of `MOBILE50`, each to an account of its own, in one batch, and goes on sending the same batch (as a merchant may)
    /// until it is answered 0.
    pub(crate) async fn order(&mut self, batch: &str, count: usize) {
        let items: Vec<Item> = (0..count)
            .map(|n| {
                let account = format!("138{:08}", self.ordered.len() + n);
                Item::new(format!("{batch}-{n}"), account)
            })
            .collect();
        self.order_items(batch, "MOBILE50", &items).await;
    }

    pub(crate) async fn order_items(&mut self, batch: &str, product: &str, items: &[Item]) {
        let answered = until(
            "the answer 0",
            async || match self.client.batch(batch, product, None, items).await {
                Ok(answer) if answer.status == 0 => Some(answer),
                Ok(answer) => {
                    // Statuses that forbid sending again would end a merchant's tries.
                    assert!(
                        matches!(answer.status, 1 | 98) || answer.http >= 500,
                        "batch {batch} was answered {}",
                        answer.body
                    );
                    None
                }
                Err(_) => None,
            },
            || format!("batch {batch}"),
        )
        .await;
        assert_eq!(answered.data.as_array().map(Vec::len), Some(items.len()));
        self.ordered.extend(
            items
                .iter()
                .map(|i| (i.biz_code.clone(), i.account.clone())),
        );
    }

    /// Waits until a report was taken for everything that was ordered.
    pub(crate) async fn wait_for_all_reports(&self, outside: &Outside) {
        let missing = || {
            let taken = |code: &str| {
                outside
                    .received
                    .get(code)
                    .is_some_and(|r| r.taken_at_us > 0)
            };
            self.ordered
                .iter()
                .filter(|(code, _)| !taken(code))
                .map(|(code, _)| code)
                .collect::<Vec<_>>()
        };
        until(
            "all reports",
            async || missing().is_empty().then_some(()),
            || {
                format!(
                    "{} missing, like {:?}; {:?}",
                    missing().len(),
                    missing().first(),
                    outside.received.summary()
                )
            },
        )
        .await;
    }

    /// What the platform says about an order.
    pub(crate) async fn order_info(&self, biz_code: &str) -> Value {
        let answer = self.client.order(biz_code).await.unwrap();
        assert_eq!(answer.status, 0, "{}", answer.body);
        answer.data
    }

    /// Available and held money.
    pub(crate) async fn balance(&self) -> (Decimal, Decimal) {
        let answer = self.client.balance().await.unwrap();
        assert_eq!(answer.status, 0, "{}", answer.body);
        (
            decimal(&answer.data["amount"]),
            decimal(&answer.data["held"]),
        )
    }

    /// All orders were plain: each succeeded, was charged exactly once by the suppliers' own books, was reported with a right signature and
    /// always in the same way; and the money adds up.
    pub(crate) async fn was_treated_right(
        &self,
        outside: &Outside,
        before: Decimal,
        price: Decimal,
    ) {
        let charges = outside.charges().await;
        let wrong: HashMap<_, _> = self
            .ordered
            .iter()
            .map(|(_, account)| (account, charges.get(account).copied().unwrap_or_default()))
            .filter(|(_, charged)| *charged != 1)
            .collect();
        assert!(wrong.is_empty(), "not charged exactly once: {wrong:?}");
        assert_eq!(
            charges.len(),
            self.ordered.len(),
            "somebody else was charged"
        );
        let received = outside.received.summary();
        let count = u64::try_from(self.ordered.len()).unwrap();
        assert_eq!(
            (received.succeeded, received.taken),
            (count, count),
            "{received:?}"
        );
        assert_eq!(
            (received.conflicts, received.bad_signatures),
            (0, 0),
            "{received:?}"
        );
        let (amount, held) = self.balance().await;
        assert_eq!(held, Decimal::ZERO);
        assert_eq!(before - amount, price * Decimal::from(count));
    }
}

pub(crate) fn decimal(value: &Value) -> Decimal {
    value.to_string().trim_matches('"').parse().unwrap()
}
