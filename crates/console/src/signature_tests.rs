//! Each of the usual mistakes, made and named.

use domain::catalogue::BusinessKey;
use domain::{BusinessId, MerchantId};
use openapi::SigningKey;

use super::*;
use crate::tongue::ENGLISH;

const NOW: UnixMs = UnixMs(1_764_000_000_000);
const BODY: &str = "{\n  \"a\": \"b \\\" c\",\n  \"n\": 1\n}";

struct Bench {
    key: SigningKey,
    catalogue: Catalogue,
}

fn bench() -> Bench {
    let key = SigningKey::generate().unwrap();
    let VerifyingKey::Rsa(public) = key.verifying_key().unwrap() else {
        panic!("an RSA key")
    };
    let business = Business {
        id: BusinessId::new("b1"),
        merchant: MerchantId::new("m1"),
        enabled: true,
        rsa_allowed: true,
        md5_allowed: false,
        keys: vec![BusinessKey {
            kind: KeyKind::Rsa,
            text: public.to_pem().unwrap(),
            not_before: None,
            not_after: None,
        }],
        callback_url: None,
        callback_sign: KeyKind::Rsa,
        callback_keys: vec![],
        batch_report: false,
        ip_allow: vec![],
        rate_limit: 0,
        order_limit: 0,
        max_in_flight: 0,
    };
    let mut catalogue = Catalogue::default();
    catalogue.businesses.insert(business.id.clone(), business);
    Bench { key, catalogue }
}

impl Bench {
    /// The headers of a merchant who signs `signed`.
    fn headers(&self, signed: &str) -> AuthHeaders {
        self.key
            .sign(&BusinessId::new("b1"), NOW, signed.as_bytes())
            .unwrap()
    }

    fn mistakes(&self, headers: &AuthHeaders, now: UnixMs) -> Vec<&'static str> {
        let lines: Vec<String> = headers
            .pairs()
            .iter()
            .map(|(name, value)| format!("  -H '{name}: {value}' \\"))
            .collect();
        let pasted = Pasted {
            headers: lines.join("\r\n"),
            body: BODY.into(),
            theirs: String::new(),
        };
        let found = examine(&pasted.with_plain_lines(), &self.catalogue, now);
        assert_eq!(
            found.right,
            found.mistakes.is_empty() || now != NOW,
            "{:?}",
            found.unreadable
        );
        found
            .mistakes
            .iter()
            .map(|sentence| sentence(&ENGLISH))
            .collect()
    }
}

#[test]
fn a_right_signature_has_no_mistakes() {
    let bench = bench();
    assert!(bench.mistakes(&bench.headers(BODY), NOW).is_empty());
    let late = UnixMs(NOW.0 + 300_001);
    assert_eq!(
        bench.mistakes(&bench.headers(BODY), late),
        [ENGLISH.m_far_away]
    );
}

#[test]
fn each_usual_mistake_is_named() {
    let bench = bench();
    let compacted = compact(BODY);
    assert_eq!(compacted, r#"{"a":"b \" c","n":1}"#);
    for (signed, mistake) in [
        (BODY.replace('\n', "\r\n"), ENGLISH.m_crlf),
        (format!("{BODY}\n"), ENGLISH.m_line_end),
        (compacted, ENGLISH.m_compact),
        (format!("&{BODY}"), ENGLISH.m_joined),
        (String::new(), ENGLISH.m_no_body),
        ("something else".into(), ENGLISH.m_other_key),
    ] {
        assert_eq!(bench.mistakes(&bench.headers(&signed), NOW), [mistake]);
    }
    let right = bench.headers(BODY);
    let with_sign = |sign: String| AuthHeaders {
        sign,
        ..right.clone()
    };
    let encoded = right
        .sign
        .replace('+', "%2B")
        .replace('/', "%2F")
        .replace('=', "%3D");
    assert_eq!(
        bench.mistakes(&with_sign(encoded), NOW),
        [ENGLISH.m_url_encoded]
    );
    let url_safe = right
        .sign
        .replace('+', "-")
        .replace('/', "_")
        .replace('=', "");
    assert_eq!(
        bench.mistakes(&with_sign(url_safe), NOW),
        [ENGLISH.m_url_safe]
    );
    let not_sent = AuthHeaders {
        sign_type: None,
        ..right.clone()
    };
    assert_eq!(bench.mistakes(&not_sent, NOW), [ENGLISH.m_type_not_sent]);
    let signed_without = bench
        .key
        .sign_as(
            AuthHeaders {
                sign_type: None,
                ..right
            },
            BODY.as_bytes(),
        )
        .unwrap();
    let sent = AuthHeaders {
        sign_type: Some(SignType::Sha256Rsa),
        ..signed_without
    };
    assert_eq!(bench.mistakes(&sent, NOW), [ENGLISH.m_type_not_signed]);
}

#[test]
fn an_account_that_is_not_there_and_a_kind_that_is_off_are_told() {
    let bench = bench();
    let stranger = AuthHeaders {
        business: BusinessId::new("b2"),
        ..bench.headers(BODY)
    };
    assert_eq!(bench.mistakes(&stranger, NOW), [ENGLISH.m_no_account]);
    let md5 = AuthHeaders {
        sign_type: Some(SignType::Md5),
        ..bench.headers(BODY)
    };
    let expected = [ENGLISH.m_kind_off, ENGLISH.m_no_key, ENGLISH.m_other_key];
    assert_eq!(bench.mistakes(&md5, NOW), expected);
}

#[test]
fn of_a_key_that_the_console_does_not_read_it_says_so_and_guesses_nothing() {
    let mut bench = bench();
    let business = bench.catalogue.businesses.values_mut().next().unwrap();
    business.md5_allowed = true;
    business.keys.push(BusinessKey {
        kind: KeyKind::Md5,
        text: String::new(),
        not_before: None,
        not_after: None,
    });
    let right = SigningKey::md5("7c1d0e4b92f5484cbd83c1d20b6a55e9")
        .unwrap()
        .sign(&BusinessId::new("b1"), NOW, BODY.as_bytes())
        .unwrap();
    assert_eq!(bench.mistakes(&right, NOW), [ENGLISH.m_secret_key]);
}

#[test]
fn the_first_byte_that_differs_is_shown() {
    let difference =
        first_difference("businessId=b1&nonce=1{}", "businessId=b1&Nonce=1{}").unwrap();
    assert_eq!(difference.at, 14);
    assert_eq!(difference.theirs, "businessId=b1&Nonce=1{}");
    assert_eq!(first_difference("a", "a"), None);
    assert_eq!(first_difference("a", ""), None);
    let longer = first_difference("金额", "金额\n").unwrap();
    assert_eq!(
        (longer.at, longer.theirs.as_str()),
        (6, r"\xe9\x87\x91\xe9\xa2\x9d\n")
    );
}

#[test]
fn headers_that_cannot_be_read_say_which_rule_they_break() {
    let pasted = Pasted {
        headers: "businessId: b1\nnonce: 1\ntimestamp: 1764000000\nsign: x".into(),
        ..Pasted::default()
    };
    let found = examine(&pasted, &Catalogue::default(), NOW);
    assert!(found.unreadable.unwrap().contains("13 digits"));
}

#[test]
fn a_private_key_is_known_by_how_it_begins() {
    let pasted = |text: &str| Pasted {
        theirs: text.into(),
        ..Pasted::default()
    };
    // RSA of 1024, 2048 and 4096 bits as PKCS#8 and as PKCS#1, a curve as SEC1 and as PKCS#8, Ed25519.
    for private in [
        "MIICeAIBADANBgkqhkiG9w0B",
        "MIIEvAIBADANBgkqhkiG9w0B",
        "MIIJQQIBADANBgkqhkiG9w0B",
        "MIICXgIBAAKBgQC1fc35BrBF",
        "MIIEogIBAAKCAQEAnOZT5bxV",
        "MIIJJwIBAAKCAgEAvSRRRECP",
        "MHcCAQEEILXmk0lxX5+ZF10V",
        "MIGHAgEAMBMGByqGSM49AgEG",
        "MC4CAQAwBQYDK2VwBCIEIOGm",
    ] {
        let (first, rest) = private.split_at(7);
        for written in [format!("key={private}"), format!("{first}\r\n  {rest}")] {
            assert!(pasted(&written).holds_private_key(), "{written}");
        }
    }
    // The same keys' public halves, and a signature.
    for public in [
        "MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQC1",
        "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKC",
        "MIICCgKCAgEAvSRRRECPkfEeRKY0nKdQBrEiUEkb",
        "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEhBZA",
        "sign: kq0mR3V+PzT1m5xGv7o2Jw==",
    ] {
        assert!(!pasted(public).holds_private_key(), "{public}");
    }
}
