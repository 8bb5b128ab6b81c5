//! Who may ask: signatures, time, addresses, nonces, and the order in which they are looked at.

use reqwest::StatusCode;
use serde_json::{Value, json};
use simulator::{MerchantClient, RsaPair, SignedHeaders};

use super::{BATCH, batch, client, says_accepted, send, stored};
use crate::harness::outside::MERCHANT_MD5_KEY;
use crate::harness::{Scene, merchant::MERCHANT};

fn millis(offset: i64) -> String {
    let since = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    (i64::try_from(since.as_millis()).unwrap() + offset).to_string()
}

/// Signs, then lets `spoil` at the headers.
fn spoilt(
    client: &MerchantClient,
    body: &[u8],
    spoil: impl FnOnce(&mut SignedHeaders),
) -> SignedHeaders {
    let mut headers = client.sign(body);
    spoil(&mut headers);
    headers
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_check_that_fails_answers() {
    let scene = Scene::start().await;
    let (shop, walled) = (&scene.merchant.client, client(&scene, MERCHANT, "walled"));
    let before = stored(&scene).await;
    let nonsense = b"no JSON at all";
    let far = millis(-301_000);
    let answers = [
        // Everything is wrong: the path is looked at first.
        (
            4,
            shop.post_signed(
                "/v1/openapi/nowhere",
                &spoilt(shop, nonsense, |h| h.nonce = String::new()),
                nonsense,
            )
            .await,
        ),
        // Then the headers,
        (
            3,
            shop.post_signed(
                BATCH,
                &spoilt(shop, nonsense, |h| {
                    h.nonce = "no spaces".into();
                    h.timestamp = "1".into();
                }),
                nonsense,
            )
            .await,
        ),
        // the time,
        (
            5,
            shop.post_signed(
                BATCH,
                &spoilt(shop, nonsense, |h| h.timestamp = far.clone()),
                nonsense,
            )
            .await,
        ),
        // the signature,
        (
            2,
            walled
                .post_signed(
                    BATCH,
                    &spoilt(&walled, nonsense, |h| h.nonce.push('x')),
                    nonsense,
                )
                .await,
        ),
        // the address,
        (10, walled.post(BATCH, nonsense).await),
        // and the body last.
        (3, shop.post(BATCH, nonsense).await),
    ];
    for (status, answer) in answers {
        let answer = answer.unwrap();
        assert_eq!(answer.status, status, "{}", answer.body);
        says_accepted(&answer);
    }
    assert_eq!(stored(&scene).await, before);
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_cannot_tell_which_accounts_exist() {
    let scene = Scene::start().await;
    let base = &scene.platform.openapi;
    let other_key = RsaPair::generate().unwrap().private_pem;
    let body = batch("stranger", &["13800000001"]);
    let rsa =
        |business: &str, key: &str| MerchantClient::rsa(base, MERCHANT, business, key).unwrap();
    let right = &scene.outside.merchant_key.private_pem;
    let refused = [
        rsa("nobody", right),
        rsa("closed", right),
        rsa("shop", &other_key),
        // MD5 is not switched on for this account, whatever the secret is; and RSA is not for that one.
        MerchantClient::md5(base, MERCHANT, "shop", MERCHANT_MD5_KEY).unwrap(),
        MerchantClient::md5(base, MERCHANT, "old", "another-secret-altogether").unwrap(),
        rsa("old", right),
    ];
    let mut bodies = vec![];
    for client in refused {
        let answer = send(&client, &body).await;
        assert_eq!(answer.http, 200);
        bodies.push(answer.body.to_string());
    }
    assert!(bodies[0].contains(r#""status":2"#), "{}", bodies[0]);
    assert!(bodies.iter().all(|b| *b == bodies[0]), "{bodies:?}");
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_of_the_old_kind_signs_and_is_told_with_md5() {
    let mut scene = Scene::start().await;
    let old =
        MerchantClient::md5(&scene.platform.openapi, MERCHANT, "old", MERCHANT_MD5_KEY).unwrap();
    let mut body = batch("old", &["13800000001"]);
    body["businessId"] = json!("old");
    let answer = send(&old, &body).await;
    assert_eq!(answer.status, 0, "{}", answer.body);
    scene.merchant.ordered.push(("old-0".into(), String::new()));
    scene.merchant.wait_for_all_reports(&scene.outside).await;
    assert_eq!(scene.outside.received.summary().bad_signatures, 0);
    assert_eq!(old.order("old-0").await.unwrap().data["status"], 2);
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_nonce_is_used_up_by_every_signed_request_and_only_by_those() {
    let scene = Scene::start().await;
    let shop = &scene.merchant.client;
    let body = batch("nonces", &["13800000001"]).to_string().into_bytes();
    let headers = shop.sign(&body);
    // A wrong signature leaves the nonce as it was.
    let forged = SignedHeaders {
        sign: shop.sign(b"other").sign,
        ..headers.clone()
    };
    let status = async |headers: &SignedHeaders, body: &[u8]| {
        shop.post_signed(BATCH, headers, body).await.unwrap().status
    };
    assert_eq!(status(&forged, &body).await, 2);
    assert_eq!(status(&headers, &body).await, 0);
    assert_eq!(status(&headers, &body).await, 6);
    // A request that is refused for its body, and one that is refused by a rule, use it up too.
    for (refused, as_what) in [
        (b"{".to_vec(), 3),
        (
            batch("nonces-2", &["not a number"]).to_string().into_bytes(),
            3,
        ),
        (
            json!({"merchantId": "m2", "businessId": "shop", "batchBizCode": "n", "productCode": "MOBILE50"})
                .to_string()
                .into_bytes(),
            7,
        ),
    ] {
        let headers = shop.sign(&refused);
        assert_eq!(status(&headers, &refused).await, as_what);
        assert_eq!(status(&headers, &refused).await, 6);
    }
    // So do the reads.
    let ask = json!({"bizCode": "nonces-0"}).to_string().into_bytes();
    let headers = shop.sign(&ask);
    for expected in [0, 6] {
        let answer = shop.post_signed("/v1/openapi/order/info", &headers, &ask);
        assert_eq!(answer.await.unwrap().status, expected);
    }
    // Sent forty times at once, one gets through.
    let body = batch("nonces-3", &["13800000002"]).to_string().into_bytes();
    let headers = shop.sign(&body);
    let all = futures::future::join_all((0..40).map(|_| status(&headers, &body))).await;
    assert_eq!(all.iter().filter(|s| **s == 0).count(), 1, "{all:?}");
    assert_eq!(all.iter().filter(|s| **s == 6).count(), 39, "{all:?}");
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_that_could_be_read_in_two_ways_are_refused() {
    let scene = Scene::start().await;
    let shop = &scene.merchant.client;
    let body = batch("ambiguous", &["13800000001"]).to_string();
    let pairs: Vec<(String, String)> = shop
        .sign(body.as_bytes())
        .pairs()
        .map(|(name, value)| (name.to_string(), value.to_string()))
        .collect();
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let mut refused = 0;
    for name in ["businessId", "nonce", "timestamp", "sign", "signType"] {
        // Twice, empty, and, but for the one that may be, not at all.
        for change in ["twice", "empty", "absent"] {
            if (name, change) == ("signType", "absent") {
                continue;
            }
            let mut request = http
                .post(format!("{}{BATCH}", scene.platform.openapi))
                .header("content-type", "application/json")
                .body(body.clone());
            for (n, value) in &pairs {
                request = match change {
                    _ if n != name => request.header(n, value),
                    "twice" => request.header(n, value).header(n, value),
                    "empty" => request.header(n, ""),
                    _ => request,
                };
            }
            let response = request.send().await.unwrap();
            assert_eq!(response.status(), StatusCode::OK);
            let answer: Value = serde_json::from_str(&response.text().await.unwrap()).unwrap();
            // An empty signType is none, as the string to sign says, and then the signature is of another string.
            let expected = if (name, change) == ("signType", "empty") {
                2
            } else {
                3
            };
            assert_eq!(answer["status"], expected, "{name} {change}: {answer}");
            if expected == 3 {
                let message = answer["message"].as_str().unwrap();
                assert!(message.contains(name), "{message}");
            }
            refused += 1;
        }
    }
    assert_eq!(refused, 14);
    scene.end().await;
}
