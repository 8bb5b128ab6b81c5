//! Without a mouse: by real key presses, never by sending keys to an element that a test has found.

use crate::chromium::{Browser, Kind};
use crate::harness::{Scene, until};
use crate::people::{PASSWORD, add, admin, order_fuel};
use crate::webdriver::{ENTER, TAB};

/// What an element is called here.
const NAMED: &str = "(it => it.id || it.getAttribute('href') || it.textContent.trim() || it.name)";

/// Presses Tab. Where the focus is then: what has it, whether that can be told from the rest, and whether it is within sight. Nothing when
/// it has left the page: after the last stop comes the browser's own bar, and the page's body is all that is active.
async fn tab(browser: &Browser) -> Option<String> {
    browser.press(TAB).await;
    let focus = format!(
        "(() => {{
            const it = document.activeElement, style = getComputedStyle(it), at = it.getBoundingClientRect();
            if (it === document.body) return null;
            const seen = at.width > 0 && at.left >= 0 && at.top >= 0 && at.right <= innerWidth && at.bottom <= innerHeight;
            return [{NAMED}(it), style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2, seen];
        }})()"
    );
    let focus = browser.value(&focus).await;
    let name = focus[0].as_str()?;
    assert_eq!(
        (&focus[1], &focus[2]),
        (&true.into(), &true.into()),
        "{name}"
    );
    Some(name.to_owned())
}

/// Presses this key and waits for what it leads to.
async fn press_until(browser: &Browser, key: &str, xpath: &str) {
    browser.press(key).await;
    browser.find(xpath).await;
}

/// Presses Tab until this has the focus; all that is passed on the way. A page that has just come may let the first presses go.
async fn tab_to(browser: &Browser, wanted: &str) -> Vec<String> {
    let mut passed = vec![];
    let mut next = tab(browser).await;
    for _ in 0..3 {
        if next.is_none() {
            next = tab(browser).await;
        }
    }
    while let Some(name) = next {
        if name == wanted {
            return passed;
        }
        passed.push(name);
        next = tab(browser).await;
    }
    panic!("{wanted} is not among {passed:?}");
}

/// Signs in: the cursor is in the first field.
async fn sign_in(browser: &Browser, name: &str) {
    browser.open("/").await;
    browser.find("//input[@name='name' and @autofocus]").await;
    browser.press(name).await;
    browser.press(TAB).await;
    browser.press(PASSWORD).await;
    press_until(browser, ENTER, "//h1[starts-with(., 'Overview')]").await;
}

/// From wherever it is to the order's page, and from there to the desk.
async fn to_the_desk(browser: &Browser, number: &str) {
    browser.press("/").await;
    browser.press(number).await;
    press_until(browser, ENTER, "//h1[starts-with(., 'Order ')]").await;
    tab_to(browser, "/doubts").await;
    tab_to(browser, "/doubts").await;
    press_until(browser, ENTER, "//h1[starts-with(., 'Doubts')]").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_doubt_is_found_proposed_and_confirmed_by_keys_alone_and_the_focus_is_always_seen() {
    let mut scene = Scene::start().await;
    order_fuel(&mut scene, "k", "19900001311").await;
    until(
        "the doubt",
        async || {
            let doubts = scene.ground.ask("SELECT count(*) FROM doubts").await;
            (doubts == "1").then_some(())
        },
        String::new,
    )
    .await;
    for (name, button) in [
        ("li", "Propose: not charged"),
        ("zhao", "Confirm: not charged"),
    ] {
        add(&scene, name, "approver");
        let browser = Browser::start(Kind::Desk, &scene.platform.console).await;
        sign_in(&browser, name).await;
        to_the_desk(&browser, "k").await;
        tab_to(&browser, "e1").await;
        browser.press("by keys").await;
        tab_to(&browser, button).await;
        press_until(&browser, ENTER, "//p[@role='status']").await;
        assert_eq!(browser.complaints().await, Vec::<String>::new());
    }
    scene.merchant.wait_for_all_reports(&scene.outside).await;
    assert_eq!(scene.merchant.order_info("k").await["status"], 3);
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tab_stops_at_whatever_can_be_used_in_the_order_of_the_page_and_at_nothing_else() {
    let scene = Scene::start().await;
    add(&scene, "wang", "viewer");
    let browser = admin(&scene, Kind::Desk).await;
    for place in ["/", "/suppliers", "/lanes", "/callbacks", "/operators"] {
        browser.open(place).await;
        let mut stops = vec![];
        while let Some(name) = tab(&browser).await {
            stops.push(name);
            assert!(stops.len() <= 200, "{place} has no end: {stops:?}");
        }
        let usable = "'a[href], button, input:not([type=hidden]), select, textarea, summary'";
        let usable = format!(
            "[...document.querySelectorAll({usable})].filter(it => it.checkVisibility()).map({NAMED})"
        );
        let usable: Vec<String> = serde_json::from_value(browser.value(&usable).await).unwrap();
        assert_eq!(stops, usable, "{place}");
        assert_eq!(stops[0], "#main", "the way past the frame is the first");
    }
    // And that way leads where it says.
    browser.open("/suppliers").await;
    tab_to(&browser, "#main").await;
    browser.press(ENTER).await;
    until(
        "the way past the frame",
        async || (browser.value("location.hash").await == "#main").then_some(()),
        String::new,
    )
    .await;
    assert_eq!(tab(&browser).await.unwrap(), "r1");
    scene.end().await;
}
