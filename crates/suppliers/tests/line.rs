//! What is heard over a line that is slow, cut, rude or dead. A submit that may have arrived is never anything but unknown.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::net::SocketAddr;
use std::time::Duration;

use domain::catalogue::{Platform, Supplier};
use domain::{Money, SupplierId};
use suppliers::{Adapter, Heard, MAX_BODY_BYTES, QueryCall, SubmitCall};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const ACCEPTED: &str = r#"{"errno":0,"data":{"order_number":"Y1"}}"#;

/// What the server does once it has read a whole request.
#[derive(Clone)]
enum Manner {
    /// Sends these bytes, then closes.
    Say(Vec<u8>),
    /// Sends these bytes, then keeps the connection open and says nothing more.
    SayAndHang(Vec<u8>),
    /// Closes the connection before the request has been read.
    Slam,
}

fn http(status: &str, body: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// Serves every connection in the same manner until the test's runtime ends.
async fn server(manner: Manner) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, manner.clone()));
        }
    });
    address
}

async fn serve(mut stream: TcpStream, manner: Manner) {
    match manner {
        Manner::Slam => {
            let mut first = [0; 1];
            let _ = stream.read(&mut first).await;
        }
        Manner::Say(bytes) => {
            read_request(&mut stream).await;
            let _ = stream.write_all(&bytes).await;
        }
        Manner::SayAndHang(bytes) => {
            read_request(&mut stream).await;
            let _ = stream.write_all(&bytes).await;
            let mut rest = [0; 64];
            while stream.read(&mut rest).await.is_ok_and(|n| n > 0) {}
        }
    }
}

/// Reads one request to the end of its form.
async fn read_request(stream: &mut TcpStream) -> Vec<u8> {
    let mut request = Vec::new();
    let mut chunk = [0; 4096];
    while !is_whole(&request) {
        match stream.read(&mut chunk).await {
            Ok(n) if n > 0 => request.extend_from_slice(&chunk[..n]),
            _ => break,
        }
    }
    request
}

fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request);
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return false;
    };
    let head = head.to_ascii_lowercase();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "))
        .and_then(|length| length.parse().ok());
    length.is_none_or(|length: usize| body.len() >= length)
}

fn adapter(base_url: String, timeout: Duration) -> Adapter {
    let card = serde_json::json!({
        "resubmit": "query",
        "timeout": format!("{}ms", timeout.as_millis()),
        "result_codes": { "203": "rejected" },
    });
    let supplier = Supplier {
        id: SupplierId::new("s1"),
        adapter: "form_md5".into(),
        base_url,
        push_base_url: None,
        enabled: true,
        card: serde_json::from_value(card).unwrap(),
        credentials: [("userid", "1"), ("apikey", "k")]
            .map(|(k, v)| (k.to_owned(), v.to_owned()))
            .into(),
    };
    Adapter::build(&supplier, &Platform::default()).unwrap()
}

async fn submit(adapter: &Adapter) -> Heard {
    let call = SubmitCall {
        reference: "R1",
        sku: "7",
        account: "13900000000",
        face_value: Money::from_yuan(50),
        max_cost: Money::from_yuan(49),
        attach: &[],
    };
    adapter.submit(&call).await
}

async fn query(adapter: &Adapter) -> Heard {
    let call = QueryCall {
        reference: "R1",
        account: "13900000000",
        face_value: Money::from_yuan(50),
    };
    adapter.query(&call).await
}

/// Long enough for a loaded machine; only the tests that wait for a time-out choose less.
const PATIENT: Duration = Duration::from_secs(20);

async fn heard_from(manner: Manner, timeout: Duration) -> Heard {
    let address = server(manner).await;
    submit(&adapter(format!("http://{address}"), timeout)).await
}

#[tokio::test]
async fn a_whole_answer_is_read() {
    let heard = heard_from(Manner::Say(http("200 OK", ACCEPTED)), PATIENT).await;
    assert_eq!(heard.verdict.word(), "accepted");
    assert_eq!(heard.upstream_no.as_deref(), Some("Y1"));
    assert_eq!(heard.http_status, Some(200));
}

#[tokio::test]
async fn an_http_error_is_unknown_whatever_its_body_says() {
    for status in [
        "500 Oops",
        "502 Bad Gateway",
        "503 Busy",
        "404 Not Found",
        "429 Slow",
        "302 Found",
    ] {
        let rejected = r#"{"errno":203}"#;
        let heard = heard_from(Manner::Say(http(status, rejected)), PATIENT).await;
        assert_eq!(heard.verdict.word(), "unknown", "{status}");
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = server(Manner::Say(http("200 OK", ACCEPTED))).await;
    let redirect = format!(
        "HTTP/1.1 307 Elsewhere\r\nlocation: http://{elsewhere}/\r\ncontent-length: 0\r\n\r\n"
    );
    let heard = heard_from(Manner::Say(redirect.into_bytes()), PATIENT).await;
    assert_eq!(heard.verdict.word(), "unknown");
    assert_eq!(heard.http_status, Some(307));
}

#[tokio::test]
async fn a_truncated_answer_is_unknown_even_where_what_came_reads_well() {
    let rejected = r#"{"errno":203}"#;
    let longer = format!("HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{rejected}");
    let endless = format!(
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n{rejected}\r\n",
        rejected.len()
    );
    for cut in [longer, endless, "HTTP/1.1 200 O".into(), String::new()] {
        let heard = heard_from(Manner::Say(cut.clone().into_bytes()), PATIENT).await;
        assert_eq!(heard.verdict.word(), "unknown", "{cut:?}");
    }
}

#[tokio::test]
async fn silence_ends_with_the_card_s_time_out_before_or_within_the_answer() {
    let begun = b"HTTP/1.1 200 OK\r\ncontent-length: 40\r\n\r\n{\"errno\":203".to_vec();
    for manner in [Manner::SayAndHang(vec![]), Manner::SayAndHang(begun)] {
        let heard = heard_from(manner, Duration::from_millis(300)).await;
        assert_eq!(heard.verdict.word(), "unknown");
    }
}

#[tokio::test]
async fn a_connection_that_breaks_after_the_first_byte_is_unknown() {
    let heard = heard_from(Manner::Slam, PATIENT).await;
    assert_eq!(heard.verdict.word(), "unknown");
}

#[tokio::test]
async fn an_endless_answer_is_dropped_at_the_bound() {
    let body = "a".repeat(MAX_BODY_BYTES + 1);
    let heard = heard_from(Manner::SayAndHang(http("200 OK", &body)), PATIENT).await;
    assert_eq!(heard.verdict.word(), "unknown");
    assert!(heard.detail.contains("longer than"), "{}", heard.detail);
}

#[tokio::test]
async fn what_is_no_http_is_unknown_and_bounded_in_what_is_kept() {
    let noise = vec![b'\xff'; 200_000];
    let heard = heard_from(Manner::Say(noise), PATIENT).await;
    assert_eq!(heard.verdict.word(), "unknown");
    assert!(heard.detail.len() <= 2_048);
}

#[tokio::test]
async fn a_refused_connection_is_not_sent_for_a_submit_and_unknown_for_a_query() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let adapter = adapter(format!("http://{address}"), PATIENT);
    assert_eq!(submit(&adapter).await.verdict.word(), "not sent");
    assert_eq!(query(&adapter).await.verdict.word(), "unknown");
}

#[tokio::test]
async fn a_tls_handshake_that_fails_is_not_sent() {
    let address = server(Manner::Slam).await;
    let adapter = adapter(format!("https://{address}"), PATIENT);
    assert_eq!(submit(&adapter).await.verdict.word(), "not sent");
}

#[tokio::test]
async fn a_query_that_breaks_off_proves_nothing() {
    let cut = b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{\"errno\":0,\"data\":[]}".to_vec();
    let address = server(Manner::Say(cut)).await;
    let heard = query(&adapter(format!("http://{address}"), PATIENT)).await;
    assert_eq!(heard.verdict.word(), "unknown");
}

#[tokio::test]
async fn twenty_numbers_are_asked_for_in_one_call() {
    let answer = http(
        "200 OK",
        r#"{"errno":0,"data":[{"out_trade_num":"R7","status":4}]}"#,
    );
    let address = server(Manner::Say(answer)).await;
    let references: Vec<String> = (0..21).map(|n| format!("R{n}")).collect();
    let calls: Vec<QueryCall<'_>> = references
        .iter()
        .map(|reference| QueryCall {
            reference,
            account: "13900000000",
            face_value: Money::from_yuan(50),
        })
        .collect();
    let adapter = adapter(format!("http://{address}"), PATIENT);
    assert_eq!(adapter.query_batch(), 20);
    let heard = adapter.query_many(&calls).await;
    let words: Vec<_> = heard.iter().map(|h| h.verdict.word()).collect();
    assert_eq!(words.len(), 21);
    assert_eq!(words[7], "succeeded");
    assert_eq!(words.iter().filter(|w| **w == "not found").count(), 20);
}
