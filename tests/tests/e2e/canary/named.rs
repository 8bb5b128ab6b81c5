//! What the lists of pages and tools are about: codes, files, addresses, known only when the platform runs.

use super::{FUEL_CARD, PHONE};
use crate::harness::Scene;
use crate::harness::outside::MERCHANT_MD5_KEY;

/// What is called how in the lists of pages and tools: `{fuel}` is the code of an order.
pub(super) struct Named(Vec<(String, String)>);

impl Named {
    pub(super) fn name(&mut self, name: &str, value: String) {
        assert!(!value.is_empty(), "{name}");
        self.0.push((format!("{{{name}}}"), value));
    }

    pub(super) fn fill(&self, text: &str) -> String {
        let names = self.0.iter();
        let filled = names.fold(text.to_owned(), |text, (name, value)| {
            text.replace(name, value)
        });
        assert!(!filled.contains('{'), "{filled}: has no name");
        filled
    }
}

/// What the lists name, after a trade; a bill with a wrong account and a reference that nobody knows.
pub(super) async fn named(scene: &Scene) -> Named {
    let mut named = Named(vec![]);
    for (name, biz_code) in [
        ("fuel", "text-fuel"),
        ("partial", "text-magic-4"),
        ("failed", "text-magic-0"),
        ("doubt", "text-asked"),
    ] {
        let sql = format!(
            "SELECT replace(order_code::text, '-', '') FROM orders WHERE biz_code = '{biz_code}'"
        );
        named.name(name, scene.ground.ask(&sql).await);
    }
    let folder = &scene.platform.folder;
    let [key, bill] = ["key.pem", "bill.csv"].map(|name| folder.join(name));
    std::fs::write(&key, &scene.outside.merchant_key.private_pem).unwrap();
    let reference = "SELECT reference FROM attempts WHERE supplier_id = 'swift' AND state = 3";
    let reference = scene.ground.ask(reference).await;
    std::fs::write(
        &bill,
        format!(
            "reference,account,amount,state\n{reference},{PHONE},1.00,succeeded\nRNOBODY,{PHONE},1.00,succeeded\n"
        ),
    )
    .unwrap();
    let catalogue = folder.join("catalogue.toml");
    for (name, path) in [("key", key), ("bill", bill), ("catalogue", catalogue)] {
        named.name(name, path.to_str().unwrap().to_owned());
    }
    named.name("admin", scene.platform.admin.clone());
    named.name("account", FUEL_CARD.into());
    named.name("md5", MERCHANT_MD5_KEY.into());
    named
}
