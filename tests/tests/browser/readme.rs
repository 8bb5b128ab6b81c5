//! The README's pictures, made anew from a platform that works: see deploy/README.md.

use simulator::Item;

use crate::chromium::Kind;
use crate::furnished::furnish;
use crate::harness::Scene;
use crate::people::{admin, look_up};

/// The samples that make a chart worth a picture; one comes every ten seconds.
const SAMPLES: u64 = 12;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes, and is asked for when the pages look different"]
async fn pictures_of_the_readme() {
    let mut scene = Scene::start().await;
    furnish(&mut scene).await;
    // What is in doubt is not waited for.
    scene.merchant.ordered.clear();
    // The supplier charges and answers garbage: found by asking again.
    let again = [Item::new("again", "19900000742")];
    scene
        .merchant
        .order_items("again", "MOBILE50", &again)
        .await;
    let browser = admin(&scene, Kind::Desk).await;
    let drawn =
        "(document.querySelector('path.in')?.getAttribute('d').split(/[M ]/).length || 1) - 1";
    for batch in 0.. {
        let orders = 20 + (batch * 37) % 60;
        scene.merchant.order(&format!("b{batch}"), orders).await;
        scene.merchant.wait_for_all_reports(&scene.outside).await;
        if browser.value(drawn).await.as_u64().unwrap() >= SAMPLES {
            break;
        }
    }
    browser.top(1110, "console-overview").await;
    look_up(&browser, "again").await;
    browser.top(1110, "console-order").await;
    scene.end().await;
}
