//! The signature of the open API (contract §1), written from the contract alone:
//! with the platform's own code a wrong scheme would agree with itself.

use std::fmt;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair;
use aws_lc_rs::signature::{ParsedPublicKey, RSA_PKCS1_SHA256};
use axum::http::HeaderMap;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest, Md5};

use crate::clock::now_ms;
use crate::error::SimulatorError;
use crate::keys;

/// The two kinds of signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SignType {
    Sha256Rsa,
    Md5,
}

impl SignType {
    const fn name(self) -> &'static str {
        match self {
            Self::Sha256Rsa => "SHA256-RSA",
            Self::Md5 => "MD5",
        }
    }
}

/// The headers of a signed request, as they came in or are to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedHeaders {
    /// `businessId`
    pub business_id: String,
    /// `nonce`
    pub nonce: String,
    /// `timestamp`, Unix milliseconds
    pub timestamp: String,
    /// `signType`, when sent
    pub sign_type: Option<String>,
    /// `sign`
    pub sign: String,
}

impl SignedHeaders {
    /// Reads and checks the headers' form. The error names the header.
    pub(crate) fn read(headers: &HeaderMap) -> Result<Self, &'static str> {
        let one = |name: &'static str| {
            let mut values = headers.get_all(name).iter();
            let first = values.next();
            if values.next().is_some() {
                return Err(name);
            }
            first
                .map(|value| value.to_str().map(str::to_owned).map_err(|_| name))
                .transpose()
        };
        let required = |name: &'static str, allowed: &str| {
            let value = one(name)?.ok_or(name)?;
            let fits = (1..=64).contains(&value.len())
                && value
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || allowed.as_bytes().contains(&b));
            if fits { Ok(value) } else { Err(name) }
        };
        let business_id = required("businessId", "_-")?;
        let nonce = required("nonce", "._~+/-")?;
        let timestamp = required("timestamp", "")?;
        if timestamp.len() != 13 || !timestamp.bytes().all(|b| b.is_ascii_digit()) {
            return Err("timestamp");
        }
        let sign_type = one("signType")?.filter(|name| !name.is_empty());
        if !matches!(sign_type.as_deref(), None | Some("SHA256-RSA" | "MD5")) {
            return Err("signType");
        }
        let sign = one("sign")?.ok_or("sign")?;
        if sign.is_empty() || sign.len() > 2048 {
            return Err("sign");
        }
        Ok(Self {
            business_id,
            nonce,
            timestamp,
            sign_type,
            sign,
        })
    }

    /// Milliseconds between the request's time and now.
    pub(crate) fn distance_ms(&self) -> u64 {
        self.timestamp
            .parse::<u64>()
            .map_or(u64::MAX, |then| then.abs_diff(now_ms()))
    }

    fn to_sign(&self, body: &[u8]) -> Vec<u8> {
        let mut text = format!("businessId={}&nonce={}", self.business_id, self.nonce);
        if let Some(sign_type) = &self.sign_type {
            text.push_str("&signType=");
            text.push_str(sign_type);
        }
        text.push_str("&timestamp=");
        text.push_str(&self.timestamp);
        let mut bytes = text.into_bytes();
        bytes.extend_from_slice(body);
        bytes
    }

    /// As names and values, ready to be put on a request.
    pub fn pairs(&self) -> impl Iterator<Item = (&'static str, &str)> {
        [
            ("businessId", Some(self.business_id.as_str())),
            ("nonce", Some(self.nonce.as_str())),
            ("timestamp", Some(self.timestamp.as_str())),
            ("signType", self.sign_type.as_deref()),
            ("sign", Some(self.sign.as_str())),
        ]
        .into_iter()
        .filter_map(|(name, value)| value.map(|value| (name, value)))
    }
}

/// What signs: a private key, or the secret that both sides know.
pub(crate) enum Signer {
    Rsa(Box<KeyPair>),
    Md5(String),
}

impl Signer {
    pub(crate) fn rsa(pem: &str, field: &'static str) -> Result<Self, SimulatorError> {
        Ok(Self::Rsa(Box::new(keys::private_key(pem, field)?)))
    }

    /// Signs now, with a new nonce.
    pub(crate) fn sign(&self, business_id: &str, body: &[u8]) -> SignedHeaders {
        let nonce = uuid::Uuid::now_v7().simple().to_string();
        self.sign_with(business_id, nonce, now_ms().to_string(), body)
    }

    /// Signs with the nonce and the time given, for tests of replays and of clocks.
    pub(crate) fn sign_with(
        &self,
        business_id: &str,
        nonce: String,
        timestamp: String,
        body: &[u8],
    ) -> SignedHeaders {
        let kind = match self {
            Self::Rsa(_) => SignType::Sha256Rsa,
            Self::Md5(_) => SignType::Md5,
        };
        let mut headers = SignedHeaders {
            business_id: business_id.to_owned(),
            nonce,
            timestamp,
            sign_type: Some(kind.name().to_owned()),
            sign: String::new(),
        };
        let text = headers.to_sign(body);
        headers.sign = match self {
            Self::Rsa(key) => rsa_sign(key, &text),
            Self::Md5(secret) => md5_sign(text, secret),
        };
        headers
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rsa(_) => "Signer::Rsa(***)",
            Self::Md5(_) => "Signer::Md5(***)",
        })
    }
}

/// What checks: the other side's public keys, and the secrets shared with it. Any that fits will do, so that keys can rotate.
#[derive(Default)]
pub(crate) struct Verifier {
    rsa: Vec<ParsedPublicKey>,
    md5: Vec<String>,
}

impl Verifier {
    pub(crate) fn new(
        public_keys: &[String],
        field: &'static str,
        md5_keys: &[String],
    ) -> Result<Self, SimulatorError> {
        Ok(Self {
            rsa: public_keys
                .iter()
                .map(|pem| keys::public_key(pem, field))
                .collect::<Result<_, _>>()?,
            md5: md5_keys.to_vec(),
        })
    }

    pub(crate) fn accepts(&self, headers: &SignedHeaders, body: &[u8]) -> bool {
        let text = headers.to_sign(body);
        if headers.sign_type.as_deref() == Some("MD5") {
            return self.md5.iter().any(|secret| {
                let expected = md5_sign(text.clone(), secret);
                verify_slices_are_equal(headers.sign.as_bytes(), expected.as_bytes()).is_ok()
            });
        }
        STANDARD.decode(&headers.sign).is_ok_and(|sign| {
            self.rsa
                .iter()
                .any(|key| key.verify_sig(&text, &sign).is_ok())
        })
    }
}

fn rsa_sign(key: &KeyPair, text: &[u8]) -> String {
    let mut sign = vec![0; key.public_modulus_len()];
    #[expect(
        clippy::expect_used,
        reason = "the buffer has the length of the modulus, the only thing that sign asks for"
    )]
    key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text, &mut sign)
        .expect("an RSA key of at least 2,048 bits signs a SHA-256 digest");
    STANDARD.encode(sign)
}

fn md5_sign(mut text: Vec<u8>, secret: &str) -> String {
    text.extend_from_slice(secret.as_bytes());
    hex::encode_upper(Md5::digest(&text))
}

#[cfg(test)]
#[path = "open_sign_tests.rs"]
mod tests;
