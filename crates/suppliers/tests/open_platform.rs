//! The `openapi` shape from outside: what it sends is a merchant's request as the contract asks for it, and what it takes is a signed
//! report.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use domain::catalogue::{Platform, Supplier};
use domain::{BusinessId, Money, SupplierId, UnixMs};
use openapi::requests::{BatchLimits, OrderBatch, OrderInfoRequest};
use openapi::{AuthHeaders, SignType, SigningKey, VerifyingKeys};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use suppliers::{Adapter, AdapterError, Attach, PushRefused, QueryCall, SubmitCall};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

const SECRET: &str = "7c1d0e4b92f5484cbd83c1d20b6a55e9";
const NOW: UnixMs = UnixMs(1_764_000_000_000);

fn supplier(base_url: String, credentials: &[(&str, &str)]) -> Supplier {
    let card = serde_json::json!({ "resubmit": "idempotent", "timeout": "20s" });
    Supplier {
        id: SupplierId::new("up"),
        adapter: "openapi".into(),
        base_url,
        push_base_url: Some("https://push.example".into()),
        enabled: true,
        card: serde_json::from_value(card).unwrap(),
        credentials: credentials
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect(),
    }
}

const MD5_CREDENTIALS: [(&str, &str); 3] = [
    ("business_id", "b-1"),
    ("merchant_id", "m-1"),
    ("md5_key", SECRET),
];

fn adapter(base_url: String) -> Adapter {
    Adapter::build(&supplier(base_url, &MD5_CREDENTIALS), &Platform::default()).unwrap()
}

fn order() -> QueryCall<'static> {
    QueryCall {
        reference: "R1",
        account: "13900000000",
        face_value: Money::from_yuan(50),
    }
}

/// Answers one request with `json` and hands over what was asked: the path, the headers and the body.
async fn one_request(
    listener: TcpListener,
    json: &'static str,
) -> (String, Vec<(String, Vec<u8>)>, Vec<u8>) {
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut text = Vec::new();
    let (head, body_length) = loop {
        let mut chunk = [0; 4096];
        let n = stream.read(&mut chunk).await.unwrap();
        assert!(n > 0, "the request broke off");
        text.extend_from_slice(&chunk[..n]);
        let Some(at) = text.windows(4).position(|w| w == b"\r\n\r\n") else {
            continue;
        };
        let head = String::from_utf8(text[..at].to_vec()).unwrap();
        let length = head
            .lines()
            .find_map(|l| {
                l.to_ascii_lowercase()
                    .strip_prefix("content-length: ")?
                    .parse()
                    .ok()
            })
            .unwrap();
        text.drain(..at + 4);
        break (head, length);
    };
    while text.len() < body_length {
        let mut chunk = [0; 4096];
        let n = stream.read(&mut chunk).await.unwrap();
        assert!(n > 0, "the body broke off");
        text.extend_from_slice(&chunk[..n]);
    }
    let answer = format!(
        "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{json}",
        json.len()
    );
    stream.write_all(answer.as_bytes()).await.unwrap();
    let mut lines = head.lines();
    let path = lines.next().unwrap().to_owned();
    let headers = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec()))
        .collect();
    (path, headers, text)
}

fn assert_signed(headers: &[(String, Vec<u8>)], body: &[u8]) {
    let pairs = headers.iter().map(|(n, v)| (n.as_str(), v.as_slice()));
    let auth = AuthHeaders::read(pairs).unwrap();
    let key = SigningKey::md5(SECRET).unwrap().verifying_key().unwrap();
    let keys = VerifyingKeys::new(SignType::ALL, [key.into()]);
    assert_eq!(keys.verify(NOW, &auth, body), Ok(()));
    assert_eq!(auth.business, BusinessId::new("b-1"));
}

#[tokio::test]
async fn a_submit_is_a_signed_batch_of_one_with_our_reference() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let adapter = adapter(format!("http://{}", listener.local_addr().unwrap()));
    let json = r#"{"status":0,"message":"","data":[{"orderCode":"U1","bizCode":"R1","settlementPrice":48}]}"#;
    let attach = ["zone", "holder"].map(|name| Attach {
        place: 1,
        name: name.into(),
        value: "7".into(),
    });
    let call = SubmitCall {
        reference: "R1",
        sku: "P-50",
        account: "13900000000",
        face_value: Money::from_yuan(50),
        max_cost: Money::from_yuan(49),
        attach: &attach,
    };
    let (heard, (path, headers, body)) =
        tokio::join!(adapter.submit(&call), one_request(listener, json));
    assert_eq!(heard.verdict.word(), "accepted");
    assert_eq!(heard.upstream_no.as_deref(), Some("U1"));
    assert_eq!(path, "POST /v1/openapi/order/batch HTTP/1.1");
    assert_signed(&headers, &body);
    let batch = OrderBatch::read(&body, BatchLimits::default()).unwrap();
    assert_eq!(batch.batch_biz_code, "R1");
    assert_eq!(batch.product.as_str(), "P-50");
    assert_eq!(batch.merchant.as_str(), "m-1");
    let url = batch.callback_url.unwrap();
    assert_eq!(url.as_str(), "https://push.example/v1/supplier/up/push");
    assert_eq!(batch.items.len(), 1);
    let item = &batch.items[0];
    assert_eq!(
        (item.biz_code.as_str(), item.account.as_str()),
        ("R1", "13900000000")
    );
    assert_eq!(item.spec, Some(Money::from_yuan(50)));
    let attached = item.attach_values.as_deref();
    assert_eq!(attached, Some(r#"{"holder":"7","zone":"7"}"#));
}

#[tokio::test]
async fn a_query_asks_by_our_reference() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let adapter = adapter(format!("http://{}", listener.local_addr().unwrap()));
    let order = order();
    let (heard, (path, headers, body)) = tokio::join!(
        adapter.query(&order),
        one_request(listener, r#"{"status":7,"message":"","data":null}"#)
    );
    assert_eq!(heard.verdict.word(), "not found");
    assert_eq!(path, "POST /v1/openapi/order/info HTTP/1.1");
    assert_signed(&headers, &body);
    let request = OrderInfoRequest::read(&body).unwrap();
    assert_eq!(request.biz_code.as_deref(), Some("R1"));
}

fn report_headers(key: &SigningKey, business: &str, body: &[u8]) -> HeaderMap {
    let auth = key.sign(&BusinessId::new(business), NOW, body).unwrap();
    auth.pairs()
        .into_iter()
        .map(|(name, value)| {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            (name, HeaderValue::from_str(&value).unwrap())
        })
        .collect()
}

const REPORT: &[u8] =
    br#"{"orderCode":"U1","bizCode":"R1","account":"13900000000","spec":50,"status":2,"voucher":"V"}"#;

#[test]
fn a_report_counts_only_with_the_platform_s_signature() {
    let platform_key = SigningKey::generate().unwrap();
    let openapi::VerifyingKey::Rsa(public) = platform_key.verifying_key().unwrap() else {
        panic!("an RSA key was generated");
    };
    let pem = public.to_pem().unwrap();
    let SigningKey::Rsa(own) = SigningKey::generate().unwrap() else {
        panic!("an RSA key was generated");
    };
    let own_pem = own.to_pem().unwrap();
    let credentials = [
        ("business_id", "b-1"),
        ("merchant_id", "m-1"),
        ("private_key", own_pem.as_str()),
        ("platform_public_key", pem.as_str()),
    ];
    let supplier = supplier("http://127.0.0.1:9".into(), &credentials);
    let adapter = Adapter::build(&supplier, &Platform::default()).unwrap();
    assert_eq!(adapter.push_answer(), "SUCCESS");

    let headers = report_headers(&platform_key, "b-1", REPORT);
    let push = adapter.read_push(&headers, REPORT).unwrap();
    assert_eq!(push.reference(), "R1");
    let heard = push.against(&order());
    assert_eq!(heard.verdict.word(), "succeeded");
    assert_eq!(heard.upstream_no.as_deref(), Some("U1"));

    let refused = |headers: &HeaderMap, body: &[u8]| adapter.read_push(headers, body).unwrap_err();
    let changed = String::from_utf8_lossy(REPORT).replace(r#""status":2"#, r#""status":3"#);
    assert_eq!(
        refused(&headers, changed.as_bytes()),
        PushRefused::WrongSignature
    );
    let stranger = SigningKey::generate().unwrap();
    let by_stranger = report_headers(&stranger, "b-1", REPORT);
    assert_eq!(refused(&by_stranger, REPORT), PushRefused::WrongSignature);
    let for_another = report_headers(&platform_key, "b-2", REPORT);
    assert_eq!(refused(&for_another, REPORT), PushRefused::WrongSignature);
    let md5 = report_headers(&SigningKey::md5(SECRET).unwrap(), "b-1", REPORT);
    assert_eq!(refused(&md5, REPORT), PushRefused::WrongSignature);
    assert!(matches!(
        refused(&HeaderMap::new(), REPORT),
        PushRefused::Missing(_)
    ));
    let junk = report_headers(&platform_key, "b-1", b"[]");
    assert_eq!(refused(&junk, b"[]"), PushRefused::Unreadable);
}

#[test]
fn a_report_about_another_account_is_a_discrepancy() {
    let adapter = adapter("http://127.0.0.1:9".into());
    let key = SigningKey::md5(SECRET).unwrap();
    let headers = report_headers(&key, "b-1", REPORT);
    let push = adapter.read_push(&headers, REPORT).unwrap();
    let other = QueryCall {
        account: "13900000001",
        ..order()
    };
    assert_eq!(push.against(&other).verdict.word(), "discrepant");
}

#[test]
fn a_supplier_that_cannot_be_talked_to_is_named_with_the_reason() {
    let error = |credentials: &[(&str, &str)]| {
        let supplier = supplier("http://127.0.0.1:9".into(), credentials);
        Adapter::build(&supplier, &Platform::default())
            .unwrap_err()
            .to_string()
    };
    assert_eq!(
        error(&[("merchant_id", "m")]),
        "supplier up: credentials.business_id is required"
    );
    let ids = [("business_id", "b"), ("merchant_id", "m")];
    assert_eq!(
        error(&ids),
        "supplier up: credentials.private_key is required"
    );
    let bad_key = [ids[0], ids[1], ("private_key", "secret text")];
    assert!(error(&bad_key).starts_with("supplier up: credentials.private_key is not"));
    assert!(!error(&bad_key).contains("secret text"));
    let unknown = Supplier {
        adapter: "soap".into(),
        ..supplier("http://127.0.0.1:9".into(), &[])
    };
    assert!(matches!(
        Adapter::build(&unknown, &Platform::default()),
        Err(AdapterError::UnknownShape { .. })
    ));
}
