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

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_on_a_link_stays_on_it_while_the_page_changes_around_it() {
    const ALARM: &str = "//section[@class='alarms']//a[contains(., 'paused')]";
    const ASIDE: &str = "//section[@class='alarms']//a[@href='/endpoints']";
    let scene = Scene::start().await;
    let browser = admin(&scene, Kind::Desk).await;
    let done = |args: &[&str]| {
        let said = scene.platform.tool(args);
        assert!(said.status.success(), "{said:?}");
    };
    browser
        .find("//*[@id='live']//a[@href='/lanes#lane-mobile']")
        .await;
    let focus = |selector: &str| format!("document.querySelector(\"{selector}\").focus()");
    browser
        .value(&focus("#live a[href='/lanes#lane-mobile']"))
        .await;
    // What comes before it moves it.
    done(&["supplier", "pause", "swift", "--reason", "a test"]);
    browser.find(ALARM).await;
    let on = "document.activeElement.getAttribute('href')";
    assert_eq!(browser.value(on).await, "/lanes#lane-mobile");

    // A link that is there no more is kept as long as somebody is on it, and the page says that it is old.
    let aside = "INSERT INTO endpoints (endpoint, state, reason, probe_at)
                 VALUES ('https://dead.example', 1, 'a test', now() + interval '1 hour')";
    scene.ground.ask(aside).await;
    browser.find(ASIDE).await;
    browser.value(&focus(".alarms a[href='/endpoints']")).await;
    scene.ground.ask("DELETE FROM endpoints").await;
    browser
        .find("//*[@id='live'][contains(@class, 'stale')]")
        .await;
    assert!(browser.has(ASIDE).await);
    assert_eq!(browser.value(on).await, "/endpoints");
    browser.value("document.activeElement.blur()").await;
    browser
        .find("//*[@id='live'][not(contains(@class, 'stale'))]")
        .await;
    assert!(!browser.has(ASIDE).await);
    assert_eq!(browser.complaints().await, Vec::<String>::new());
    scene.end().await;
}
