//! The pages of the console, as somebody reads them who has signed in: each is the one that is meant, and has something to tell.

use std::collections::BTreeSet;

use regex::Regex;

use super::{Named, Said};
use crate::harness::console::Person;
use crate::harness::platform::root;

/// Route, address, title, and what stands on it.
const PAGES: [(&str, &str, &str, &str); 23] = [
    ("/", "/", "Overview", "lane-mobile"),
    ("/orders", "/orders?q=text-magic", "Orders", "text-magic-0"),
    (
        "/orders/{code}",
        "/orders/{fuel}",
        "Order {fuel}",
        "text-fuel",
    ),
    (
        "/orders/{code}",
        "/orders/{doubt}",
        "Order {doubt}",
        "a person has to look",
    ),
    (
        "/batches/{business}",
        "/batches/shop?number=text-fuel",
        "Batch text-fuel",
        "{fuel}",
    ),
    ("/doubts", "/doubts", "Doubts", "{doubt}"),
    (
        "/discrepancies",
        "/discrepancies",
        "Discrepancies",
        "oldest first",
    ),
    ("/suppliers", "/suppliers", "Suppliers", "supplier-harbor"),
    ("/lanes", "/lanes", "Lanes", "lane-mobile"),
    (
        "/lanes/{lane}/{standing}",
        "/lanes/mobile/calling",
        "In a call",
        "lane-mobile",
    ),
    ("/parked", "/parked", "Parked", "unknown_version"),
    (
        "/endpoints",
        "/endpoints",
        "Endpoints",
        "https://paused.example",
    ),
    ("/callbacks", "/callbacks", "Callbacks", "<td>clerk</td>"),
    (
        "/businesses",
        "/businesses",
        "Businesses",
        "/businesses/shop",
    ),
    ("/businesses/{id}", "/businesses/shop", "shop", "SHA256-RSA"),
    ("/businesses/{id}", "/businesses/old", "old", "MD5"),
    ("/products", "/products", "Products", "FUEL100"),
    ("/signature", "/signature", "Signatures", "<textarea"),
    ("/audit", "/audit", "Audit", "cli:clerk"),
    ("/operators", "/operators", "Operators", "<td>wang</td>"),
    (
        "/password",
        "/password",
        "Your password",
        "current-password",
    ),
    ("/sign-in", "/sign-in", "Sign in", "current-password"),
    ("/live", "/live", "", "lane-mobile"),
];

/// Where orders stand that a supplier has not answered for.
pub(super) const ASKED: &str = "/lanes/mobile/asked";

/// Reads all of them.
pub(super) async fn read(person: &Person, named: &Named, by: &str, said: &mut Said) {
    for (route, address, title, holds) in PAGES {
        let [address, title, holds] = [address, title, holds].map(|text| named.fill(text));
        let text = if route == "/live" {
            person.page_until(&address, "\n\n").await
        } else {
            let text = person.page(&address).await;
            let title = format!("<title>{title} · Refill</title>");
            assert!(text.contains(&title), "{address} is not {title}: {text}");
            text
        };
        assert!(text.contains(&holds), "{address} lacks {holds}: {text}");
        said.keep(&format!("{by}: {address}"), text);
    }
    // What is searched for is in no log, and the only order that it finds is shown at once.
    let search = named.fill("/orders?q={account}");
    assert_eq!(
        person.sent_on(&search).await,
        named.fill("/orders/{fuel}"),
        "{search}"
    );
}

/// A page without an entry here is a page that nobody has looked at for secrets.
#[test]
fn every_page_of_the_console_is_read() {
    let route = Regex::new(r#"\.route\(\s*"([^"]+)",\s*get\("#).unwrap();
    let mut routes = BTreeSet::new();
    for file in ["pages.rs", "door.rs"] {
        let source = root().join("crates/console/src").join(file);
        let source = std::fs::read_to_string(source).unwrap();
        let found = route
            .captures_iter(&source)
            .map(|found| found[1].to_owned());
        // Files that were built in tell nothing.
        routes.extend(found.filter(|path| {
            let path = std::path::Path::new(path);
            !path.extension().is_some_and(|e| e == "css" || e == "js")
        }));
    }
    let read: BTreeSet<String> = PAGES.iter().map(|page| page.0.to_owned()).collect();
    assert_eq!(read, routes);
}
