//! What programs are told, as one reads it whose token may see everything: each answer is the one that is meant.

use std::collections::BTreeSet;

use regex::Regex;

use super::{Named, Said};
use crate::harness::platform::root;
use crate::harness::program::Program;

/// Route, question, and what stands in its answer.
const ANSWERS: [(&str, &str, &str); 17] = [
    ("/overview", "/overview", "mobile"),
    ("/orders", "/orders?q={account}", "{fuel}"),
    ("/orders/{code}", "/orders/{fuel}", "timeline"),
    (
        "/batches/{business}",
        "/batches/shop?number=text-fuel",
        "{fuel}",
    ),
    ("/doubts", "/doubts", "{doubt}"),
    ("/discrepancies", "/discrepancies", "cases"),
    ("/suppliers", "/suppliers", "harbor"),
    ("/lanes", "/lanes", "mobile"),
    (
        "/lanes/{lane}/{standing}",
        "/lanes/mobile/calling",
        "orders",
    ),
    ("/endpoints", "/endpoints", "https://paused.example"),
    ("/parked", "/parked", "unknown_version"),
    ("/callbacks", "/callbacks", "clerk"),
    ("/businesses", "/businesses", "shop"),
    ("/businesses/{id}", "/businesses/old", "MD5"),
    ("/products", "/products", "FUEL100"),
    ("/audit", "/audit", "cli:clerk"),
    ("/operators", "/operators", "wang"),
];

/// Reads all of them, and is refused something.
pub(super) async fn read(program: &Program, named: &Named, by: &str, said: &mut Said) {
    for (_, question, holds) in ANSWERS {
        let [question, holds] = [question, holds].map(|text| named.fill(text));
        let text = program.told(&question).await.to_string();
        assert!(text.contains(&holds), "{question} lacks {holds}: {text}");
        said.keep(&format!("{by}: {question}"), text);
    }
    let cancel = named.fill("/orders/{fuel}/cancel");
    let (status, refused) = program.does(&cancel, &serde_json::json!({})).await;
    assert_eq!(status, 409, "{refused}");
    said.keep(&format!("{by}: {cancel}"), refused.to_string());
}

/// A route without an entry here is one whose answer nobody has looked at for secrets.
#[test]
fn every_answer_of_the_api_is_read() {
    let row = Regex::new(r"(?m)^\| GET \| `([^`]+)` \|").unwrap();
    let document = root().join("crates/console/API.md");
    let document = std::fs::read_to_string(document).unwrap();
    let routes: BTreeSet<&str> = row
        .captures_iter(&document)
        .map(|row| row.get(1).unwrap().as_str())
        .collect();
    let read: BTreeSet<&str> = ANSWERS.iter().map(|answer| answer.0).collect();
    assert_eq!(read, routes);
}
