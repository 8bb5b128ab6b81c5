//! The door over real sockets, as far as it goes without a database and a broker: who is turned away, with which words, and how the
//! door is closed.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod support;

use std::time::Duration;

use support::{BALANCE, Door, Sent};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

#[tokio::test]
async fn another_path_or_method_answers_4_in_http_words_too() {
    let door = Door::open().await;
    let nowhere = door
        .send(Sent::signed("/v1/openapi/order/nothing", "{}"))
        .await;
    nowhere.says(404, 4, Some("no"));
    let get = door.send(Sent::signed(BALANCE, "").method("GET")).await;
    get.says(405, 4, Some("no"));
    assert_eq!(get.header("allow"), Some("POST"));
    door.close().await;
}

#[tokio::test]
async fn a_body_that_is_too_long_or_not_json_is_turned_away_before_anything_else() {
    let door = Door::open().await;
    let long = "x".repeat(300_000);
    door.send(Sent::signed(BALANCE, &long).without("sign"))
        .await
        .says(413, 3, Some("no"));
    door.send(Sent::signed(BALANCE, &long).chunked())
        .await
        .says(413, 3, Some("no"));
    door.send(Sent::signed(BALANCE, "{}").with("content-type", "text/xml"))
        .await
        .says(415, 3, Some("no"));
    door.close().await;
}

#[tokio::test]
async fn headers_come_before_the_timestamp_and_the_timestamp_before_the_signature() {
    let door = Door::open().await;
    let sent = || Sent::signed(BALANCE, "{}");
    for name in ["businessId", "nonce", "timestamp", "sign"] {
        let answer = door.send(sent().without(name)).await;
        answer.says(200, 3, Some("no"));
        assert!(answer.message().contains(name), "{}", answer.message());
    }
    door.send(sent().and("nonce", "again"))
        .await
        .says(200, 3, Some("no"));
    door.send(sent().with("content-encoding", "gzip"))
        .await
        .says(200, 3, Some("no"));
    let far = sent().with("timestamp", "1628772138668");
    let answer = door.send(far).await;
    answer.says(200, 5, Some("unknown"));
    assert_eq!(answer.json["queryAfter"], 60_000);
    let far_and_malformed = sent()
        .with("timestamp", "1628772138668")
        .with("nonce", "a b");
    door.send(far_and_malformed).await.says(200, 3, Some("no"));
    door.close().await;
}

#[tokio::test]
async fn a_stranger_reads_the_same_bytes_whatever_is_wrong() {
    let door = Door::open().await;
    let strangers = [
        Sent::signed_as("nobody", BALANCE, "{}"),
        Sent::signed_as("disabled", BALANCE, "{}"),
        Sent::signed_as("rsa-only", BALANCE, "{}"),
        Sent::signed(BALANCE, "{}").with("sign", "83E4AE12354EFD3063C053BC60E3FBD2"),
        Sent::signed(BALANCE, "{}").with("signType", "SHA256-RSA"),
        Sent::signed(BALANCE, "{}").body("{} "),
    ];
    let mut bodies = Vec::new();
    for stranger in strangers {
        let answer = door.send(stranger).await;
        answer.says(200, 2, Some("no"));
        bodies.push(answer.body);
    }
    assert!(
        bodies.windows(2).all(|pair| pair[0] == pair[1]),
        "{bodies:?}"
    );
    door.close().await;
}

#[tokio::test]
async fn while_the_database_is_away_nothing_is_stored_and_the_answer_says_so() {
    let door = Door::open().await;
    for path in [BALANCE, "/v1/openapi/order/batch", "/v1/openapi/order/info"] {
        let answer = door.send(Sent::signed(path, "{}")).await;
        answer.says(503, 1, Some("no"));
        assert!(answer.header("retry-after").is_some());
        assert!(!answer.body.contains("127.0.0.1"), "{}", answer.body);
    }
    door.close().await;
}

#[tokio::test]
async fn a_supplier_s_push_from_a_stranger_hears_a_bare_status() {
    let door = Door::open().await;
    for (path, http) in [
        ("/v1/supplier/nobody/push", 404),
        ("/v1/supplier/form/push", 401),
        ("/v1/supplier/%ff/push", 404),
    ] {
        let push = Sent::signed(path, support::FORGED_PUSH);
        let answer = door
            .send(push.with("content-type", "application/x-www-form-urlencoded"))
            .await;
        assert_eq!((answer.http, answer.body.as_str()), (http, ""), "{path}");
    }
    door.close().await;
}

#[tokio::test]
async fn a_head_that_never_ends_is_hung_up_on() {
    let door = Door::open().await;
    let mut stream = door.connect().await;
    stream
        .write_all(b"POST /v1/openapi/order/batch HTTP/1.1\r\nHost: x\r\n")
        .await
        .unwrap();
    let mut rest = Vec::new();
    let ended = tokio::time::timeout(Duration::from_secs(30), stream.read_to_end(&mut rest)).await;
    assert!(ended.is_ok(), "the connection is still open");
    door.close().await;
}

#[tokio::test]
async fn a_body_that_never_ends_is_answered_and_hung_up_on() {
    let door = Door::open().await;
    let mut stream = door.connect().await;
    let head = "POST /v1/openapi/order/batch HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut rest = String::new();
    let reading = stream.read_to_string(&mut rest);
    let ended = tokio::time::timeout(Duration::from_secs(30), reading).await;
    assert!(ended.is_ok(), "the connection is still open");
    assert!(rest.starts_with("HTTP/1.1 408"), "{rest}");
    door.close().await;
}

#[tokio::test]
async fn the_door_closes_while_connections_are_idle() {
    let door = Door::open().await;
    let idle = door.connect().await;
    door.send(Sent::signed(BALANCE, "{}").without("sign"))
        .await
        .says(200, 3, Some("no"));
    door.close().await;
    drop(idle);
}
