//! The simulated merchant over real sockets: what it counts is what the platform's reports are judged by.
#![allow(
    clippy::unwrap_used,
    missing_docs,
    reason = "a test stops at the first surprise"
)]

use std::time::Duration;

use serde_json::json;
use simulator::{MerchantClient, MerchantReceiver, MerchantReceiverSettings, ReceivedHandle};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

const KEY: &str = "k";

async fn receiver(keep: usize) -> (ReceivedHandle, MerchantClient, String) {
    let receiver = MerchantReceiver::new(&MerchantReceiverSettings {
        platform_public_keys: vec![],
        md5_keys: vec![KEY.into()],
        keep,
    })
    .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let handle = receiver.handle();
    tokio::spawn(receiver.run(listener, CancellationToken::new()));
    let platform = MerchantClient::md5(&url, "m", "b", KEY).unwrap();
    (handle, platform, url)
}

fn report(biz_code: &str, status: i64) -> Vec<u8> {
    json!({ "bizCode": biz_code, "status": status })
        .to_string()
        .into_bytes()
}

/// The HTTP status and the text of an answer to a signed report.
async fn told(platform: &MerchantClient, url: &str, path: &str, body: &[u8]) -> (u16, String) {
    let client = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(Duration::from_secs(4))
        .build()
        .unwrap();
    let headers = platform.sign(body);
    let mut request = client.post(format!("{url}{path}")).body(body.to_vec());
    for (name, value) in headers.pairs() {
        request = request.header(name, value);
    }
    match request.send().await {
        Ok(answer) => (answer.status().as_u16(), answer.text().await.unwrap()),
        Err(error) if error.is_timeout() => (0, String::new()),
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_merchant_answers_as_its_path_says_and_counts_what_it_took() {
    let (received, platform, url) = receiver(100).await;
    let says =
        async |path: &str, biz_code: &str| told(&platform, &url, path, &report(biz_code, 2)).await;
    assert_eq!(says("/ok", "a").await, (200, "SUCCESS".into()));
    assert_eq!(says("/slow", "b").await, (200, "SUCCESS".into()));
    for _ in 0..3 {
        assert_eq!(says("/fail-3", "c").await.0, 500);
    }
    assert_eq!(says("/fail-3", "c").await, (200, "SUCCESS".into()));
    assert_eq!(says("/no", "d").await, (200, "not now".into()));
    assert_eq!(says("/redirect", "e").await.0, 307);
    assert_eq!(says("/hang", "f").await.0, 0, "it says nothing");
    assert!(says("/big", "g").await.1.len() > 4 * 1024 * 1024);
    let sums = received.summary();
    assert_eq!(
        (sums.orders, sums.taken, sums.reports, sums.repeated),
        (7, 3, 10, 1),
        "{sums:?}"
    );
    for taken in ["a", "b", "c"] {
        assert!(received.get(taken).unwrap().taken_at_us > 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_merchant_notices_forgeries_contradictions_and_rubbish_and_stays_bounded() {
    let (received, platform, url) = receiver(1).await;
    let forger = MerchantClient::md5(&url, "m", "b", "another key").unwrap();
    assert_eq!(told(&forger, &url, "/ok", &report("a", 2)).await.0, 403);
    assert_eq!(told(&platform, &url, "/ok", b"not JSON").await.0, 400);
    assert_eq!(told(&platform, &url, "/ok", &report("a", 2)).await.0, 200);
    assert_eq!(told(&platform, &url, "/ok", &report("a", 3)).await.0, 200);
    assert_eq!(
        told(&platform, &url, "/ok", &report("one too many", 2))
            .await
            .0,
        503
    );
    assert_eq!(
        told(&platform, &url, "/ok", &vec![b'a'; 1_000_000]).await.0,
        413
    );
    let sums = received.summary();
    assert_eq!(
        (
            sums.orders,
            sums.bad_signatures,
            sums.unreadable,
            sums.conflicts
        ),
        (1, 1, 2, 1),
        "{sums:?}"
    );
}
