//! Signing and verifying, both kinds (`CONTRACT.md` §1).
//!
//! What is signed is the authentication headers as [`AuthHeaders::string_before_body`] writes them, followed by the body's bytes as
//! they are. Both are hashed one after the other, so a body is never copied to be signed.
//!
//! [`AuthHeaders::string_before_body`]: crate::AuthHeaders::string_before_body

mod md5;
mod pem;
mod rsa;
mod signing;
mod verifying;

use serde::{Deserialize, Serialize};

pub use md5::Md5Secret;
pub use rsa::{RsaPrivateKey, RsaPublicKey};
pub use signing::{SigningFailed, SigningKey};
pub use verifying::{DatedKey, VerifyingKey, VerifyingKeys, WrongSignature};

/// How a request or a report is signed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum SignType {
    /// RSASSA-PKCS1-v1_5 with SHA-256, standard Base64; the one that is meant when none is named.
    #[default]
    #[serde(rename = "SHA256-RSA")]
    Sha256Rsa,
    /// MD5 over the string and the account's secret, upper-case hexadecimal. Weak: only where it has been switched on.
    #[serde(rename = "MD5")]
    Md5,
}

impl SignType {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Sha256Rsa, Self::Md5];

    /// The name in the header.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sha256Rsa => "SHA256-RSA",
            Self::Md5 => "MD5",
        }
    }
}

/// Why a text is not a key. Never says what the text was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// No PEM block of a kind that can be read.
    #[error("is not a PEM block of the kind {0}")]
    NotPem(&'static str),
    /// A PEM block that does not hold an RSA key.
    #[error("does not hold a valid RSA key")]
    NotAnRsaKey,
    /// Too short to be safe, or too long to be quick.
    #[error("is an RSA key of {0} bits; 2048 to 8192 are allowed")]
    RsaSize(usize),
    /// An MD5 secret against its grammar.
    #[error("must be 16 to 128 visible ASCII characters")]
    BadSecret,
    /// A key could not be made.
    #[error("no key could be generated")]
    NotGenerated,
}
