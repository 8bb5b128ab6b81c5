//! What a page makes of texts that were written to break it, and the order in which a story is told.

use domain::{
    AttemptNo, AttemptState, BusinessId, Catalogue, Money, OrderCode, OrderKey, OrderState,
    ProductCode, SupplierId, UnixMs,
};
use store::story::{
    AttemptLine, DoubtLine, EvidenceLine, OrderStory, PostingLine, ReportLine, TryLine,
};

use askama::Template;
use axum::http::Request;
use store::doubt_desk::{OpenCase, Word};
use store::story::FoundOrder;

use super::doubts::DoubtsPage;
use super::orders::{OrderPage, OrdersPage};
use super::parked::ParkedPage;
use crate::frame::Frame;
use crate::standing::standing;
use crate::story::{is_cut, timeline};
use crate::tongue::ENGLISH;

fn frame() -> Frame {
    Frame::outside(&Request::new(()).into_parts().0)
}

const HOSTILE: &str = r#""'><img src=x onerror=alert(1)>&lt;"#;

/// An order whose every text is hostile.
fn hostile() -> OrderStory {
    let text = || HOSTILE.to_owned();
    OrderStory {
        key: OrderKey {
            business: BusinessId::new(HOSTILE),
            order: OrderCode::generate(),
        },
        biz_code: text(),
        batch_biz_code: text(),
        batch_items: 1,
        batch_total: Money::from_yuan(49),
        product: ProductCode::new(HOSTILE),
        account: text(),
        spec: Money::from_yuan(50),
        price: Money::from_yuan(49),
        state: OrderState::Failed,
        message: Some(text()),
        has_voucher: true,
        claims: 1,
        created_at: UnixMs(1_000),
        finished_at: Some(UnixMs(5_000)),
        waits: Some(("a worker", UnixMs(9_000))),
        attempts: vec![AttemptLine {
            no: AttemptNo(1),
            supplier: SupplierId::new(HOSTILE),
            reference: text(),
            sku: text(),
            cost: Money::from_yuan(48),
            state: AttemptState::NotCharged,
            calls: 1,
            upstream_no: Some(text()),
            first_call_at: UnixMs(2_000),
            last_call_at: UnixMs(2_000),
            closed_at: Some(UnixMs(4_000)),
        }],
        evidence: vec![EvidenceLine {
            attempt: AttemptNo(1),
            source: "submit",
            verdict: "failed",
            upstream_no: Some(text()),
            detail: text(),
            actor: Some(text()),
            at: UnixMs(3_000),
        }],
        postings: vec![PostingLine {
            kind: "hold".into(),
            prepaid: Money::ZERO,
            held: Money::from_yuan(49),
            at: UnixMs(1_000),
        }],
        doubts: vec![DoubtLine {
            kind: "doubt".into(),
            reason: text(),
            opened_at: UnixMs(3_500),
            closed: Some((UnixMs(3_600), text())),
        }],
        report: Some(ReportLine {
            url: text(),
            state: "parked",
            due_at: None,
            created_at: UnixMs(5_000),
        }),
        tries: vec![TryLine {
            round: 1,
            no: 1,
            started_at: UnixMs(6_000),
            duration_ms: Some(12),
            http_status: Some(500),
            outcome: Some(text()),
            detail: Some(text()),
            fault: Some(text()),
            charged: true,
        }],
    }
}

fn shown(order: OrderStory) -> String {
    let page = OrderPage {
        w: frame().w,
        frame: frame(),
        product_name: HOSTILE.to_owned(),
        moments: timeline(&ENGLISH, &order, &[]),
        standing: standing(&ENGLISH, &order, &Catalogue::default()),
        in_doubt: false,
        is_cut: is_cut(&order),
        order,
    };
    page.render().unwrap()
}

#[test]
fn no_text_of_an_order_becomes_markup() {
    let page = shown(hostile());
    assert!(!page.contains("<img"), "{page}");
    assert!(!page.contains("\"'>"), "{page}");
    assert!(
        page.contains("&#60;img src=x onerror=alert(1)&#62;"),
        "{page}"
    );
}

#[test]
fn no_text_of_a_search_or_a_doubt_becomes_markup() {
    let order = hostile();
    let search = OrdersPage {
        w: frame().w,
        frame: frame(),
        query: HOSTILE.to_owned(),
        found: vec![FoundOrder {
            key: order.key.clone(),
            biz_code: order.biz_code,
            batch_biz_code: order.batch_biz_code,
            product: order.product,
            account: order.account,
            price: order.price,
            state: order.state,
            created_at: order.created_at,
        }],
    };
    let doubts = DoubtsPage {
        w: frame().w,
        frame: frame(),
        doubts: vec![OpenCase {
            key: order.key,
            kind: HOSTILE.to_owned(),
            reason: HOSTILE.to_owned(),
            opened_at: UnixMs(0),
            opened_us: 0,
            age_ms: 0,
            amount: order.price,
            next_check_at: None,
            proposal: Some(Word {
                charged: true,
                reason: HOSTILE.to_owned(),
                by: HOSTILE.to_owned(),
            }),
            evidence: order.evidence,
            attempt: Some((1, HOSTILE.to_owned(), HOSTILE.to_owned())),
        }],
        title: "Doubts",
        kind: "doubt",
        next: None,
    };
    for page in [search.render().unwrap(), doubts.render().unwrap()] {
        assert!(!page.contains("<img"), "{page}");
        assert!(!page.contains("\"'>"), "{page}");
    }
}

#[test]
fn a_story_is_told_in_the_order_of_time() {
    let told: Vec<(i64, &str)> = timeline(&ENGLISH, &hostile(), &[])
        .iter()
        .map(|moment| (moment.at.0, moment.kind))
        .collect();
    assert_eq!(
        told,
        [
            (1_000, "order"),
            (1_000, "money"),
            (2_000, "attempt"),
            (3_000, "evidence"),
            (3_500, "doubt"),
            (3_600, "doubt"),
            (4_000, "attempt"),
            (5_000, "order"),
            (5_000, "report"),
            (6_000, "report"),
        ]
    );
}

#[test]
fn what_was_heard_is_told_before_the_money_that_it_moved_at_the_same_moment() {
    let mut order = hostile();
    order.postings[0].at = order.evidence[0].at;
    let kinds: Vec<&str> = timeline(&ENGLISH, &order, &[])
        .iter()
        .map(|moment| moment.kind)
        .collect();
    assert_eq!(kinds[..4], ["order", "attempt", "evidence", "money"]);
}

#[test]
fn a_story_with_more_entries_than_are_told_says_so() {
    let mut order = hostile();
    let most = usize::try_from(store::story::MOST_ENTRIES).unwrap();
    order.evidence = vec![order.evidence[0].clone(); most];
    assert!(shown(order).contains("Only the newest entries"));
    assert!(!shown(hostile()).contains("Only the newest entries"));
}

#[test]
fn a_parked_body_is_shown_short_and_as_text() {
    let message = queue::ParkedMessage {
        id: HOSTILE.into(),
        reason: HOSTILE.into(),
        explanation: HOSTILE.into(),
        origin: HOSTILE.into(),
        parked_at_ms: Some(1_000),
        bytes: 4_000,
        body: [HOSTILE.as_bytes(), b"\xff\0\x1b[2J", &[b'a'; 4_000][..]].concat(),
    };
    let page = ParkedPage {
        w: &ENGLISH,
        frame: frame(),
        sight: Some(queue::ParkedSight {
            messages: vec![message],
            more: 7,
        }),
    };
    let page = page.render().unwrap();
    assert!(!page.contains("<img"), "{page}");
    assert!(!page.contains('\u{1b}') && !page.contains('\0'), "{page}");
    assert!(page.contains("aaa…") && page.contains("+ 7"), "{page}");
    assert!(page.len() < 9_000, "{}", page.len());
}
