//! The keys that sign reports: the platform's RSA key, or a business's MD5 secret, as the account says (`CONTRACT.md` §1).

use std::collections::HashMap;

use domain::catalogue::{Business, BusinessKey, KeyKind};
use domain::{BusinessId, Catalogue, UnixMs};
use openapi::SigningKey;

/// All keys of one catalogue, read once.
#[derive(Debug, Default)]
pub(crate) struct Signers {
    version: Option<i64>,
    platform: Option<SigningKey>,
    /// Of the businesses whose reports are signed with MD5.
    secrets: HashMap<BusinessId, Vec<Secret>>,
}

#[derive(Debug)]
struct Secret {
    key: SigningKey,
    not_before: Option<UnixMs>,
    not_after: Option<UnixMs>,
}

impl Secret {
    fn of(key: &BusinessKey) -> Option<Self> {
        Some(Self {
            key: SigningKey::md5(&key.text).ok()?,
            not_before: key.not_before,
            not_after: key.not_after,
        })
    }

    fn holds(&self, now: UnixMs) -> bool {
        self.not_before.is_none_or(|from| from <= now) && self.not_after.is_none_or(|to| now < to)
    }
}

impl Signers {
    /// Whether these are the keys of that catalogue.
    pub(crate) fn is_of(&self, catalogue: &Catalogue) -> bool {
        self.version == Some(catalogue.version)
    }

    /// Reads the keys of a catalogue. What cannot be read is logged once, and its reports wait.
    pub(crate) fn of(catalogue: &Catalogue) -> Self {
        let pem = catalogue.platform.callback_private_key.as_deref();
        let platform = pem.map(SigningKey::rsa_from_pem).transpose();
        if let Err(error) = &platform {
            tracing::error!(%error, "platform.callback_private_key cannot be read, RSA reports wait");
        } else if pem.is_none() {
            tracing::warn!("platform.callback_private_key is not set, RSA reports wait");
        }
        let secrets = catalogue
            .businesses
            .values()
            .filter(|b| b.callback_sign == KeyKind::Md5)
            .map(|b| (b.id.clone(), secrets(b)))
            .collect();
        Self {
            version: Some(catalogue.version),
            platform: platform.ok().flatten(),
            secrets,
        }
    }

    /// The key that signs a business's reports now; `None`: there is none that can be used.
    pub(crate) fn of_business(&self, business: &BusinessId, now: UnixMs) -> Option<&SigningKey> {
        match self.secrets.get(business) {
            Some(secrets) => secrets.iter().find(|s| s.holds(now)).map(|s| &s.key),
            None => self.platform.as_ref(),
        }
    }
}

fn secrets(business: &Business) -> Vec<Secret> {
    let keys = business.keys.iter().filter(|k| k.kind == KeyKind::Md5);
    let secrets: Vec<Secret> = keys.filter_map(Secret::of).collect();
    if secrets.is_empty() {
        tracing::warn!(business = %business.id, "no usable MD5 key, its reports wait");
    }
    secrets
}

#[cfg(test)]
mod tests {
    use domain::MerchantId;
    use openapi::SignType;

    use super::*;

    const NOW: UnixMs = UnixMs(1_764_000_000_000);

    fn business(id: &str, callback_sign: KeyKind, keys: Vec<BusinessKey>) -> Business {
        Business {
            id: BusinessId::new(id),
            merchant: MerchantId::new("m"),
            enabled: true,
            rsa_allowed: true,
            md5_allowed: true,
            keys,
            callback_url: None,
            callback_sign,
            batch_report: false,
            ip_allow: vec![],
            rate_limit: 0,
            max_in_flight: 0,
        }
    }

    fn secret(text: &str, not_after: Option<UnixMs>) -> BusinessKey {
        BusinessKey {
            kind: KeyKind::Md5,
            text: text.into(),
            not_before: None,
            not_after,
        }
    }

    fn catalogue(platform_key: Option<String>) -> Catalogue {
        let expired = secret("expired-expired-expired", Some(NOW));
        let valid = secret("valid-valid-valid-valid", None);
        let mut catalogue = Catalogue::default();
        catalogue.platform.callback_private_key = platform_key;
        for business in [
            business("rsa", KeyKind::Rsa, vec![]),
            business("md5", KeyKind::Md5, vec![expired, valid]),
            business("none", KeyKind::Md5, vec![secret("short", None)]),
        ] {
            catalogue.businesses.insert(business.id.clone(), business);
        }
        catalogue
    }

    fn private_pem() -> String {
        match SigningKey::generate().unwrap() {
            SigningKey::Rsa(key) => key.to_pem().unwrap(),
            SigningKey::Md5(_) => unreachable!("an RSA key is generated"),
        }
    }

    #[test]
    fn each_business_is_signed_for_as_its_account_says() {
        let signers = Signers::of(&catalogue(Some(private_pem())));
        let kind = |id: &str| {
            signers
                .of_business(&BusinessId::new(id), NOW)
                .map(SigningKey::sign_type)
        };
        assert_eq!(kind("rsa"), Some(SignType::Sha256Rsa));
        assert_eq!(kind("md5"), Some(SignType::Md5));
        assert_eq!(kind("none"), None);
    }

    #[test]
    fn an_expired_secret_signs_nothing() {
        let signers = Signers::of(&catalogue(None));
        let business = BusinessId::new("md5");
        let SigningKey::Md5(now) = signers.of_business(&business, NOW).unwrap() else {
            panic!("an MD5 key was expected");
        };
        let before = UnixMs(NOW.0 - 1);
        let SigningKey::Md5(earlier) = signers.of_business(&business, before).unwrap() else {
            panic!("an MD5 key was expected");
        };
        let signed = |key: &openapi::signature::Md5Secret| {
            SigningKey::Md5(key.clone())
                .sign_as(
                    openapi::AuthHeaders {
                        business: business.clone(),
                        nonce: "n".into(),
                        timestamp: NOW,
                        sign_type: Some(SignType::Md5),
                        sign: String::new(),
                    },
                    b"",
                )
                .unwrap()
                .sign
        };
        assert_ne!(signed(now), signed(earlier));
    }

    #[test]
    fn without_a_platform_key_rsa_reports_have_none() {
        for broken in [None, Some("no PEM".to_owned())] {
            let signers = Signers::of(&catalogue(broken));
            assert!(signers.of_business(&BusinessId::new("rsa"), NOW).is_none());
            assert!(signers.of_business(&BusinessId::new("md5"), NOW).is_some());
        }
    }
}
