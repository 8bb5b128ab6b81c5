//! Without a mouse.

use thirtyfour::Key;

use crate::chromium::{Browser, Kind};
use crate::harness::{Scene, until};
use crate::people::admin;

/// Presses Tab, and says which element has the focus; it is within sight, and can be told from the others.
async fn tab(browser: &Browser) -> String {
    let chain = browser.driver().action_chain().send_keys(Key::Tab);
    chain.perform().await.unwrap();
    let moved = async || {
        let on_body = browser
            .value("document.activeElement === document.body")
            .await;
        (on_body == false).then_some(())
    };
    until("the focus", moved, String::new).await;
    let seen = browser
        .value(
            "(() => {
                const it = document.activeElement, style = getComputedStyle(it), at = it.getBoundingClientRect();
                return [it.id || it.className || it.textContent.trim(),
                        style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2,
                        at.width > 0 && at.left >= 0 && at.top >= 0 && at.right <= innerWidth && at.bottom <= innerHeight];
            })()",
        )
        .await;
    let name = seen[0].as_str().unwrap().to_owned();
    assert_eq!((&seen[1], &seen[2]), (&true.into(), &true.into()), "{name}");
    name
}

/// Presses Tab until this has the focus.
async fn tab_to(browser: &Browser, wanted: &str) {
    let mut passed = vec![];
    while passed.len() < 60 {
        let name = tab(browser).await;
        if name == wanted {
            return;
        }
        passed.push(name);
    }
    panic!("{wanted} is not among {passed:?}");
}

async fn press(browser: &Browser, keys: &str) {
    let chain = browser.driver().action_chain().send_keys(keys);
    chain.perform().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn every_form_is_reached_by_keys_alone_and_the_focus_is_always_seen() {
    let mut scene = Scene::start().await;
    scene.merchant.order("k", 1).await;
    scene.merchant.wait_for_all_reports(&scene.outside).await;
    let browser = admin(&scene, Kind::Desk).await;
    let enter = Key::Enter.value().to_string();

    browser.open("/suppliers").await;
    assert_eq!(tab(&browser).await, "skip", "the first of all");
    press(&browser, &enter).await;
    // On from the content: what comes next is in it.
    tab(&browser).await;
    assert_eq!(
        browser
            .value("document.getElementById('main').contains(document.activeElement)")
            .await,
        true
    );
    // The form of the first supplier, by the names of its fields.
    tab_to(&browser, "r1").await;
    press(&browser, "by keys").await;
    press(&browser, &enter).await;
    browser.reads("admin: by keys").await;

    browser.open("/lanes").await;
    tab_to(&browser, "q").await;
    press(&browser, &format!("k-0{enter}")).await;
    browser.find("//h1[starts-with(., 'Order ')]").await;
    scene.end().await;
}
