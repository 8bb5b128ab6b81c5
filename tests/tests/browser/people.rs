//! Who uses the console, each in a browser of their own.

use std::io::Write;
use std::process::Stdio;

use simulator::Item;

use crate::chromium::{Browser, Kind};
use crate::harness::Scene;

pub(crate) const PASSWORD: &str = "correct horse battery";

/// Adds an operator by command.
pub(crate) fn add(scene: &Scene, name: &str, role: &str) {
    let mut adding = scene
        .platform
        .command()
        .args(["operator", "add", name, "--role", role])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut input = adding.stdin.take().unwrap();
    input.write_all(PASSWORD.as_bytes()).unwrap();
    drop(input);
    assert!(adding.wait().unwrap().success());
}

/// The first admin, signed in, on the overview.
pub(crate) async fn admin(scene: &Scene, kind: Kind) -> Browser {
    let browser = Browser::start(kind, &scene.platform.console).await;
    let (name, password) = scene.platform.console_admin();
    browser.open("/").await;
    sign_in(&browser, &name, &password).await;
    browser.find("//h1[starts-with(., 'Overview')]").await;
    browser
}

/// Somebody of this role, signed in, on this page.
pub(crate) async fn somebody(scene: &Scene, name: &str, role: &str, path: &str) -> Browser {
    add(scene, name, role);
    let browser = Browser::start(Kind::Desk, &scene.platform.console).await;
    browser.open(path).await;
    sign_in(&browser, name, PASSWORD).await;
    browser
        .find(&format!("//a[@class='who' and contains(., '{name}')]"))
        .await;
    browser
}

/// Fills in the sign-in form and sends it.
pub(crate) async fn sign_in(browser: &Browser, name: &str, password: &str) {
    browser.write("//input[@name='name']", name).await;
    browser.write("//input[@name='password']", password).await;
    browser.click("//main//button").await;
}

/// One order of the fuel card, which only `swift` has.
pub(crate) async fn order_fuel(scene: &mut Scene, number: &str, account: &str) {
    let mut item = Item::new(number, account);
    item.attach = Some(r#"{"holder":"<b>Wang</b>","phone":"13800138000"}"#.into());
    scene.merchant.order_items(number, "FUEL100", &[item]).await;
}

/// Opens an order's page as people do: by what they search for, where only one order has it.
pub(crate) async fn look_up(browser: &Browser, number: &str) {
    browser
        .write("//input[@id='q']", &format!("{number}\n"))
        .await;
    browser.find("//h1[starts-with(., 'Order ')]").await;
}
