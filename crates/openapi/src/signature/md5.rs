//! The MD5 kind: hex(MD5(string + body + secret)).

use std::fmt;

use md5::{Digest, Md5};
use subtle::ConstantTimeEq;

use super::KeyError;

const SHORTEST: usize = 16;
const LONGEST: usize = 128;

/// An account's MD5 secret; never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Md5Secret(String);

impl Md5Secret {
    /// Takes a secret of 16 to 128 visible ASCII characters.
    pub fn new(text: &str) -> Result<Self, KeyError> {
        let long_enough = (SHORTEST..=LONGEST).contains(&text.len());
        if !long_enough || !text.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(KeyError::BadSecret);
        }
        Ok(Self(text.to_owned()))
    }

    /// The secret itself, for whoever stores or shows it on purpose.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The signature of what has been hashed so far.
    pub(super) fn sign(&self, hashed: &HashedMessage) -> String {
        let mut hash = hashed.0.clone();
        hash.update(self.0.as_bytes());
        hex::encode_upper(hash.finalize())
    }

    /// Compares without telling by its time how much of the signature was right. Lower-case digits are not the contract's.
    pub(super) fn verifies(&self, hashed: &HashedMessage, sign: &str) -> bool {
        self.sign(hashed).as_bytes().ct_eq(sign.as_bytes()).into()
    }
}

impl fmt::Debug for Md5Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Md5Secret(…)")
    }
}

/// The string and the body, hashed once for however many secrets are tried.
pub(super) struct HashedMessage(Md5);

impl HashedMessage {
    pub(super) fn new(before_body: &str, body: &[u8]) -> Self {
        let mut hash = Md5::new();
        hash.update(before_body.as_bytes());
        hash.update(body);
        Self(hash)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_neither_short_nor_odd_and_is_never_printed() {
        for text in [
            "",
            "fifteen-letters",
            "sixteen letters!",
            "sixteen-letters\u{1}",
            &"a".repeat(129),
        ] {
            assert_eq!(Md5Secret::new(text), Err(KeyError::BadSecret), "{text}");
        }
        let secret = Md5Secret::new("sixteen-letters!").unwrap();
        assert_eq!(format!("{secret:?}"), "Md5Secret(…)");
    }
}
