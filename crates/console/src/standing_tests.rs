//! What is said of an order that waits: whether a supplier has it, and if none has, what keeps it.

use std::time::Duration;

use domain::catalogue::Supplier;
use domain::product::{Face, Product};
use domain::{AttemptNo, BusinessId, Money, OrderCode, OrderKey, OrderState, ProductCode};
use store::story::EvidenceLine;

use super::*;
use crate::tongue::{CHINESE, ENGLISH};

const NEXT: UnixMs = UnixMs(60_000);

/// A product of the lane `mobile`, which `s1` and `s2` deliver; its orders wait for an hour.
fn catalogue() -> Catalogue {
    let mut catalogue = Catalogue::default();
    let product = Product {
        code: ProductCode::new("M50"),
        name: String::new(),
        lane: Lane::new("mobile"),
        face: Face::Fixed(Money::from_yuan(50)),
        account_pattern: None,
        attach_fields: vec![],
        on_sale: true,
        counted: false,
        wait_for: Duration::from_hours(1),
    };
    for id in ["s1", "s2"].map(SupplierId::new) {
        let route = Route {
            supplier: id.clone(),
            sku: String::new(),
            cost: Money::from_yuan(48),
            priority: 1,
            enabled: true,
            may_cost_more: false,
        };
        let ways = catalogue.routes.entry(product.code.clone()).or_default();
        ways.push(route);
        let supplier = Supplier {
            id: id.clone(),
            adapter: String::new(),
            base_url: String::new(),
            push_base_url: None,
            enabled: true,
            card: toml::from_str("resubmit = 'query'").unwrap(),
            credentials: [].into(),
        };
        catalogue.suppliers.insert(id, supplier);
    }
    catalogue.products.insert(product.code.clone(), product);
    catalogue
}

/// An open order that is looked at next at `NEXT`, with these attempts: where they were, their states, and what was heard last.
fn story(attempts: &[(&str, AttemptState, &'static str)]) -> OrderStory {
    let numbered = || (1..).map(AttemptNo).zip(attempts);
    OrderStory {
        key: OrderKey {
            business: BusinessId::new("b1"),
            order: OrderCode::generate(),
        },
        biz_code: String::new(),
        batch_biz_code: String::new(),
        batch_items: 1,
        batch_total: Money::ZERO,
        product: ProductCode::new("M50"),
        account: String::new(),
        spec: Money::from_yuan(50),
        price: Money::from_yuan(49),
        state: OrderState::Processing,
        message: None,
        has_voucher: false,
        claims: 1,
        created_at: UnixMs(0),
        finished_at: None,
        waits: Some(("the next look at the supplier", NEXT)),
        attempts: numbered()
            .map(|(no, (supplier, state, _))| AttemptLine {
                no,
                supplier: SupplierId::new(*supplier),
                reference: String::new(),
                sku: String::new(),
                cost: Money::ZERO,
                state: *state,
                calls: 1,
                upstream_no: None,
                first_call_at: UnixMs(0),
                last_call_at: UnixMs(0),
                closed_at: (!state.is_live()).then_some(UnixMs(1)),
            })
            .collect(),
        evidence: numbered()
            .map(|(attempt, (_, _, verdict))| EvidenceLine {
                attempt,
                source: "submit",
                verdict,
                upstream_no: None,
                detail: String::new(),
                actor: None,
                at: UnixMs(1),
            })
            .collect(),
        postings: vec![],
        doubts: vec![],
        report: None,
        tries: vec![],
    }
}

fn why(story: &OrderStory, catalogue: &Catalogue) -> String {
    let standing = standing(&ENGLISH, story, catalogue);
    assert_eq!(standing.next, Some(NEXT));
    standing.why
}

/// What is said to keep an order from every supplier.
fn kept_by(
    attempts: &[(&str, AttemptState, &'static str)],
    spoil: impl FnOnce(&mut Catalogue),
) -> String {
    let mut catalogue = catalogue();
    spoil(&mut catalogue);
    let why = why(&story(attempts), &catalogue);
    let after = why.strip_prefix("No supplier has it: ").unwrap();
    let until = " It waits until 1970-01-01 09:00:00, and fails if none can take it by then. It is looked at next at";
    after.strip_suffix(until).unwrap().to_owned()
}

fn pause(supplier: Option<&str>, lane: Option<&str>) -> impl FnOnce(&mut Catalogue) {
    let pause = (supplier.map(SupplierId::new), lane.map(Lane::new));
    |catalogue| catalogue.gates.paused.extend([pause])
}

fn trip(supplier: &str) -> impl FnOnce(&mut Catalogue) {
    let supplier = SupplierId::new(supplier);
    |catalogue| catalogue.gates.tripped.extend([(supplier, NEXT)])
}

#[test]
fn a_supplier_that_has_accepted_is_said_to_have_it_and_no_other() {
    let told = |state, verdict| why(&story(&[("s1", state, verdict)]), &catalogue());
    assert_eq!(
        told(AttemptState::Accepted, "processing"),
        ENGLISH.waits_look
    );
    // A worker that was lost leaves its attempt as it was.
    for state in [AttemptState::Unknown, AttemptState::Calling] {
        assert_eq!(told(state, "unknown"), ENGLISH.waits_unknown);
    }
    let closed = told(AttemptState::NotCharged, "not sent");
    assert!(closed.starts_with("No supplier has it"), "{closed}");
}

#[test]
fn what_keeps_an_order_from_every_supplier_is_named() {
    let not_sent = [("s1", AttemptState::NotCharged, "not sent")];
    let refused = [("s1", AttemptState::NotCharged, "rejected")];
    for (got, expected) in [
        (
            kept_by(&[], |_| ()),
            "no supplier has room, or no way is open, now.",
        ),
        (
            kept_by(&not_sent, |_| ()),
            "the last call, to s1, was never sent.",
        ),
        (
            kept_by(&refused, |_| ()),
            "no supplier has room, or no way is open, now; the last attempt, at s1, ended: rejected.",
        ),
        (
            kept_by(&[], pause(None, Some("mobile"))),
            "the lane mobile is paused by a person.",
        ),
        (
            kept_by(&[], pause(Some("s2"), None)),
            "s2 is paused by a person.",
        ),
        (
            kept_by(&[], pause(Some("s1"), Some("mobile"))),
            "s1 is paused by a person.",
        ),
        (
            kept_by(&[], pause(Some("s1"), Some("fuel"))),
            "no supplier has room, or no way is open, now.",
        ),
        (
            kept_by(&not_sent, trip("s1")),
            "s1 is tripped, its calls kept failing; the last call, to s1, was never sent.",
        ),
        // What has refused an order is no way of it, shut or not.
        (
            kept_by(&refused, trip("s1")),
            "no supplier has room, or no way is open, now; the last attempt, at s1, ended: rejected.",
        ),
        (
            kept_by(&refused, trip("s2")),
            "s2 is tripped, its calls kept failing; the last attempt, at s1, ended: rejected.",
        ),
    ] {
        assert_eq!(got, expected);
    }
}

#[test]
fn an_order_that_no_worker_could_place_yet_is_said_to_be_at_no_supplier() {
    let mut stored = story(&[]);
    stored.state = OrderState::Stored;
    let told = why(&stored, &catalogue());
    assert!(told.starts_with("No supplier has it"), "{told}");
}

#[test]
fn how_long_it_waits_is_left_out_where_that_is_not_known_or_over() {
    let order = story(&[]);
    let until = |catalogue: &Catalogue| why(&order, catalogue).contains("It waits until");
    let mut catalogue = catalogue();
    assert!(until(&catalogue));
    let product = catalogue.products.get_mut(&order.product).unwrap();
    product.wait_for = Duration::from_secs(59);
    assert!(!until(&catalogue));
    assert!(!until(&Catalogue::default()));
}

#[test]
fn it_is_told_in_chinese_as_well() {
    let order = story(&[("s1", AttemptState::NotCharged, "not sent")]);
    let mut catalogue = catalogue();
    trip("s1")(&mut catalogue);
    assert_eq!(
        standing(&CHINESE, &order, &catalogue).why,
        "没有供应商持有该订单：供应商 s1 因调用连续失败已熔断；且最近一次对 s1 的调用未发出。\
         最迟等到 1970-01-01 09:00:00，届时仍无供应商可接则失败。下次查看时间："
    );
}
