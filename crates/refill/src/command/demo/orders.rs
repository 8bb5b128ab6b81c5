//! What the demo orders: mostly plain top-ups, and one of everything that can go wrong.

use std::time::{SystemTime, UNIX_EPOCH};

use simulator::Item;

/// A batch as the demo's merchant sends it.
pub(super) struct Batch {
    pub(super) code: String,
    pub(super) product: &'static str,
    pub(super) items: Vec<Item>,
}

/// The most items of one batch.
const BATCH: usize = 1_000;
/// Magic accounts that each product meets. All of them end: by a push, a query, a proof, or a person.
const MOBILE: [&str; 13] = [
    "00", "01", "02", "03", "04", "05", "07", "08", "09", "10", "15", "16", "17",
];
const WALLET: [&str; 5] = ["00", "03", "04", "08", "16"];
const FUEL: [&str; 4] = ["02", "06", "12", "17"];

/// `orders` orders in batches, with numbers that no earlier run has used.
pub(super) fn batches(orders: u32) -> Vec<Batch> {
    let run = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_millis();
    let orders = usize::try_from(orders).unwrap_or(usize::MAX);
    let (wallet, fuel) = (orders / 4, orders / 10);
    let mobile = orders - wallet - fuel;
    let parts = [
        ("MOBILE50", mobile, &MOBILE[..]),
        ("WALLET", wallet, &WALLET[..]),
        ("FUEL100", fuel, &FUEL[..]),
    ];
    let mut batches = vec![];
    for (product, count, magic) in parts {
        let items: Vec<Item> = (0..count).map(|n| item(run, product, n, magic)).collect();
        for (n, items) in items.chunks(BATCH).enumerate() {
            batches.push(Batch {
                code: format!("demo-{run}-{product}-{n}"),
                product,
                items: items.to_vec(),
            });
        }
    }
    batches
}

fn item(run: u128, product: &'static str, n: usize, magic: &[&str]) -> Item {
    let account = magic.get(n).map_or_else(
        || format!("138{n:08}"),
        |code| format!("1990000{code}{:02}", n % 100),
    );
    let spec = (product == "WALLET").then(|| {
        format!(
            "{}.{}",
            1 + n % 199,
            if n.is_multiple_of(2) { "0" } else { "5" }
        )
    });
    let attach =
        (product == "FUEL100").then(|| r#"{"holder":"张三","phone":"13800138000"}"#.to_owned());
    Item {
        spec,
        attach,
        ..Item::new(format!("demo-{run}-{product}-item-{n}"), account)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_stands_once_and_nothing_is_left_out() {
        let batches = batches(3_001);
        let mut codes: Vec<_> = batches
            .iter()
            .flat_map(|b| b.items.iter().map(|i| &i.biz_code))
            .collect();
        assert_eq!(codes.len(), 3_001);
        codes.sort();
        codes.dedup();
        assert_eq!(codes.len(), 3_001);
        assert!(batches.iter().all(|b| b.items.len() <= BATCH));
    }
}
