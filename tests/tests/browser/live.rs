//! The overview renews itself.

use simulator::Item;

use crate::chromium::Kind;
use crate::harness::Scene;
use crate::people::admin;

#[tokio::test(flavor = "multi_thread")]
async fn the_overviews_numbers_change_while_the_page_stays() {
    let scene = Scene::start().await;
    let browser = admin(&scene, Kind::Desk).await;
    let waiting = |count: u32| {
        format!("//ul[@class='tiles']/li[contains(., 'reports waiting')][.//b[.='{count}']]")
    };
    browser.find(&waiting(0)).await;
    browser.value("window.stays = 1").await;
    browser.write("//input[@id='q']", "half typed").await;

    // Its merchant takes no report, so one goes on waiting.
    let url = format!("http://{}/no/callback", scene.outside.merchant);
    let items = [Item::new("l", "13800000001")];
    let answer = scene
        .merchant
        .client
        .batch("l", "MOBILE50", Some(&url), &items);
    assert_eq!(answer.await.unwrap().status, 0);
    browser.find(&waiting(1)).await;

    assert_eq!(browser.value("window.stays").await, 1, "it was loaded anew");
    let typed = browser.value("document.getElementById('q').value").await;
    assert_eq!(typed, "half typed");
    assert_eq!(browser.complaints().await, Vec::<String>::new());
    scene.end().await;
}
