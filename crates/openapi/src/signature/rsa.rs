//! The RSA kind: RSASSA-PKCS1-v1_5 with SHA-256, keys of 2048 to 8192 bits.

use std::fmt;
use std::ops::RangeInclusive;

use aws_lc_rs::digest::{Context, Digest, SHA256};
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    KeyPair as _, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RsaKeyPair,
    RsaParameters, RsaSubjectPublicKey,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{KeyError, pem};

const SPKI: &str = "PUBLIC KEY";
const PKCS1_PUBLIC: &str = "RSA PUBLIC KEY";
const PKCS8: &str = "PRIVATE KEY";
const PKCS1_PRIVATE: &str = "RSA PRIVATE KEY";

const BITS: RangeInclusive<usize> = 2_048..=8_192;

/// A public key, parsed once.
#[derive(Clone)]
pub struct RsaPublicKey(ParsedPublicKey);

/// A private key, parsed once; never printed.
#[derive(Clone)]
pub struct RsaPrivateKey(RsaKeyPair);

impl RsaPublicKey {
    /// Reads `PUBLIC KEY` (what `openssl rsa -pubout` writes) or `RSA PUBLIC KEY` (PKCS#1).
    pub fn from_pem(text: &str) -> Result<Self, KeyError> {
        let der = pem::decode(text, SPKI)
            .or_else(|| pem::decode(text, PKCS1_PUBLIC))
            .ok_or(KeyError::NotPem("PUBLIC KEY or RSA PUBLIC KEY"))?;
        let key = RsaSubjectPublicKey::from_der(&der).map_err(|_| KeyError::NotAnRsaKey)?;
        // The library would only refuse a short key when it verifies; an operator should hear it when it is entered.
        check_size(key.as_ref())?;
        ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key.as_ref())
            .map(Self)
            .map_err(|_| KeyError::NotAnRsaKey)
    }

    /// As `PUBLIC KEY`.
    pub fn to_pem(&self) -> Result<String, KeyError> {
        let der: PublicKeyX509Der<'_> = self.0.as_der().map_err(|_| KeyError::NotAnRsaKey)?;
        Ok(pem::encode(der.as_ref(), SPKI))
    }

    /// Whether `signature` is this key's over what was hashed.
    pub(super) fn verifies(&self, hashed: &Digest, signature: &[u8]) -> bool {
        self.0.verify_digest_sig(hashed, signature).is_ok()
    }
}

impl RsaPrivateKey {
    /// Reads `PRIVATE KEY` (PKCS#8, unencrypted) or `RSA PRIVATE KEY` (PKCS#1).
    pub fn from_pem(text: &str) -> Result<Self, KeyError> {
        let pair = if let Some(der) = pem::decode(text, PKCS8) {
            RsaKeyPair::from_pkcs8(&der)
        } else if let Some(der) = pem::decode(text, PKCS1_PRIVATE) {
            RsaKeyPair::from_der(&der)
        } else {
            return Err(KeyError::NotPem("PRIVATE KEY or RSA PRIVATE KEY"));
        };
        let pair = pair.map_err(|_| KeyError::NotAnRsaKey)?;
        check_size(pair.public_key().as_ref())?;
        Ok(Self(pair))
    }

    /// A new key of 2048 bits.
    pub fn generate() -> Result<Self, KeyError> {
        RsaKeyPair::generate(KeySize::Rsa2048)
            .map(Self)
            .map_err(|_| KeyError::NotGenerated)
    }

    /// The private key as `PRIVATE KEY` (PKCS#8). A secret.
    pub fn to_pem(&self) -> Result<String, KeyError> {
        let der: Pkcs8V1Der<'_> = self.0.as_der().map_err(|_| KeyError::NotAnRsaKey)?;
        Ok(pem::encode(der.as_ref(), PKCS8))
    }

    /// The key that verifies what this one signs.
    pub fn public_key(&self) -> Result<RsaPublicKey, KeyError> {
        let der = self.0.public_key().as_ref();
        ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, der)
            .map(RsaPublicKey)
            .map_err(|_| KeyError::NotAnRsaKey)
    }

    /// The signature of what was hashed, in Base64.
    pub(super) fn sign(&self, hashed: &Digest) -> Result<String, Unspecified> {
        let mut signature = vec![0; self.0.public_modulus_len()];
        self.0
            .sign_digest(&RSA_PKCS1_SHA256, hashed, &mut signature)?;
        Ok(STANDARD.encode(signature))
    }
}

impl fmt::Debug for RsaPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RsaPublicKey(…)")
    }
}

impl fmt::Debug for RsaPrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RsaPrivateKey(…)")
    }
}

/// The string and the body, hashed once for however many keys are tried.
pub(super) fn hash(before_body: &str, body: &[u8]) -> Digest {
    let mut context = Context::new(&SHA256);
    context.update(before_body.as_bytes());
    context.update(body);
    context.finish()
}

/// Holds the modulus of a PKCS#1 public key to the allowed sizes.
fn check_size(pkcs1_public: &[u8]) -> Result<(), KeyError> {
    let bits = RsaParameters::public_modulus_len(pkcs1_public)
        .ok()
        .and_then(|bits| usize::try_from(bits).ok())
        .ok_or(KeyError::NotAnRsaKey)?;
    if BITS.contains(&bits) {
        Ok(())
    } else {
        Err(KeyError::RsaSize(bits))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where the PKCS#1 key begins inside a PKCS#8 key of 2048 bits.
    const PKCS8_HEADER: usize = 26;

    #[test]
    fn the_older_pem_kinds_are_read_too() {
        let key = RsaPrivateKey::generate().unwrap();
        let pkcs8: Pkcs8V1Der<'_> = key.0.as_der().unwrap();
        let old_private = pem::encode(&pkcs8.as_ref()[PKCS8_HEADER..], PKCS1_PRIVATE);
        let old_public = pem::encode(key.0.public_key().as_ref(), PKCS1_PUBLIC);

        let hashed = hash("a=b", b"body");
        let sign = RsaPrivateKey::from_pem(&old_private)
            .unwrap()
            .sign(&hashed)
            .unwrap();
        let public = RsaPublicKey::from_pem(&old_public).unwrap();
        assert!(public.verifies(&hashed, &STANDARD.decode(sign).unwrap()));
        assert_eq!(public.to_pem(), key.public_key().unwrap().to_pem());
    }

    #[test]
    fn a_short_key_is_refused_when_it_is_entered() {
        let short = include_str!("../../tests/vectors/short-1024.pub.pem");
        assert_eq!(
            RsaPublicKey::from_pem(short).unwrap_err(),
            KeyError::RsaSize(1_024)
        );
    }

    #[test]
    fn keys_are_never_printed() {
        let key = RsaPrivateKey::generate().unwrap();
        assert_eq!(format!("{key:?}"), "RsaPrivateKey(…)");
        assert_eq!(
            format!("{:?}", key.public_key().unwrap()),
            "RsaPublicKey(…)"
        );
    }
}
