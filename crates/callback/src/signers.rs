//! The keys that sign reports: the platform's RSA key, or a business's MD5 secret, as the account says (`CONTRACT.md` §1).

use std::collections::HashMap;

use domain::catalogue::{Business, BusinessKey, KeyKind};
use domain::{BusinessId, Catalogue, UnixMs};
use openapi::SigningKey;

/// All keys of one catalogue, read once.
#[derive(Debug, Default)]
pub(crate) struct Signers {
    version: Option<i64>,
    /// The platform's, by name.
    platform: HashMap<String, TimedKey>,
    businesses: HashMap<BusinessId, Choice>,
}

/// What may sign an account's reports.
#[derive(Debug)]
enum Choice {
    /// Its own secrets.
    Secrets(Vec<TimedKey>),
    /// The platform's keys of these names.
    Platform(Vec<String>),
}

#[derive(Debug)]
struct TimedKey {
    key: SigningKey,
    not_before: Option<UnixMs>,
    not_after: Option<UnixMs>,
}

impl TimedKey {
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
        let mut platform = HashMap::new();
        for key in &catalogue.platform.keys {
            match SigningKey::rsa_from_pem(&key.text) {
                Ok(signing) => {
                    let timed = TimedKey {
                        key: signing,
                        not_before: key.not_before,
                        not_after: key.not_after,
                    };
                    platform.insert(key.id.clone(), timed);
                }
                Err(error) => {
                    tracing::error!(%error, key = key.id, "a platform key cannot be read, reports that need it wait");
                }
            }
        }
        if platform.is_empty() {
            tracing::warn!("there is no platform key, RSA reports wait");
        }
        let choice = |business: &Business| match business.callback_sign {
            KeyKind::Md5 => Choice::Secrets(secrets(business)),
            KeyKind::Rsa => Choice::Platform(business.callback_keys.clone()),
        };
        let businesses = catalogue.businesses.values();
        Self {
            version: Some(catalogue.version),
            platform,
            businesses: businesses.map(|b| (b.id.clone(), choice(b))).collect(),
        }
    }

    /// The key that signs a business's reports now: the newest of those that its merchant knows. `None`: there is none that can be used.
    pub(crate) fn of_business(&self, business: &BusinessId, now: UnixMs) -> Option<&SigningKey> {
        let newest = match self.businesses.get(business)? {
            Choice::Secrets(secrets) => newest(secrets.iter(), now),
            Choice::Platform(names) => {
                newest(names.iter().filter_map(|name| self.platform.get(name)), now)
            }
        };
        newest.map(|timed| &timed.key)
    }
}

/// Of the keys that are valid now, the one whose time began last; of several, the one that is named last.
fn newest<'k>(keys: impl Iterator<Item = &'k TimedKey>, now: UnixMs) -> Option<&'k TimedKey> {
    keys.filter(|key| key.holds(now))
        .max_by_key(|key| key.not_before)
}

fn secrets(business: &Business) -> Vec<TimedKey> {
    let keys = business.keys.iter().filter(|k| k.kind == KeyKind::Md5);
    let timed = |key: &BusinessKey| {
        Some(TimedKey {
            key: SigningKey::md5(&key.text).ok()?,
            not_before: key.not_before,
            not_after: key.not_after,
        })
    };
    let secrets: Vec<TimedKey> = keys.filter_map(timed).collect();
    if secrets.is_empty() {
        tracing::warn!(business = %business.id, "no usable MD5 key, its reports wait");
    }
    secrets
}

#[cfg(test)]
mod tests {
    use domain::MerchantId;
    use domain::catalogue::PlatformKey;
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
            callback_keys: vec!["default".into()],
            batch_report: false,
            ip_allow: vec![],
            rate_limit: 0,
            order_limit: 0,
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
        let key = |text: String| PlatformKey {
            id: PlatformKey::DEFAULT.into(),
            text,
            not_before: None,
            not_after: None,
        };
        catalogue.platform.keys = platform_key.map(key).into_iter().collect();
        for business in [
            business("rsa", KeyKind::Rsa, vec![]),
            business("md5", KeyKind::Md5, vec![valid, expired]),
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
