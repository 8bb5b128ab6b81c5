//! Secrets at rest: sealed with AES-256-GCM under a master key that the database does not know.
//!
//! A sealed text names its master key, and is bound to the place where it is stored: moved to another row it does not open.

use std::sync::Arc;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;

use crate::StoreError;

const PREFIX: &str = "sealed:1:";
const FIELD: &str = "keys.master";

/// The master keys of a process; the first of them seals, all of them open.
#[derive(Clone, Default)]
pub struct MasterKeys {
    keys: Arc<Vec<(String, LessSafeKey)>>,
}

impl std::fmt::Debug for MasterKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<&str> = self.keys.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_tuple("MasterKeys").field(&names).finish()
    }
}

impl MasterKeys {
    /// Reads `name:64 hex digits`, one to a line; empty lines and those that begin with `#` mean nothing.
    pub fn parse(text: &str) -> Result<Self, StoreError> {
        let mut keys: Vec<(String, LessSafeKey)> = vec![];
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            // The line holds a secret: only its number is told.
            let wrong = |rule: &str| StoreError::Setting {
                field: FIELD,
                rule: format!("line {}: {rule}", number + 1),
            };
            let (name, digits) = line
                .split_once(':')
                .ok_or_else(|| wrong("must be like name:64 hex digits"))?;
            let named = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
            if !(1..=32).contains(&name.len()) || !name.chars().all(named) {
                return Err(wrong("the name must be 1 to 32 of A-Z a-z 0-9 _ -"));
            }
            if keys.iter().any(|(known, _)| known == name) {
                return Err(wrong("the name stands there twice"));
            }
            let bytes = hex::decode(digits)
                .ok()
                .filter(|bytes| bytes.len() == 32)
                .ok_or_else(|| wrong("the key must be 64 hex digits"))?;
            let key = UnboundKey::new(&AES_256_GCM, &bytes)
                .map_err(|_| wrong("the key cannot be used"))?;
            keys.push((name.to_owned(), LessSafeKey::new(key)));
        }
        Ok(Self {
            keys: Arc::new(keys),
        })
    }

    /// Whether there is a key to seal with.
    pub fn can_seal(&self) -> bool {
        !self.keys.is_empty()
    }

    /// Seals a secret for its place; without a master key it stays as it is.
    pub(crate) fn seal(&self, place: &str, secret: &str) -> Result<String, StoreError> {
        let Some((name, key)) = self.keys.first() else {
            return Ok(secret.to_owned());
        };
        let failed = |_| StoreError::unreadable("a secret cannot be sealed");
        let mut nonce = [0; NONCE_LEN];
        aws_lc_rs::rand::fill(&mut nonce).map_err(failed)?;
        let mut bytes = secret.as_bytes().to_vec();
        key.seal_in_place_append_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(place.as_bytes()),
            &mut bytes,
        )
        .map_err(failed)?;
        let text = STANDARD_NO_PAD.encode([&nonce[..], &bytes].concat());
        Ok(format!("{PREFIX}{name}:{text}"))
    }

    /// Opens what was sealed for that place; what was not sealed is as it is.
    pub(crate) fn open(&self, place: &str, stored: &str) -> Result<String, StoreError> {
        let Some((name, text)) = parts(stored) else {
            return Ok(stored.to_owned());
        };
        let key = self.keys.iter().find(|(known, _)| known == name);
        let (_, key) = key.ok_or_else(|| StoreError::Setting {
            field: FIELD,
            rule: format!("{place} is sealed with master key {name}, which is not given"),
        })?;
        let damaged = || {
            StoreError::unreadable(format!(
                "{place} does not open: it is damaged, or belongs elsewhere"
            ))
        };
        let mut bytes = STANDARD_NO_PAD.decode(text).map_err(|_| damaged())?;
        if bytes.len() < NONCE_LEN {
            return Err(damaged());
        }
        let nonce: Vec<u8> = bytes.drain(..NONCE_LEN).collect();
        let nonce = Nonce::try_assume_unique_for_key(&nonce).map_err(|_| damaged())?;
        let plain = key
            .open_in_place(nonce, Aad::from(place.as_bytes()), &mut bytes)
            .map_err(|_| damaged())?;
        String::from_utf8(plain.to_vec()).map_err(|_| damaged())
    }

    /// Whether a stored text is as this process would seal it now.
    pub(crate) fn is_current(&self, stored: &str) -> bool {
        parts(stored).map(|(name, _)| name) == self.keys.first().map(|(name, _)| name.as_str())
    }
}

/// The master key's name and the sealed bytes; `None`: it is not sealed.
fn parts(stored: &str) -> Option<(&str, &str)> {
    stored.strip_prefix(PREFIX)?.split_once(':')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(text: &str) -> MasterKeys {
        MasterKeys::parse(text).unwrap()
    }

    fn old_and_new() -> (MasterKeys, MasterKeys) {
        let (a, b) = ("11".repeat(32), "22".repeat(32));
        (
            keys(&format!("a:{a}")),
            keys(&format!("# newest first\nb:{b}\n\na:{a}\n")),
        )
    }

    #[test]
    fn what_is_sealed_opens_in_its_place_and_nowhere_else() {
        let (old, new) = old_and_new();
        let sealed = old.seal("business b, MD5", "secret").unwrap();
        assert!(sealed.starts_with("sealed:1:a:") && !sealed.contains("secret"));
        assert_ne!(sealed, old.seal("business b, MD5", "secret").unwrap());
        assert_eq!(new.open("business b, MD5", &sealed).unwrap(), "secret");
        assert!(new.open("business c, MD5", &sealed).is_err());
        assert!(old.is_current(&sealed) && !new.is_current(&sealed));
        let again = new.seal("p", "secret").unwrap();
        let unknown = old.open("p", &again).unwrap_err().to_string();
        assert!(unknown.contains("master key b"), "{unknown}");
        let mut damaged = again.into_bytes();
        let last = damaged.len() - 3;
        damaged[last] ^= 1;
        assert!(new.open("p", &String::from_utf8(damaged).unwrap()).is_err());
    }

    #[test]
    fn without_a_key_nothing_is_sealed_and_what_was_not_still_opens() {
        let none = MasterKeys::default();
        assert_eq!(none.seal("p", "secret").unwrap(), "secret");
        assert!(none.is_current("secret"));
        let (old, _) = old_and_new();
        assert_eq!(old.open("p", "secret").unwrap(), "secret");
        assert!(!old.is_current("secret"));
    }

    #[test]
    fn a_wrong_line_is_named_and_not_shown() {
        let good = "ab".repeat(32);
        for (text, word) in [
            (good.clone(), "name:64"),
            (format!("a:{}", &good[2..]), "64 hex"),
            (format!("a:{good}\na:{good}"), "line 2"),
            (format!("a b:{good}"), "1 to 32"),
        ] {
            let error = MasterKeys::parse(&text).unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
            assert!(!error.contains("abab"), "{error}");
        }
    }
}
