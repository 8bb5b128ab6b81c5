//! Keys: RSA pairs for demos and tests, and reading them from PEM.

use std::fmt;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::error::SimulatorError;

/// A fresh RSA pair of 2,048 bits, for demos, sandboxes and tests.
#[derive(Clone)]
pub struct RsaPair {
    /// PKCS#8, PEM.
    pub private_pem: String,
    /// SubjectPublicKeyInfo, PEM.
    pub public_pem: String,
}

impl RsaPair {
    /// Makes a new pair; takes a noticeable part of a second in a debug build.
    ///
    /// # Errors
    /// When the machine's source of randomness fails.
    pub fn generate() -> Result<Self, SimulatorError> {
        let failed = |_| SimulatorError::Key {
            field: "rsa",
            reason: "the key pair could not be made",
        };
        let pair = KeyPair::generate(KeySize::Rsa2048).map_err(failed)?;
        let private: Pkcs8V1Der<'_> = pair.as_der().map_err(failed)?;
        let public: PublicKeyX509Der<'_> = pair.public_key().as_der().map_err(failed)?;
        Ok(Self {
            private_pem: write_pem("PRIVATE KEY", private.as_ref()),
            public_pem: write_pem("PUBLIC KEY", public.as_ref()),
        })
    }
}

impl fmt::Debug for RsaPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RsaPair")
            .field("private_pem", &"***")
            .field("public_pem", &self.public_pem)
            .finish()
    }
}

/// Reads a private key, PKCS#8 or PKCS#1, from PEM.
pub(crate) fn private_key(pem: &str, field: &'static str) -> Result<KeyPair, SimulatorError> {
    let der = read_pem(pem, field)?;
    KeyPair::from_pkcs8(&der)
        .or_else(|_| KeyPair::from_der(&der))
        .map_err(|_| SimulatorError::Key {
            field,
            reason: "is not an RSA private key of 2,048 bits or more",
        })
}

/// Reads a public key from PEM.
pub(crate) fn public_key(
    pem: &str,
    field: &'static str,
) -> Result<ParsedPublicKey, SimulatorError> {
    let der = read_pem(pem, field)?;
    ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &der).map_err(|_| SimulatorError::Key {
        field,
        reason: "is not an RSA public key",
    })
}

fn write_pem(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let mut pem = format!("-----BEGIN {label}-----\n");
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(64));
        pem.push_str(line);
        pem.push('\n');
        rest = after;
    }
    pem.push_str("-----END ");
    pem.push_str(label);
    pem.push_str("-----\n");
    pem
}

fn read_pem(pem: &str, field: &'static str) -> Result<Vec<u8>, SimulatorError> {
    let refused = SimulatorError::Key {
        field,
        reason: "is not PEM",
    };
    let mut lines = pem.lines().map(str::trim).filter(|line| !line.is_empty());
    if !lines
        .next()
        .is_some_and(|first| first.starts_with("-----BEGIN "))
    {
        return Err(refused);
    }
    let body: String = lines
        .take_while(|line| !line.starts_with("-----"))
        .collect();
    STANDARD.decode(body).map_err(|_| refused)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_made_pair_is_read_back() {
        let pair = RsaPair::generate().unwrap();
        assert!(
            pair.private_pem
                .starts_with("-----BEGIN PRIVATE KEY-----\n")
        );
        assert!(pair.public_pem.starts_with("-----BEGIN PUBLIC KEY-----\n"));
        private_key(&pair.private_pem, "private_key").unwrap();
        public_key(&pair.public_pem, "public_key").unwrap();
    }

    #[test]
    fn a_private_key_is_never_printed() {
        let pair = RsaPair::generate().unwrap();
        let secret = pair.private_pem.lines().nth(1).unwrap();
        assert!(!format!("{pair:?}").contains(secret));
    }

    #[test]
    fn what_is_not_a_key_is_refused_by_the_fields_name() {
        let error = public_key("hello", "platform_public_keys").unwrap_err();
        assert_eq!(error.to_string(), "platform_public_keys: is not PEM");
        let error = private_key(
            "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----",
            "private_key",
        )
        .unwrap_err();
        assert!(error.to_string().contains("not an RSA private key"));
    }
}
