//! Signing what we send: a merchant's request (as the `openapi` supplier shape does) or the platform's report.

use domain::{BusinessId, UnixMs};

use super::md5::HashedMessage;
use super::{KeyError, Md5Secret, RsaPrivateKey, SignType, VerifyingKey, rsa};
use crate::headers::AuthHeaders;

/// A key that signs.
#[derive(Clone, Debug)]
pub enum SigningKey {
    /// For [`SignType::Sha256Rsa`].
    Rsa(RsaPrivateKey),
    /// For [`SignType::Md5`].
    Md5(Md5Secret),
}

/// The library could not sign; nothing is known about why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the signature could not be made")]
pub struct SigningFailed;

impl SigningKey {
    /// Reads an RSA private key.
    pub fn rsa_from_pem(text: &str) -> Result<Self, KeyError> {
        RsaPrivateKey::from_pem(text).map(Self::Rsa)
    }

    /// Takes an MD5 secret.
    pub fn md5(secret: &str) -> Result<Self, KeyError> {
        Md5Secret::new(secret).map(Self::Md5)
    }

    /// A new RSA key of 2048 bits.
    pub fn generate() -> Result<Self, KeyError> {
        RsaPrivateKey::generate().map(Self::Rsa)
    }

    /// The kind of signature that it makes.
    pub const fn sign_type(&self) -> SignType {
        match self {
            Self::Rsa(_) => SignType::Sha256Rsa,
            Self::Md5(_) => SignType::Md5,
        }
    }

    /// The key that verifies what this one signs.
    pub fn verifying_key(&self) -> Result<VerifyingKey, KeyError> {
        match self {
            Self::Rsa(key) => key.public_key().map(VerifyingKey::Rsa),
            Self::Md5(secret) => Ok(VerifyingKey::Md5(secret.clone())),
        }
    }

    /// The headers of one request or report: a new nonce each time, `signType` always named.
    pub fn sign(
        &self,
        business: &BusinessId,
        now: UnixMs,
        body: &[u8],
    ) -> Result<AuthHeaders, SigningFailed> {
        let nonce = hex::encode(rand::random::<[u8; 16]>());
        self.sign_as(
            AuthHeaders {
                business: business.clone(),
                nonce,
                timestamp: now,
                sign_type: Some(self.sign_type()),
                sign: String::new(),
            },
            body,
        )
    }

    /// Signs headers that are given in full, `sign` aside.
    pub fn sign_as(
        &self,
        mut headers: AuthHeaders,
        body: &[u8],
    ) -> Result<AuthHeaders, SigningFailed> {
        let before_body = headers.string_before_body();
        headers.sign = match self {
            Self::Rsa(key) => key
                .sign(&rsa::hash(&before_body, body))
                .map_err(|_| SigningFailed)?,
            Self::Md5(secret) => secret.sign(&HashedMessage::new(&before_body, body)),
        };
        Ok(headers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signature::VerifyingKeys;

    const NOW: UnixMs = UnixMs(1_764_000_000_000);

    #[test]
    fn what_is_signed_verifies_after_keys_went_through_pem() {
        let SigningKey::Rsa(key) = SigningKey::generate().unwrap() else {
            unreachable!("an RSA key is generated");
        };
        let private = key.to_pem().unwrap();
        let public = key.public_key().unwrap().to_pem().unwrap();
        assert!(private.starts_with("-----BEGIN PRIVATE KEY-----\n"));
        assert!(public.starts_with("-----BEGIN PUBLIC KEY-----\n"));

        let signing = SigningKey::rsa_from_pem(&private).unwrap();
        let headers = signing.sign(&BusinessId::new("b"), NOW, b"body").unwrap();
        let keys = VerifyingKeys::new(
            SignType::ALL,
            [VerifyingKey::rsa_from_pem(&public).unwrap().into()],
        );
        assert_eq!(keys.verify(NOW, &headers, b"body"), Ok(()));
        assert!(keys.verify(NOW, &headers, b"bodx").is_err());
    }

    #[test]
    fn every_signature_has_a_nonce_of_its_own() {
        let key = SigningKey::md5("sixteen-letters!").unwrap();
        let [one, two] = [0, 1].map(|_| key.sign(&BusinessId::new("b"), NOW, b"").unwrap());
        assert_ne!(one.nonce, two.nonce);
        assert_ne!(one.sign, two.sign);
    }

    #[test]
    fn a_key_that_is_none_is_refused_with_the_reason() {
        assert!(matches!(
            SigningKey::rsa_from_pem("x"),
            Err(KeyError::NotPem(_))
        ));
        assert!(matches!(
            VerifyingKey::rsa_from_pem("x"),
            Err(KeyError::NotPem(_))
        ));
        let not_a_key = "-----BEGIN PUBLIC KEY-----\nYWJj\n-----END PUBLIC KEY-----";
        assert_eq!(
            VerifyingKey::rsa_from_pem(not_a_key).unwrap_err(),
            KeyError::NotAnRsaKey
        );
    }
}
