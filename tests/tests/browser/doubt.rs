//! Two people and a doubt.

use crate::harness::Scene;
use crate::people::{order_fuel, somebody};

const NOT_CHARGED: &str = "//article//button[contains(., 'Propose: not charged')]";
const CONFIRM: &str = "//article//button[contains(., 'Confirm')]";

#[tokio::test(flavor = "multi_thread")]
async fn a_doubt_is_settled_by_two_people_and_never_by_one() {
    let mut scene = Scene::start().await;
    // In progress at the supplier for ever.
    order_fuel(&mut scene, "d", "19900001311").await;
    let first = somebody(&scene, "li", "approver", "/doubts").await;
    let second = somebody(&scene, "zhao", "approver", "/doubts").await;
    first.comes_to_read("Propose: not charged").await;

    first
        .write("//article//input[@name='evidence']", "ticket 4711")
        .await;
    first.click(NOT_CHARGED).await;
    first.reads("li proposes not charged: ticket 4711").await;
    // Who has proposed is shown no way to confirm, and is refused when they ask all the same.
    assert!(!first.has(CONFIRM).await);
    first.reads("Another person").await;
    first
        .write("(//article//input[@name='evidence'])[1]", "me again")
        .await;
    first
        .value(
            "(() => {
                const form = document.querySelector('article form');
                form.action = form.action.replace('/propose', '/confirm');
                const charged = document.createElement('input');
                charged.type = 'hidden'; charged.name = 'charged'; charged.value = 'no';
                form.append(charged);
                form.submit();
            })()",
        )
        .await;
    first.find("//h1[.='Not done']").await;
    assert_eq!(scene.merchant.order_info("d").await["status"], 1);

    second.comes_to_read("li proposes not charged").await;
    second
        .write(
            "(//article//input[@name='evidence'])[1]",
            "their mail of today",
        )
        .await;
    second.click(CONFIRM).await;
    second.reads("Nothing waits for a person.").await;
    scene.merchant.wait_for_all_reports(&scene.outside).await;
    assert_eq!(scene.merchant.order_info("d").await["status"], 3);

    // Both are on the order's page, with what they said.
    second.open("/orders?q=d").await;
    for part in ["ticket 4711", "their mail of today", "li:", "zhao:"] {
        second.reads(part).await;
    }
    for browser in [&first, &second] {
        let complaints = browser.complaints().await;
        // A refusal is an HTTP status, which the browser notes.
        let other: Vec<_> = complaints
            .iter()
            .filter(|c| !c.contains("the server responded with a status of 4"))
            .collect();
        assert!(other.is_empty(), "{other:?}");
    }
    scene.end().await;
}
