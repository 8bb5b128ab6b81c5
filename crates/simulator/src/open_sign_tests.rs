//! The signed examples, made with OpenSSL.

use serde_json::Value;

use super::*;

fn vectors() -> Value {
    serde_json::from_str(include_str!("../tests/vectors/cases.json")).unwrap()
}

fn verifier(vectors: &Value, key: &str) -> Verifier {
    let text = |s: &str| s.to_owned();
    let (rsa, md5) = match key {
        "md5Key" => (vec![], vec![text(vectors["md5Key"].as_str().unwrap())]),
        "merchant" => (
            vec![text(include_str!("../tests/vectors/merchant.pub.pem"))],
            vec![],
        ),
        _ => (
            vec![text(include_str!("../tests/vectors/platform.pub.pem"))],
            vec![],
        ),
    };
    Verifier::new(&rsa, "key", &md5).unwrap()
}

fn headers(case: &Value) -> SignedHeaders {
    let mut map = HeaderMap::new();
    let given = case["headers"].as_object().unwrap().iter();
    for (name, value) in given
        .map(|(n, v)| (n.as_str(), v))
        .chain([("sign", &case["sign"])])
    {
        let name: axum::http::HeaderName = name.to_lowercase().parse().unwrap();
        map.insert(name, value.as_str().unwrap().parse().unwrap());
    }
    SignedHeaders::read(&map).unwrap()
}

#[test]
fn every_example_verifies_with_its_key_and_with_no_other() {
    let vectors = vectors();
    let cases = vectors["cases"].as_array().unwrap();
    assert!(cases.len() >= 8);
    for case in cases {
        let body = case["body"].as_str().unwrap().as_bytes();
        for key in ["md5Key", "merchant", "platform"] {
            let accepted = verifier(&vectors, key).accepts(&headers(case), body);
            assert_eq!(accepted, case["key"] == key, "{} by {key}", case["name"]);
        }
    }
}

#[test]
fn what_is_signed_verifies_and_a_changed_byte_does_not() {
    let pair = crate::RsaPair::generate().unwrap();
    let signer = Signer::rsa(&pair.private_pem, "key").unwrap();
    let verifier = Verifier::new(&[pair.public_pem], "key", &[]).unwrap();
    let headers = signer.sign("b1", b"{}");
    assert!(verifier.accepts(&headers, b"{}"));
    assert!(!verifier.accepts(&headers, b"{ }"));
}
