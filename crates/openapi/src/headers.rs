//! The headers that authenticate a request or a report, and their grammar (`CONTRACT.md` §1).
//!
//! The grammar is checked before the string to sign is built, because that string is ambiguous without it: a nonce of
//! `N1&signType=X` would read like the nonce `N1` with that `signType`, and one signature would serve for two nonces.

use domain::{BusinessId, UnixMs};

use crate::signature::SignType;

/// The account that asks.
pub const BUSINESS_ID: &str = "businessId";
/// Different in every request.
pub const NONCE: &str = "nonce";
/// Unix milliseconds.
pub const TIMESTAMP: &str = "timestamp";
/// How the request is signed; may be absent.
pub const SIGN_TYPE: &str = "signType";
/// The signature.
pub const SIGN: &str = "sign";

const NAMES: [&str; 5] = [BUSINESS_ID, NONCE, TIMESTAMP, SIGN_TYPE, SIGN];

/// Base64 of the signature of the longest key (8192 bits) takes 1,368 characters.
const LONGEST_SIGN: usize = 1_400;
const LONGEST_ID: usize = 64;
const TIMESTAMP_DIGITS: usize = 13;

const BUSINESS_ID_RULE: &str = "must be 1 to 64 of the characters A-Z a-z 0-9 _ -";
const NONCE_RULE: &str = "must be 1 to 64 of the characters A-Z a-z 0-9 . _ ~ + / -";
const TIMESTAMP_RULE: &str = "must be Unix milliseconds: 13 digits";
const SIGN_TYPE_RULE: &str = "must be SHA256-RSA or MD5, or be left out for SHA256-RSA";
const SIGN_RULE: &str = "must be at most 1400 visible ASCII characters";

/// The authentication headers of one request, well formed; whether the signature is right is not known yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthHeaders {
    /// `businessId`.
    pub business: BusinessId,
    /// `nonce`.
    pub nonce: String,
    /// `timestamp`.
    pub timestamp: UnixMs,
    /// `signType` as it was sent; an absent or empty one is not part of the string to sign.
    pub sign_type: Option<SignType>,
    /// `sign`, not decoded.
    pub sign: String,
}

/// Why the headers answer 3.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// Not sent, or empty.
    #[error("header {0} is required")]
    Missing(&'static str),
    /// Sent twice.
    #[error("header {0} must not be sent more than once")]
    Repeated(&'static str),
    /// Against its grammar.
    #[error("header {name} {rule}")]
    Malformed {
        /// The header.
        name: &'static str,
        /// What it must be.
        rule: &'static str,
    },
}

impl AuthHeaders {
    /// Picks the authentication headers out of all headers of a request, names in any case, and holds them to the grammar.
    pub fn read<'a>(
        headers: impl IntoIterator<Item = (&'a str, &'a [u8])>,
    ) -> Result<Self, HeaderError> {
        let mut found: [Option<&[u8]>; NAMES.len()] = [None; NAMES.len()];
        for (name, value) in headers {
            let Some(at) = NAMES.iter().position(|n| n.eq_ignore_ascii_case(name)) else {
                continue;
            };
            if found[at].replace(value).is_some() {
                return Err(HeaderError::Repeated(NAMES[at]));
            }
        }
        let [business, nonce, timestamp, sign_type, sign] = found;
        let nonce = token(NONCE, nonce, NONCE_RULE, is_nonce_byte)?;
        let sign = required(SIGN, sign)?;
        if sign.len() > LONGEST_SIGN || !sign.iter().all(u8::is_ascii_graphic) {
            return Err(malformed(SIGN, SIGN_RULE));
        }
        Ok(Self {
            business: BusinessId::new(token(
                BUSINESS_ID,
                business,
                BUSINESS_ID_RULE,
                is_business_id_byte,
            )?),
            nonce,
            timestamp: read_timestamp(required(TIMESTAMP, timestamp)?)?,
            sign_type: read_sign_type(sign_type)?,
            sign: ascii(sign),
        })
    }

    /// How the request is signed.
    pub fn effective_sign_type(&self) -> SignType {
        self.sign_type.unwrap_or_default()
    }

    /// Whether the timestamp is at most `window_ms` before or after `now`.
    pub fn is_near(&self, now: UnixMs, window_ms: u32) -> bool {
        self.timestamp.0.abs_diff(now.0) <= u64::from(window_ms)
    }

    /// The headers to send, in the order of the string to sign, `sign` last.
    pub fn pairs(&self) -> Vec<(&'static str, String)> {
        let mut pairs = self.signed_pairs();
        pairs.push((SIGN, self.sign.clone()));
        pairs
    }

    /// The part of the string to sign that comes before the body.
    pub fn string_before_body(&self) -> String {
        let parts: Vec<String> = self
            .signed_pairs()
            .into_iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        parts.join("&")
    }

    /// The headers that the signature covers, sorted by name.
    fn signed_pairs(&self) -> Vec<(&'static str, String)> {
        let mut pairs = vec![
            (BUSINESS_ID, self.business.to_string()),
            (NONCE, self.nonce.clone()),
        ];
        pairs.extend(self.sign_type.map(|t| (SIGN_TYPE, t.name().to_owned())));
        pairs.push((TIMESTAMP, timestamp_text(self.timestamp)));
        pairs
    }
}

/// The only form of a timestamp: what was read is written again digit by digit.
fn timestamp_text(timestamp: UnixMs) -> String {
    format!("{:0width$}", timestamp.0, width = TIMESTAMP_DIGITS)
}

fn read_timestamp(value: &[u8]) -> Result<UnixMs, HeaderError> {
    if value.len() != TIMESTAMP_DIGITS || !value.iter().all(u8::is_ascii_digit) {
        return Err(malformed(TIMESTAMP, TIMESTAMP_RULE));
    }
    let ms = value
        .iter()
        .fold(0, |ms: i64, digit| ms * 10 + i64::from(digit - b'0'));
    Ok(UnixMs(ms))
}

fn read_sign_type(value: Option<&[u8]>) -> Result<Option<SignType>, HeaderError> {
    match value {
        None | Some(b"") => Ok(None),
        Some(name) => SignType::ALL
            .into_iter()
            .find(|t| t.name().as_bytes() == name)
            .map(Some)
            .ok_or_else(|| malformed(SIGN_TYPE, SIGN_TYPE_RULE)),
    }
}

fn required<'a>(name: &'static str, value: Option<&'a [u8]>) -> Result<&'a [u8], HeaderError> {
    value
        .filter(|v| !v.is_empty())
        .ok_or(HeaderError::Missing(name))
}

fn token(
    name: &'static str,
    value: Option<&[u8]>,
    rule: &'static str,
    allowed: fn(u8) -> bool,
) -> Result<String, HeaderError> {
    let value = required(name, value)?;
    if value.len() > LONGEST_ID || !value.iter().copied().all(allowed) {
        return Err(malformed(name, rule));
    }
    Ok(ascii(value))
}

/// Bytes that have been found to be ASCII.
fn ascii(value: &[u8]) -> String {
    value.iter().copied().map(char::from).collect()
}

fn malformed(name: &'static str, rule: &'static str) -> HeaderError {
    HeaderError::Malformed { name, rule }
}

fn is_business_id_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}

fn is_nonce_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'~' | b'+' | b'/' | b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: [(&str, &str); 5] = [
        ("businessid", "754ea3e3_A-1"),
        ("nonce", "aZ09._~+/-"),
        ("timestamp", "1628772138668"),
        ("signtype", "MD5"),
        ("sign", "83E4AE12354EFD3063C053BC60E3FBD2"),
    ];

    fn read(pairs: &[(&str, &str)]) -> Result<AuthHeaders, HeaderError> {
        AuthHeaders::read(pairs.iter().map(|(n, v)| (*n, v.as_bytes())))
    }

    /// The good headers with one value replaced.
    fn with(name: &str, value: &str) -> Result<AuthHeaders, HeaderError> {
        let pairs = GOOD.map(|(n, v)| (n, if n == name { value } else { v }));
        read(&pairs)
    }

    fn without(name: &str) -> Result<AuthHeaders, HeaderError> {
        let pairs: Vec<_> = GOOD.into_iter().filter(|(n, _)| *n != name).collect();
        read(&pairs)
    }

    #[test]
    fn names_match_in_any_case_and_other_headers_do_not_matter() {
        let mut pairs = GOOD.map(|(n, v)| (n.to_uppercase(), v)).to_vec();
        pairs.push(("ACCEPT".to_owned(), "*/*"));
        pairs.push(("ACCEPT".to_owned(), "text/html"));
        let headers =
            AuthHeaders::read(pairs.iter().map(|(n, v)| (n.as_str(), v.as_bytes()))).unwrap();
        assert_eq!(headers.sign_type, Some(SignType::Md5));
        assert_eq!(
            headers.string_before_body(),
            "businessId=754ea3e3_A-1&nonce=aZ09._~+/-&signType=MD5&timestamp=1628772138668"
        );
        assert_eq!(headers.pairs().last().unwrap().0, "sign");
    }

    #[test]
    fn an_absent_or_empty_sign_type_means_rsa_and_is_not_signed() {
        for headers in [without("signtype"), with("signtype", "")] {
            let headers = headers.unwrap();
            assert_eq!(headers.effective_sign_type(), SignType::Sha256Rsa);
            assert!(!headers.string_before_body().contains("signType"));
        }
    }

    #[test]
    fn a_missing_or_empty_header_is_named() {
        for (lower, name) in [
            ("businessid", BUSINESS_ID),
            ("nonce", NONCE),
            ("timestamp", TIMESTAMP),
            ("sign", SIGN),
        ] {
            assert_eq!(without(lower), Err(HeaderError::Missing(name)));
            assert_eq!(with(lower, ""), Err(HeaderError::Missing(name)));
        }
    }

    #[test]
    fn no_header_may_come_twice_not_even_an_empty_one() {
        for (name, value) in GOOD {
            for again in [value, ""] {
                let mut pairs = GOOD.to_vec();
                pairs.push((name, again));
                assert!(
                    matches!(read(&pairs), Err(HeaderError::Repeated(_))),
                    "{name}"
                );
            }
        }
    }

    #[test]
    fn a_nonce_cannot_pretend_to_be_a_sign_type() {
        assert_eq!(
            with("nonce", "N1&signType=X"),
            Err(malformed(NONCE, NONCE_RULE))
        );
    }

    #[test]
    fn what_breaks_the_grammar_is_refused() {
        let long = "a".repeat(65);
        for (name, values) in [
            ("businessid", &["a b", "a.b", "a=b", "é", &long][..]),
            ("nonce", &["a b", "a=b", "a&b", "\u{1}", "号", &long][..]),
            (
                "timestamp",
                &[
                    "162877213866",
                    "16287721386680",
                    "162877213866a",
                    "+628772138668",
                    "-628772138668",
                ][..],
            ),
            ("signtype", &["md5", "RSA", "SHA256-RSA ", "MD5,MD5"][..]),
            ("sign", &["a b", "é", &"a".repeat(1_401)][..]),
        ] {
            for value in values {
                assert!(
                    matches!(with(name, value), Err(HeaderError::Malformed { .. })),
                    "{name}: {value}"
                );
            }
        }
    }

    #[test]
    fn leading_zeros_of_a_timestamp_are_kept_in_the_string_to_sign() {
        let headers = with("timestamp", "0000000000042").unwrap();
        assert_eq!(headers.timestamp, UnixMs(42));
        assert!(headers.string_before_body().ends_with("=0000000000042"));
    }

    #[test]
    fn the_window_reaches_both_ways_and_includes_its_ends() {
        let headers = with("timestamp", "1628772138668").unwrap();
        for (now, near) in [
            (1_628_772_138_668 - 300_000, true),
            (1_628_772_138_668 + 300_000, true),
            (1_628_772_138_668 - 300_001, false),
            (1_628_772_138_668 + 300_001, false),
            (i64::MIN, false),
        ] {
            assert_eq!(headers.is_near(UnixMs(now), 300_000), near, "{now}");
        }
    }
}
