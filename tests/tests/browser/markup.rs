//! What strangers write is shown, and never becomes part of a page.

use md5::{Digest, Md5};
use simulator::Item;

use crate::chromium::{Browser, Kind};
use crate::harness::outside::SWIFT_KEY;
use crate::harness::{Scene, until};
use crate::people::{admin, order_fuel};

/// As a number and an account, which hold no space.
const NUMBER: &str = "<script>window.ran=1</script>";
const ACCOUNT: &str = "\"><img/src=x/onerror=window.ran=2>";
/// As a supplier's word, which is kept for the merchant and for ops.
const REMARK: &str = "\"><img src=x onerror=window.ran=3>";
/// As a colleague's.
const REASON: &str = "'\"></b><svg onload=window.ran=4>";

/// `swift` says that the order has failed, and why.
pub(crate) async fn push_failure(scene: &Scene, reference: &str, account: &str) {
    let mut form = [
        ("userid", "refill"),
        ("order_number", "F1"),
        ("out_trade_num", reference),
        ("otime", "1764000000"),
        ("state", "2"),
        ("mobile", account),
        ("remark", REMARK),
        ("charge_amount", "100.00"),
    ];
    form.sort_unstable();
    let text: Vec<String> = form.iter().map(|(n, v)| format!("{n}={v}&")).collect();
    let text = format!("{}apikey={SWIFT_KEY}", text.concat());
    let sign = hex::encode_upper(Md5::digest(text));
    let form: Vec<(&str, &str)> = form.into_iter().chain([("sign", &*sign)]).collect();
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = format!("{}/v1/supplier/swift/push", scene.platform.openapi);
    let answer = http.post(url).form(&form).send().await.unwrap();
    assert_eq!(answer.status(), 200);
}

/// The text is there to be read, and nothing on the page is made of it.
async fn shows(browser: &Browser, text: &str) {
    browser.reads(text).await;
    let made = "document.querySelectorAll('#live img, #live script, #live svg[onload]').length";
    assert_eq!(browser.value(made).await, 0, "{text}");
    assert_eq!(browser.value("window.ran || 0").await, 0, "{text}");
    assert_eq!(browser.complaints().await, Vec::<String>::new(), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn markup_of_merchants_suppliers_and_colleagues_is_text_and_runs_nothing() {
    let mut scene = Scene::start().await;
    let mut item = Item::new(NUMBER, ACCOUNT);
    item.spec = Some("10.00".into());
    scene.merchant.order_items(NUMBER, "WALLET", &[item]).await;
    order_fuel(&mut scene, "told", "19900001311").await;
    let sql = "SELECT a.reference FROM attempts a JOIN orders o USING (business_id, order_code)
               WHERE o.biz_code = 'told' AND a.state = 1";
    let reference = until(
        "the supplier's acceptance",
        async || Some(scene.ground.ask(sql).await).filter(|r| !r.is_empty()),
        String::new,
    )
    .await;
    push_failure(&scene, &reference, "19900001311").await;

    let browser = admin(&scene, Kind::Desk).await;
    browser
        .write("//input[@id='q']", &format!("{ACCOUNT}\n"))
        .await;
    shows(&browser, NUMBER).await;
    browser
        .click("//main//a[starts-with(@href, '/batches/')]")
        .await;
    shows(&browser, NUMBER).await;
    browser.open("/orders?q=told").await;
    shows(&browser, REMARK).await;

    browser.open("/suppliers").await;
    browser.write("(//input[@name='reason'])[1]", REASON).await;
    browser.click("(//button[.='Pause'])[1]").await;
    shows(&browser, REASON).await;
    browser.open("/audit").await;
    shows(&browser, "onload=window.ran=4").await;
    // Once as the page was loaded, and once as it renewed itself.
    browser.open("/").await;
    shows(&browser, REASON).await;
    let at = browser.find("//h1//time").await.text().await.unwrap();
    browser
        .find(&format!("//h1//time[not(contains(., '{at}'))]"))
        .await;
    shows(&browser, REASON).await;

    // Were it otherwise, the page's policy would stop it, and the log would have said so above.
    let planted =
        format!("document.getElementById('live').insertAdjacentHTML('beforeend', `{REMARK}`)");
    browser.value(&planted).await;
    until(
        "a word in the log",
        async || {
            let complaints = browser.complaints().await.concat();
            complaints.contains("Content Security Policy").then_some(())
        },
        String::new,
    )
    .await;
    assert_eq!(browser.value("window.ran || 0").await, 0);
    scene.end().await;
}
