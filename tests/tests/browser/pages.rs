//! Every page, with something on it.

use crate::chromium::{Browser, Kind};
use crate::furnished::furnish;
use crate::harness::Scene;
use crate::people::admin;

/// All that the navigation leads to, and the pages behind.
async fn places(browser: &Browser, scene: &Scene) -> Vec<String> {
    let linked = browser
        .value("[...document.querySelectorAll('nav a')].map(a => a.getAttribute('href'))")
        .await;
    let linked: Vec<String> = serde_json::from_value(linked).unwrap();
    assert!(linked.len() >= 12, "{linked:?}");
    let mut places = linked;
    for order in ["ten-0", "fails", "both", "untold", "doubt", "waits"] {
        let sql = format!("SELECT order_code FROM orders WHERE biz_code = '{order}'");
        let code = scene.ground.ask(&sql).await.replace('-', "");
        places.push(format!("/orders/{code}"));
    }
    places.extend(
        [
            "/orders?q=ten",
            "/batches/shop?number=ten",
            "/lanes/mobile/asked",
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
            if browser.kind == Kind::Phone {
                browser.click("//header/button[@popovertarget]").await;
            }
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
        let kind = format!("{:?}", browser.kind).to_lowercase();
        browser.open("/signature").await;
        let headers = "businessId: shop\nnonce: 1\ntimestamp: 1764000000000\nsign: AAAA";
        browser.write("//textarea[@name='headers']", headers).await;
        browser.write("//textarea[@name='body']", "{}").await;
        browser.click("//main//form//button").await;
        browser.find("//main//pre").await;
        browser.picture(&format!("{kind}-signature-examined")).await;
        if browser.kind == Kind::Phone {
            browser.click("//header/button[@popovertarget]").await;
            browser.picture(&format!("{kind}-menu")).await;
        }
        browser
            .click("//header//form[@action='/sign-out']//button")
            .await;
        browser.find("//input[@name='password']").await;
        browser.picture(&format!("{kind}-sign-in")).await;
    }
    scene.end().await;
}
