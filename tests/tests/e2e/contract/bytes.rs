//! Bodies and connections that no honest client sends.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{BATCH, batch, says_accepted, stored};
use crate::harness::Scene;

/// Longer than the platform waits for anybody.
const PATIENCE: Duration = Duration::from_mins(1);

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_can_be_read_in_two_ways_is_refused() {
    let scene = Scene::start().await;
    let shop = &scene.merchant.client;
    let before = stored(&scene).await;
    let right = batch("b", &["13800000001"]).to_string();
    let cut = &right[1..];
    let bodies: Vec<(&str, Vec<u8>)> = vec![
        ("nothing", vec![]),
        ("no JSON", b"batch=1".to_vec()),
        ("cut off", right.as_bytes()[..right.len() - 1].to_vec()),
        ("more after it", format!("{right}{right}").into_bytes()),
        ("an array", format!("[{right}]").into_bytes()),
        ("a number twice", format!(r#"{{"batchBizCode":"c",{cut}"#).into_bytes()),
        ("a number twice, escaped", format!(r#"{{"batchBizCod\u0065":"c",{cut}"#).into_bytes()),
        ("a key twice deep inside", right.replace(r#""account":"#, r#""account":"13900000000","account":"#).into_bytes()),
        ("an unknown key twice", format!(r#"{{"x":1,"x":2,{cut}"#).into_bytes()),
        ("a byte order mark", [b"\xef\xbb\xbf", right.as_bytes()].concat()),
        ("not UTF-8", right.replace("13800000001", "\u{7f}").into_bytes().into_iter().map(|b| if b == 0x7f { 0xff } else { b }).collect()),
        ("half a surrogate", right.replace("13800000001", r"\ud800").into_bytes()),
        ("nested for ever", [b"[".repeat(500_000), vec![]].concat()),
        ("many values", format!(r#"{{"x":[{}0],{cut}"#, "0,".repeat(200_000)).into_bytes()),
        ("another type", right.replace(r#""MOBILE50""#, "50").into_bytes()),
        ("a control character", right.replace("13800000001", r"138\n0000001").into_bytes()),
        ("too long a number", right.replace("b-0", &"9".repeat(65)).into_bytes()),
        ("a callback URL into nowhere", format!(r#"{{"callbackUrl":"ftp://x.example/",{cut}"#).into_bytes()),
        ("a list that is none", json!({"merchantId": "m1", "businessId": "shop", "batchBizCode": "b", "productCode": "MOBILE50", "itemList": {}}).to_string().into_bytes()),
    ];
    for (what, body) in bodies {
        let answer = shop.post(BATCH, &body).await.unwrap();
        assert_eq!(
            (answer.http, answer.status),
            (200, 3),
            "{what}: {}",
            answer.body
        );
        says_accepted(&answer);
    }
    let huge = vec![b' '; (1 << 20) + 1];
    let answer = shop.post(BATCH, &huge).await.unwrap();
    assert_eq!((answer.http, answer.status), (413, 3), "{}", answer.body);
    assert_eq!(stored(&scene).await, before);
    // Unknown fields, white space and escapes are no crime.
    let odd = format!(
        "\n{{ \"x\": {{\"y\": null}}, {}",
        cut.replace("MOBILE50", r"MOBILE\u0035\u0030")
    );
    let answer = shop.post(BATCH, odd.as_bytes()).await.unwrap();
    assert_eq!(answer.status, 0, "{}", answer.body);
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn http_speaks_where_the_contract_has_no_word() {
    let scene = Scene::start().await;
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = format!("{}{BATCH}", scene.platform.openapi);
    let body = batch("h", &["13800000001"]).to_string();
    let signed = |mut request: reqwest::RequestBuilder| {
        for (name, value) in scene.merchant.client.sign(body.as_bytes()).pairs() {
            request = request.header(name, value);
        }
        request.body(body.clone())
    };
    let cases = [
        (405, 4, signed(http.get(&url))),
        (405, 4, signed(http.put(&url))),
        (404, 4, signed(http.post(format!("{url}/")))),
        (
            404,
            4,
            signed(http.post(url.to_uppercase().replacen("HTTP", "http", 1))),
        ),
        (
            415,
            3,
            signed(http.post(&url).header("content-type", "text/plain")),
        ),
        (
            415,
            3,
            signed(
                http.post(&url)
                    .header("content-type", "application/json; charset=gbk"),
            ),
        ),
        (
            200,
            3,
            signed(
                http.post(&url)
                    .header("content-type", "application/json")
                    .header("content-encoding", "gzip"),
            ),
        ),
    ];
    for (status, says, request) in cases {
        let response = request.send().await.unwrap();
        let http = response.status().as_u16();
        let text = response.text().await.unwrap();
        assert_eq!(http, status, "{text}");
        let answer: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(
            (&answer["status"], &answer["accepted"]),
            (&json!(says), &json!("no")),
            "{text}"
        );
    }
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_who_stops_talking_is_let_go_and_others_are_served() {
    let mut scene = Scene::start().await;
    let address = scene
        .platform
        .openapi
        .trim_start_matches("http://")
        .to_owned();
    let head = format!(
        "POST {BATCH} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 100\r\n"
    );
    let signed: Vec<String> = scene
        .merchant
        .client
        .sign(b"x")
        .pairs()
        .map(|(name, value)| format!("{name}: {value}\r\n"))
        .collect();
    let signed = signed.concat();
    let mut silent = vec![];
    for begun in [
        String::new(),
        "POST /v1/ope".to_owned(),
        head.clone(),
        format!("{head}{signed}\r\n{{"),
    ] {
        for _ in 0..25 {
            let mut stream = TcpStream::connect(&address).await.unwrap();
            stream.write_all(begun.as_bytes()).await.unwrap();
            silent.push(stream);
        }
    }
    scene.merchant.order("meanwhile", 5).await;
    scene.merchant.wait_for_all_reports(&scene.outside).await;
    for mut stream in silent {
        let mut heard = vec![];
        let closed = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut heard)).await;
        assert!(
            closed.is_ok(),
            "still open: {}",
            String::from_utf8_lossy(&heard)
        );
    }
    scene.end().await;
}

/// Asks for something, and returns the first line of what is answered.
async fn ask(stream: &mut TcpStream) -> String {
    stream
        .write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    answer(stream).await
}

async fn answer(stream: &mut TcpStream) -> String {
    let mut heard = vec![0; 4096];
    let read = stream.read(&mut heard).await.unwrap();
    let heard = String::from_utf8_lossy(&heard[..read]);
    heard.lines().next().unwrap_or_default().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn beyond_its_most_connections_the_door_lets_somebody_in_when_another_goes() {
    let scene = Scene::start_with(&[("REFILL__INGRESS__MAX_CONNECTIONS", "2")]).await;
    let address = scene.platform.openapi.trim_start_matches("http://");
    let connect = async || TcpStream::connect(address).await.unwrap();
    let (mut first, mut second, mut third) = (connect().await, connect().await, connect().await);
    assert_eq!(ask(&mut first).await, "HTTP/1.1 404 Not Found");
    assert_eq!(ask(&mut second).await, "HTTP/1.1 404 Not Found");
    // A door that lets all in answers much sooner.
    let waits = tokio::time::timeout(Duration::from_secs(2), ask(&mut third)).await;
    assert!(waits.is_err(), "{waits:?}");
    drop(first);
    assert_eq!(answer(&mut third).await, "HTTP/1.1 404 Not Found");
    drop((second, third));
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_are_no_http_end_their_connection_only() {
    let mut scene = Scene::start().await;
    let address = scene
        .platform
        .openapi
        .trim_start_matches("http://")
        .to_owned();
    let nonsense: Vec<Vec<u8>> = vec![
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".repeat(10),
        b"GET / HTTP/9.9\r\n\r\n".to_vec(),
        [b"POST / HTTP/1.1\r\nx: ".to_vec(), vec![b'a'; 1 << 20]].concat(),
        b"POST / HTTP/1.1\r\n".iter().copied().chain(b"a: b\r\n".repeat(10_000)).collect(),
        b"POST /v1/openapi/order/batch HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello".to_vec(),
        b"POST /v1/openapi/order/batch HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nffffffffffffffff1\r\n".to_vec(),
    ];
    for bytes in nonsense {
        let mut stream = TcpStream::connect(&address).await.unwrap();
        // It may be closed before all is written.
        let _ = stream.write_all(&bytes).await;
        let mut heard = vec![];
        let _ = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut heard))
            .await
            .unwrap();
        assert!(
            !String::from_utf8_lossy(&heard).contains(" 200 OK"),
            "{}",
            String::from_utf8_lossy(&bytes[..20])
        );
    }
    scene.merchant.order("after", 3).await;
    scene.merchant.wait_for_all_reports(&scene.outside).await;
    scene.end().await;
}
