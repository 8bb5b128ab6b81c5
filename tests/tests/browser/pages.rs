//! Every page, with something on it.

use simulator::Item;

use crate::chromium::{Browser, Kind};
use crate::harness::{Scene, until};
use crate::people::{admin, order_fuel};

/// An order of each kind: ended well, ended badly, in doubt, with a report that nobody takes, and one that waits at a paused lane.
async fn furnish(scene: &mut Scene) {
    scene.merchant.order("ten", 10).await;
    let fails = [Item::new("fails", "19900000911")];
    scene
        .merchant
        .order_items("fails", "MOBILE50", &fails)
        .await;
    let url = format!("http://{}/no/callback", scene.outside.merchant);
    let untold = [Item::new("untold", "13900000001")];
    let client = &scene.merchant.client;
    let answer = client.batch("untold", "MOBILE50", Some(&url), &untold);
    assert_eq!(answer.await.unwrap().status, 0);
    scene.merchant.wait_for_all_reports(&scene.outside).await;
    order_fuel(scene, "doubt", "19900001311").await;
    until(
        "the doubt",
        async || {
            let doubts = scene.ground.ask("SELECT count(*) FROM doubts").await;
            (doubts == "1").then_some(())
        },
        String::new,
    )
    .await;
    let pause = [
        "lane",
        "pause",
        "wallet",
        "--reason",
        "the supplier's maintenance",
    ];
    assert!(scene.platform.tool(&pause).status.success());
    let mut waits = Item::new("waits", "13900000002");
    waits.spec = Some("12.50".into());
    scene
        .merchant
        .order_items("waits", "WALLET", &[waits])
        .await;
}

/// All that the navigation leads to, and the pages behind.
async fn places(browser: &Browser, scene: &Scene) -> Vec<String> {
    let linked = browser
        .value("[...document.querySelectorAll('nav a')].map(a => a.getAttribute('href'))")
        .await;
    let linked: Vec<String> = serde_json::from_value(linked).unwrap();
    assert!(linked.len() >= 12, "{linked:?}");
    let mut places = linked;
    for order in ["ten-0", "fails", "untold", "doubt", "waits"] {
        let sql = format!("SELECT order_code FROM orders WHERE biz_code = '{order}'");
        let code = scene.ground.ask(&sql).await.replace('-', "");
        places.push(format!("/orders/{code}"));
    }
    places.extend(
        [
            "/orders?q=ten",
            "/batches/shop?number=ten",
            "/businesses/shop",
            "/password",
        ]
        .map(str::to_owned),
    );
    places
}

/// Chooses a language and a theme by the page's own buttons.
async fn look(browser: &Browser, lang: &str, theme: &str) {
    for (name, value, attribute) in [("lang", lang, "lang"), ("theme", theme, "data-theme")] {
        let chosen = format!("/html[starts-with(@{attribute}, '{value}')]");
        if !browser.has(&chosen).await {
            browser
                .click(&format!(
                    "//header//button[@name='{name}' and @value='{value}']"
                ))
                .await;
        }
        browser.find(&chosen).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_opens_in_both_languages_and_themes_without_a_word_in_the_browsers_log() {
    let mut scene = Scene::start().await;
    furnish(&mut scene).await;
    let desk = admin(&scene, Kind::Desk).await;
    let phone = admin(&scene, Kind::Phone).await;
    let places = places(&desk, &scene).await;
    let desk_looks = [
        ("en", "dark"),
        ("zh", "dark"),
        ("zh", "light"),
        ("en", "light"),
    ];
    for (browser, looks) in [(&desk, &desk_looks[..]), (&phone, &desk_looks[1..2])] {
        for &(lang, theme) in looks {
            browser.open("/").await;
            look(browser, lang, theme).await;
            for place in &places {
                browser.open(place).await;
                let title = browser.find("//main//h1").await.text().await.unwrap();
                let han = title
                    .chars()
                    .any(|c| ('\u{4e00}'..='\u{9fff}').contains(&c));
                assert!(
                    han == (lang == "zh") || place == "/businesses/shop",
                    "{place}: {title}"
                );
                let width = browser.value("document.documentElement.scrollWidth").await;
                let width = width.as_u64().unwrap();
                let most = if browser.kind == Kind::Phone {
                    390
                } else {
                    1280
                };
                assert!(width <= most, "{place} is {width} px wide");
                assert_eq!(browser.complaints().await, Vec::<String>::new(), "{place}");
                let name = place.replace(['/', '?', '='], "_");
                let kind = format!("{:?}", browser.kind).to_lowercase();
                browser
                    .picture(&format!("{kind}-{lang}-{theme}-{name}"))
                    .await;
            }
        }
    }
    scene.end().await;
}
