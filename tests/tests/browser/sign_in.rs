//! In and out.

use crate::chromium::{Browser, Kind};
use crate::harness::Scene;
use crate::people::{PASSWORD, add, sign_in};

#[tokio::test(flavor = "multi_thread")]
async fn who_signs_in_comes_to_the_page_they_asked_for_and_a_wrong_name_and_a_wrong_password_are_told_alike()
 {
    let scene = Scene::start().await;
    add(&scene, "wang", "viewer");
    let browser = Browser::start(Kind::Desk, &scene.platform.console).await;

    let mut told = vec![];
    for (name, password) in [("wang", "not the password"), ("nobody", PASSWORD)] {
        browser.open("/products").await;
        sign_in(&browser, name, password).await;
        told.push(browser.find("//p[@role='alert']").await.text().await);
        assert!(!browser.has("//nav").await, "not let in");
    }
    assert_eq!(told[0].as_ref().unwrap(), told[1].as_ref().unwrap());

    browser.open("/products").await;
    sign_in(&browser, "wang", PASSWORD).await;
    browser.find("//h1[.='Products']").await;
    assert_eq!(browser.here().await, "/products");
    // No script of any page could take the session away.
    assert_eq!(browser.value("document.cookie").await, "");
    assert!(
        !browser.has("//nav/a[@href='/operators']").await,
        "a viewer rules nobody"
    );

    browser.click("//header//button[.='Sign out']").await;
    browser.find("//input[@name='password']").await;
    browser.open("/products").await;
    browser.find("//input[@name='password']").await;
    assert!(!browser.text().await.contains("MOBILE50"));
    scene.end().await;
}
