//! Verifying what others signed, so that a stranger learns nothing from it but "wrong".

use std::hint::black_box;
use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::UnixMs;

use super::md5::HashedMessage;
use super::{KeyError, Md5Secret, RsaPublicKey, SignType, rsa};
use crate::headers::AuthHeaders;

/// A key that verifies.
#[derive(Clone, Debug)]
pub enum VerifyingKey {
    /// For [`SignType::Sha256Rsa`].
    Rsa(RsaPublicKey),
    /// For [`SignType::Md5`].
    Md5(Md5Secret),
}

/// A key and when it holds, so that keys rotate without an outage.
#[derive(Clone, Debug)]
pub struct DatedKey {
    /// The key.
    pub key: VerifyingKey,
    /// The first moment that it holds; `None`: always has.
    pub not_before: Option<UnixMs>,
    /// The first moment that it does not hold any more; `None`: always will.
    pub not_after: Option<UnixMs>,
}

/// All keys of an account, and the kinds that it may use.
#[derive(Clone, Debug, Default)]
pub struct VerifyingKeys {
    allowed: Vec<SignType>,
    keys: Vec<DatedKey>,
}

/// Status 2: no such account, not its kind of signature, no key in force, or simply wrong. Which one is not said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("signature verification failed")]
pub struct WrongSignature;

impl VerifyingKey {
    /// Reads an RSA public key.
    pub fn rsa_from_pem(text: &str) -> Result<Self, KeyError> {
        RsaPublicKey::from_pem(text).map(Self::Rsa)
    }

    /// Takes an MD5 secret.
    pub fn md5(secret: &str) -> Result<Self, KeyError> {
        Md5Secret::new(secret).map(Self::Md5)
    }

    /// The kind of signature that it verifies.
    pub const fn sign_type(&self) -> SignType {
        match self {
            Self::Rsa(_) => SignType::Sha256Rsa,
            Self::Md5(_) => SignType::Md5,
        }
    }
}

impl From<VerifyingKey> for DatedKey {
    /// Holds always.
    fn from(key: VerifyingKey) -> Self {
        Self {
            key,
            not_before: None,
            not_after: None,
        }
    }
}

impl DatedKey {
    fn holds(&self, now: UnixMs) -> bool {
        self.not_before.is_none_or(|from| from <= now) && self.not_after.is_none_or(|to| now < to)
    }
}

impl VerifyingKeys {
    /// The keys of an account; those of a kind that it may not use are never tried.
    pub fn new(
        allowed: impl IntoIterator<Item = SignType>,
        keys: impl IntoIterator<Item = DatedKey>,
    ) -> Self {
        Self {
            allowed: allowed.into_iter().collect(),
            keys: keys.into_iter().collect(),
        }
    }

    /// The keys of an account that does not exist: nothing verifies, at the cost of a real check.
    pub fn of_a_stranger() -> Self {
        Self::default()
    }

    /// Whether one of the keys in force at `now` signed these headers and this body.
    ///
    /// Where there is no key to try, a dummy is tried: a stranger cannot tell by the time whether an account exists.
    pub fn verify(
        &self,
        now: UnixMs,
        headers: &AuthHeaders,
        body: &[u8],
    ) -> Result<(), WrongSignature> {
        let before_body = headers.string_before_body();
        let sign_type = headers.effective_sign_type();
        let keys = self.in_force(sign_type, now);
        let right = match sign_type {
            SignType::Sha256Rsa => {
                let hashed = rsa::hash(&before_body, body);
                let signature = STANDARD.decode(&headers.sign).map_err(|_| WrongSignature)?;
                tried(keys, dummy_rsa(), |key| match key {
                    VerifyingKey::Rsa(key) => key.verifies(&hashed, &signature),
                    VerifyingKey::Md5(_) => false,
                })
            }
            SignType::Md5 => {
                let hashed = HashedMessage::new(&before_body, body);
                tried(keys, dummy_md5(), |key| match key {
                    VerifyingKey::Md5(secret) => secret.verifies(&hashed, &headers.sign),
                    VerifyingKey::Rsa(_) => false,
                })
            }
        };
        if right { Ok(()) } else { Err(WrongSignature) }
    }

    fn in_force(&self, sign_type: SignType, now: UnixMs) -> Vec<&VerifyingKey> {
        if !self.allowed.contains(&sign_type) {
            return Vec::new();
        }
        self.keys
            .iter()
            .filter(|k| k.key.sign_type() == sign_type && k.holds(now))
            .map(|k| &k.key)
            .collect()
    }
}

/// Tries every key; without any, tries the dummy and refuses whatever it says.
fn tried(
    keys: Vec<&VerifyingKey>,
    dummy: Option<&VerifyingKey>,
    verifies: impl Fn(&VerifyingKey) -> bool,
) -> bool {
    if keys.is_empty() {
        black_box(dummy.is_some_and(verifies));
        return false;
    }
    keys.into_iter().any(verifies)
}

/// A public key whose private half was thrown away.
const DUMMY_PEM: &str = include_str!("dummy.pub.pem");

fn dummy_rsa() -> Option<&'static VerifyingKey> {
    static KEY: LazyLock<Option<VerifyingKey>> =
        LazyLock::new(|| VerifyingKey::rsa_from_pem(DUMMY_PEM).ok());
    KEY.as_ref()
}

fn dummy_md5() -> Option<&'static VerifyingKey> {
    static KEY: LazyLock<Option<VerifyingKey>> =
        LazyLock::new(|| VerifyingKey::md5("nobody-signs-with-this-dummy-key").ok());
    KEY.as_ref()
}

#[cfg(test)]
mod tests {
    use domain::BusinessId;

    use super::*;
    use crate::signature::SigningKey;

    const NOW: UnixMs = UnixMs(1_764_000_000_000);
    const SECRET: &str = "7c1d0e4b92f5484cbd83c1d20b6a55e9";
    const OTHER: &str = "00000000000000000000000000000000";

    fn signed(key: &SigningKey) -> AuthHeaders {
        key.sign(&BusinessId::new("b-1"), NOW, b"{}").unwrap()
    }

    fn md5_key(secret: &str) -> DatedKey {
        VerifyingKey::md5(secret).unwrap().into()
    }

    #[test]
    fn both_dummies_can_be_used() {
        assert!(dummy_rsa().is_some());
        assert!(dummy_md5().is_some());
    }

    #[test]
    fn a_stranger_never_verifies_not_even_with_the_dummy_s_secret() {
        let dummy = SigningKey::md5("nobody-signs-with-this-dummy-key").unwrap();
        let stranger = VerifyingKeys::of_a_stranger();
        for key in [dummy, SigningKey::generate().unwrap()] {
            assert_eq!(
                stranger.verify(NOW, &signed(&key), b"{}"),
                Err(WrongSignature)
            );
        }
    }

    #[test]
    fn a_kind_that_is_not_switched_on_is_wrong_though_the_key_is_right() {
        let headers = signed(&SigningKey::md5(SECRET).unwrap());
        let only_rsa = VerifyingKeys::new([SignType::Sha256Rsa], [md5_key(SECRET)]);
        assert_eq!(only_rsa.verify(NOW, &headers, b"{}"), Err(WrongSignature));
        let both = VerifyingKeys::new(SignType::ALL, [md5_key(SECRET)]);
        assert_eq!(both.verify(NOW, &headers, b"{}"), Ok(()));
    }

    #[test]
    fn any_key_in_force_will_do_while_keys_rotate() {
        let headers = signed(&SigningKey::md5(SECRET).unwrap());
        let keys = VerifyingKeys::new(SignType::ALL, [md5_key(OTHER), md5_key(SECRET)]);
        assert_eq!(keys.verify(NOW, &headers, b"{}"), Ok(()));
    }

    #[test]
    fn a_key_holds_from_its_first_moment_until_just_before_its_last() {
        let headers = signed(&SigningKey::md5(SECRET).unwrap());
        let keys = VerifyingKeys::new(
            SignType::ALL,
            [DatedKey {
                not_before: Some(UnixMs(100)),
                not_after: Some(UnixMs(200)),
                ..md5_key(SECRET)
            }],
        );
        for (now, right) in [(99, false), (100, true), (199, true), (200, false)] {
            assert_eq!(
                keys.verify(UnixMs(now), &headers, b"{}").is_ok(),
                right,
                "{now}"
            );
        }
    }

    #[test]
    fn a_sign_that_is_not_base64_is_wrong_not_malformed() {
        let key = SigningKey::generate().unwrap();
        let public = key.verifying_key().unwrap();
        let keys = VerifyingKeys::new(SignType::ALL, [public.into()]);
        let mut headers = signed(&key);
        assert_eq!(keys.verify(NOW, &headers, b"{}"), Ok(()));
        for sign in [
            "*",
            "AAAA",
            headers.sign.trim_end_matches('=').to_owned().as_str(),
        ] {
            headers.sign = sign.to_owned();
            assert_eq!(keys.verify(NOW, &headers, b"{}"), Err(WrongSignature));
        }
    }
}
