//! The signed examples, made with OpenSSL, against our reading of `CONTRACT.md` §1.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::collections::BTreeMap;

use domain::UnixMs;
use openapi::{AuthHeaders, SignType, SigningKey, VerifyingKey, VerifyingKeys, WrongSignature};
use serde::Deserialize;

const NOW: UnixMs = UnixMs(1_764_000_000_000);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Vectors {
    md5_key: String,
    cases: Vec<Case>,
}

#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Case {
    name: String,
    headers: BTreeMap<String, String>,
    body: String,
    string_to_sign: String,
    key: String,
    sign: String,
}

impl Case {
    fn headers(&self) -> AuthHeaders {
        let sign = ("sign", self.sign.as_bytes());
        let others = self.headers.iter().map(|(n, v)| (n.as_str(), v.as_bytes()));
        AuthHeaders::read(others.chain([sign])).unwrap()
    }
}

fn vectors() -> Vectors {
    serde_json::from_str(include_str!("vectors/cases.json")).unwrap()
}

fn keys(vectors: &Vectors, name: &str) -> VerifyingKeys {
    let key = match name {
        "md5Key" => VerifyingKey::md5(&vectors.md5_key),
        "merchant" => VerifyingKey::rsa_from_pem(include_str!("vectors/merchant.pub.pem")),
        "platform" => VerifyingKey::rsa_from_pem(include_str!("vectors/platform.pub.pem")),
        other => panic!("no key named {other}"),
    };
    VerifyingKeys::new(SignType::ALL, [key.unwrap().into()])
}

#[test]
fn the_string_to_sign_is_the_contract_s() {
    for case in vectors().cases {
        let text = case.headers().string_before_body() + &case.body;
        assert_eq!(text, case.string_to_sign, "{}", case.name);
    }
}

#[test]
fn every_example_verifies_with_its_key_and_with_no_other() {
    let vectors = vectors();
    for case in &vectors.cases {
        for name in ["md5Key", "merchant", "platform"] {
            let verified = keys(&vectors, name).verify(NOW, &case.headers(), case.body.as_bytes());
            assert_eq!(
                verified.is_ok(),
                name == case.key,
                "{} by {name}",
                case.name
            );
        }
    }
}

#[test]
fn our_md5_signatures_are_the_examples_own() {
    let vectors = vectors();
    let key = SigningKey::md5(&vectors.md5_key).unwrap();
    let cases: Vec<_> = vectors.cases.iter().filter(|c| c.key == "md5Key").collect();
    assert_eq!(cases.len(), 2);
    for case in cases {
        let mut headers = case.headers();
        headers.sign.clear();
        let signed = key.sign_as(headers, case.body.as_bytes()).unwrap();
        assert_eq!(signed.sign, case.sign, "{}", case.name);
    }
}

#[test]
fn a_lower_case_md5_signature_is_not_the_contract_s() {
    let vectors = vectors();
    for case in vectors.cases.iter().filter(|c| c.key == "md5Key") {
        let mut headers = case.headers();
        headers.sign = headers.sign.to_lowercase();
        let verified = keys(&vectors, &case.key).verify(NOW, &headers, case.body.as_bytes());
        assert_eq!(verified, Err(WrongSignature));
    }
}

#[test]
fn whatever_is_changed_breaks_the_signature() {
    let vectors = vectors();
    for case in &vectors.cases {
        let keys = keys(&vectors, &case.key);
        let mut tampered: Vec<(&str, Case)> = Vec::new();
        let mut change = |what, apply: &dyn Fn(&mut Case)| {
            let mut other = case.clone();
            apply(&mut other);
            tampered.push((what, other));
        };
        change("business", &|c| {
            c.headers.insert("businessId".into(), "another".into());
        });
        change("nonce", &|c| {
            c.headers.insert("nonce".into(), "another".into());
        });
        change("timestamp", &|c| {
            c.headers.insert("timestamp".into(), "1628772138669".into());
        });
        change("white space at the end of the body", &|c| c.body.push('\n'));
        change("white space at the start of the body", &|c| {
            c.body.insert(0, ' ');
        });
        change("a letter of the sign", &|c| {
            let first = if c.sign.starts_with('A') { "B" } else { "A" };
            c.sign.replace_range(..1, first);
        });
        for (what, other) in tampered {
            let verified = keys.verify(NOW, &other.headers(), other.body.as_bytes());
            assert_eq!(verified, Err(WrongSignature), "{}: {what}", case.name);
        }
    }
}

#[test]
fn naming_or_hiding_the_default_sign_type_breaks_the_signature() {
    let vectors = vectors();
    let keys = keys(&vectors, "merchant");
    for case in vectors.cases.iter().filter(|c| c.key == "merchant") {
        let mut headers = case.headers();
        headers.sign_type = match headers.sign_type {
            None => Some(SignType::Sha256Rsa),
            Some(_) => None,
        };
        let verified = keys.verify(NOW, &headers, case.body.as_bytes());
        assert_eq!(verified, Err(WrongSignature), "{}", case.name);
    }
}
