//! What ops people do most: send a report again, pause, resume.

use crate::chromium::Kind;
use crate::harness::{Scene, until};
use crate::people::{admin, look_up, order_fuel, somebody};

#[tokio::test(flavor = "multi_thread")]
async fn a_report_is_sent_again_from_the_orders_page_and_comes_to_the_merchant() {
    let mut scene = Scene::start().await;
    scene.merchant.order("r", 1).await;
    scene.merchant.wait_for_all_reports(&scene.outside).await;
    let browser = somebody(&scene, "wang", "operator", "/").await;
    look_up(&browser, "r-0").await;
    browser.comes_to_read("the merchant was told").await;
    browser
        .click("//section//button[contains(., 'eport again')]")
        .await;
    browser.reads("Done.").await;
    let reports = || scene.outside.received.get("r-0").map_or(0, |r| r.reports);
    until(
        "the second report",
        async || (reports() == 2).then_some(()),
        || reports().to_string(),
    )
    .await;
    // Told once more, in the same words, and the order's page names who wanted it.
    let received = scene.outside.received.summary();
    assert_eq!((received.conflicts, received.bad_signatures), (0, 0));
    browser.comes_to_read("wang").await;
    browser.reads("report sent, round-try 2-1: delivered").await;
    assert_eq!(browser.complaints().await, Vec::<String>::new());
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_go_around_a_paused_supplier_or_wait_until_it_is_resumed() {
    let mut scene = Scene::start().await;
    let browser = somebody(&scene, "wang", "operator", "/suppliers").await;
    let swift = "//article[starts-with(normalize-space(h2), 'swift')]";
    browser
        .write(&format!("{swift}//input[@name='reason']"), "they told us")
        .await;
    browser.click(&format!("{swift}//button[.='Pause']")).await;
    browser.reads("wang: they told us").await;

    // Mobiles `swift` has first, and `harbor` after it; the whole fleet knows of a pause within seconds.
    let swifts = async |scene: &Scene| scene.outside.sums(scene.outside.swift).await.orders;
    for n in 0..100 {
        let before = swifts(&scene).await;
        scene.merchant.order(&format!("around{n}"), 1).await;
        scene.merchant.wait_for_all_reports(&scene.outside).await;
        if swifts(&scene).await == before {
            break;
        }
        assert!(n < 99, "the pause is never heard of");
    }
    let before = swifts(&scene).await;
    // `swift` alone has the fuel card.
    order_fuel(&mut scene, "waits", "19900000011").await;
    let waits = scene.merchant.ordered.clone();
    scene.merchant.ordered.clear();
    scene.merchant.order("around", 3).await;
    scene.merchant.wait_for_all_reports(&scene.outside).await;
    assert_eq!(swifts(&scene).await, before);
    browser.open("/").await;
    look_up(&browser, "waits").await;
    browser.find("//h1/span[.='stored']").await;

    browser.open("/suppliers").await;
    browser.click(&format!("{swift}//button[.='Resume']")).await;
    browser.reads("Done.").await;
    scene.merchant.ordered.extend(waits);
    scene.merchant.wait_for_all_reports(&scene.outside).await;
    assert_eq!(scene.merchant.order_info("waits").await["status"], 2);
    browser.open("/audit").await;
    browser.reads("supplier.pause").await;
    browser.reads("supplier.resume").await;
    assert_eq!(browser.complaints().await, Vec::<String>::new());
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lane_is_paused_in_a_browser_that_runs_no_script() {
    let scene = Scene::start().await;
    let browser = admin(&scene, Kind::NoScript).await;
    // It does not: what is for such browsers is part of the page.
    assert!(browser.has("//noscript/meta[@http-equiv='refresh']").await);
    browser.open("/lanes").await;
    browser
        .write("//tr[td[1]='fuel']//input[@name='reason']", "no script")
        .await;
    browser.click("//tr[td[1]='fuel']//button[.='Pause']").await;
    browser.reads("admin: no script").await;
    let output = scene.platform.tool(&["audit", "--json"]);
    let audit = String::from_utf8(output.stdout).unwrap();
    assert!(audit.contains("lane.pause"), "{audit}");
    browser
        .click("//tr[td[1]='fuel']//button[.='Resume']")
        .await;
    browser.reads("Done.").await;
    scene.end().await;
}
