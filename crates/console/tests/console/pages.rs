//! The pages over a real socket, from a real database and without one.

use domain::{Lane, OrderCode, SupplierId};
use reqwest::{Method, StatusCode};
use store::audit::Deed;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::{ACCOUNT, Ground, Pages};

#[tokio::test]
async fn ops_find_an_order_read_its_story_and_learn_how_to_settle_a_doubt() {
    let ground = Ground::new().await;
    let [charged, doubtful] = ground.orders;
    let store = &ground.store;
    let supplier = SupplierId::new("s1");
    let lane = Lane::new("mobile");
    let deed = Deed {
        operator: "cli:wang".into(),
        role: "command",
        action: "lane.pause",
        object: "lane mobile".into(),
        parameters: serde_json::json!({}),
    };
    let paused = store
        .pause(None, Some(&lane), "wang", "<b>why", &deed)
        .await;
    assert!(paused.unwrap());
    assert!(store.trip_breaker(&supplier, "time-outs").await.unwrap());
    let console = ground.open().await;
    let pages = console.signed_in("viewer").await;

    let (status, overview) = pages.read("/").await;
    assert_eq!(status, StatusCode::OK);
    for part in [
        "<b>1</b> wait for a person",
        "<b>1</b> reports waiting",
        "<b>1</b> batches not yet at the broker",
        "mobile</a></td>",
        // 500 less 49.1 spent and 49.1 held.
        "401.8",
    ] {
        assert!(overview.contains(part), "{part} is not in {overview}");
    }
    assert!(!overview.contains("<i>Shop"), "{overview}");
    for part in [
        "tripped",
        "time-outs, 1 in a row",
        "paused",
        "wang: &#60;b&#62;why",
    ] {
        assert!(overview.contains(part), "{part} is not in {overview}");
    }
    assert!(!overview.contains("<b>why"), "{overview}");

    let (status, found) = pages.read("/orders?q=batch%20one").await;
    assert_eq!(status, StatusCode::OK);
    for code in [charged, doubtful] {
        assert!(found.contains(&format!("/orders/{code}")), "{found}");
    }
    assert!(
        found.contains("138****8001") && !found.contains(ACCOUNT),
        "{found}"
    );
    assert!(!found.contains("<script>"), "{found}");

    for query in [
        charged.to_string(),
        "%22%3E%3Cscript%3Ealert(1)%3C/script%3E%26'".into(),
    ] {
        let one = pages.ask(Method::GET, &format!("/orders?q={query}")).await;
        assert_eq!(one.status(), StatusCode::SEE_OTHER, "{query}");
        assert_eq!(one.headers()["location"], format!("/orders/{charged}"));
    }

    let (status, told) = pages.read(&format!("/orders/{charged}")).await;
    assert_eq!(status, StatusCode::OK);
    for part in [
        ">succeeded</span>",
        "stored with batch batch one",
        "attempt 1 at s1",
        "attempt 1, submit: succeeded",
        "attempt 1 closed: charged",
        "prepaid -49.10, held -49.10",
        "final: succeeded",
        "to https://shop.example/told",
        "138****8001",
        "Mobile 50",
    ] {
        assert!(told.contains(part), "{part} is not in {told}");
    }
    for part in [ACCOUNT, "CARD-9876", "token=secret", "<script>alert"] {
        assert!(!told.contains(part), "{part} is in {told}");
    }

    let (status, doubts) = pages.read("/doubts").await;
    assert_eq!(status, StatusCode::OK);
    assert!(doubts.contains(&format!("/orders/{doubtful}")), "{doubts}");
    let may_not = format!("/doubts/{doubtful}/propose");
    assert!(!doubts.contains(&may_not), "a viewer has no form: {doubts}");
    assert!(
        !doubts.contains(&charged.to_string()) && !doubts.contains("<b>amount"),
        "{doubts}"
    );

    // By the account, whole; by our reference at the supplier.
    let (_, found) = pages.read(&format!("/orders?q={ACCOUNT}")).await;
    assert!(found.contains(&format!("/orders/{charged}")), "{found}");
    assert!(found.contains(&format!("/orders/{doubtful}")), "{found}");
    let (_, found) = pages.read(&format!("/orders?q={}", &ACCOUNT[..10])).await;
    assert!(!found.contains(&charged.to_string()), "{found}");
    let (_, after) = told.split_once("reference ").unwrap();
    let reference = after.split(',').next().unwrap();
    let one = pages
        .ask(Method::GET, &format!("/orders?q={reference}"))
        .await;
    assert_eq!(one.headers()["location"], format!("/orders/{charged}"));

    for nowhere in [
        format!("/orders/{}", OrderCode::generate()),
        "/orders?q=nothing".into(),
        "/orders?q=a%00b".into(),
    ] {
        let (status, page) = pages.read(&nowhere).await;
        let expected = if nowhere.contains('?') {
            StatusCode::OK
        } else {
            StatusCode::NOT_FOUND
        };
        assert_eq!(status, expected, "{nowhere}: {page}");
    }
    console.close().await;
    ground.end().await;
}

#[tokio::test]
async fn a_database_that_is_away_is_told_and_breaks_nothing() {
    let console = Pages::without_a_database().await;
    let mut pages = console.stranger();
    pages.cookie = format!("refill={}", "0a".repeat(32));
    let code = OrderCode::generate();
    for path in ["/", "/doubts", "/orders?q=x", &format!("/orders/{code}")] {
        let (status, page) = pages.read(path).await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{path}");
        assert!(page.contains("The database is away"), "{path}: {page}");
        assert!(!page.contains("127.0.0.1:1"), "{path}: {page}");
    }
    console.close().await;
}

#[tokio::test]
async fn what_is_not_there_or_not_readable_is_a_page_too() {
    let ground = Ground::new().await;
    let console = ground.open().await;
    let pages = console.signed_in("viewer").await;
    let long = format!("/orders?q={}", "9".repeat(300));
    for (path, expected) in [
        ("/orders/zzz", StatusCode::NOT_FOUND),
        ("/orders/%ff", StatusCode::NOT_FOUND),
        ("/orders/%3Cscript%3E", StatusCode::NOT_FOUND),
        ("/nowhere", StatusCode::NOT_FOUND),
        ("/orders?q=a&q=b", StatusCode::BAD_REQUEST),
        (long.as_str(), StatusCode::BAD_REQUEST),
        ("/orders", StatusCode::OK),
        ("/console.css", StatusCode::OK),
        ("/console.js", StatusCode::OK),
        ("/live.js", StatusCode::OK),
    ] {
        let response = pages.ask(Method::GET, path).await;
        assert_eq!(response.status(), expected, "{path}");
        let headers = response.headers();
        let policy = headers["content-security-policy"].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self'"));
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(headers["x-content-type-options"], "nosniff");
        assert_eq!(headers["cache-control"], "no-store");
        let page = response.text().await.unwrap();
        assert!(!page.contains("<script>"), "{path}");
        assert!(
            !page.contains(" style=") && !page.contains("<style"),
            "{path}"
        );
    }
    for method in [Method::PUT, Method::DELETE, Method::PATCH] {
        for path in ["/", "/orders", "/doubts", "/orders/1"] {
            let response = pages.ask(method.clone(), path).await;
            assert_eq!(
                response.status(),
                StatusCode::METHOD_NOT_ALLOWED,
                "{method} {path}"
            );
        }
    }
    console.close().await;
    ground.end().await;
}

#[tokio::test]
async fn an_alarm_about_orders_at_a_supplier_leads_to_these_orders() {
    let ground = Ground::new().await;
    let [charged, doubtful] = ground.orders;
    let lost = format!(
        "DELETE FROM timers; INSERT INTO timers (business_id, order_code, lane, kind, due_at)
         VALUES ('b1', '{doubtful}', 'mobile', 1, now() - interval '6 minutes')"
    );
    ground.sql(&lost).await.unwrap();
    let console = ground.open().await;
    let viewer = console.signed_in("viewer").await;
    let (_, overview) = viewer.read("/").await;
    let alarm = "<a href=\"/lanes/mobile/calling\">A worker was lost with an order and no other takes it up, in the lane <b>mobile</b>: 6 min</a>";
    assert!(overview.contains(alarm), "{overview}");
    let is_listed = async |standing: &str| {
        let (status, page) = viewer.read(&format!("/lanes/mobile/{standing}")).await;
        assert_eq!(status, StatusCode::OK);
        assert!(!page.contains(&charged.to_string()), "{page}");
        page.contains(&format!("/orders/{doubtful}"))
    };
    assert!(is_listed("calling").await && !is_listed("asked").await);
    // What is in doubt waits for a person and no longer for its supplier.
    ground.sql("UPDATE timers SET kind = 2").await.unwrap();
    assert!(!is_listed("calling").await && !is_listed("asked").await);
    let closed = "UPDATE doubts SET closed_at = now(), closed_by = 'wang'";
    ground.sql(closed).await.unwrap();
    assert!(!is_listed("calling").await && is_listed("asked").await);
    for path in ["/lanes/mobile/stored", "/lanes/mobile/%00/x"] {
        assert_eq!(viewer.read(path).await.0, StatusCode::NOT_FOUND, "{path}");
    }
    let (status, _) = viewer.read("/lanes/%00/asked").await;
    assert_eq!(status, StatusCode::OK);
    console.close().await;
    ground.end().await;
}

#[tokio::test]
async fn a_caller_that_never_ends_its_head_does_not_hold_up_the_end() {
    let pages = Pages::without_a_database().await;
    let mut slow = tokio::net::TcpStream::connect(pages.at).await.unwrap();
    slow.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n")
        .await
        .unwrap();
    assert_eq!(
        pages.stranger().read("/console.css").await.0,
        StatusCode::OK
    );
    pages.close().await;
    let mut rest = Vec::new();
    // Cut or answered: either way the connection is over.
    let _ = slow.read_to_end(&mut rest).await;
}
