//! Passwords: their argon2id hashes, made and held against what is typed. Each costs 19 MiB and some tens of milliseconds on purpose,
//! so only a few are worked on at once, beside the tasks that serve pages.

use std::sync::{Arc, LazyLock};

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use tokio::sync::Semaphore;

/// How many are worked on at once.
const AT_ONCE: usize = 2;
/// The fewest characters of a password.
const SHORTEST: usize = 12;
/// The most bytes that are looked at.
const LONGEST: usize = 512;

/// Why a text does not become a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadPassword {
    /// Too easily guessed, or too long to be looked at.
    #[error("a password has at least {SHORTEST} characters and at most {LONGEST} bytes")]
    Length,
    /// The hash could not be made.
    #[error("the password could not be hashed")]
    NotHashed,
}

/// The argon2id hash of a new password, in PHC form. Takes a while: not for a task that serves.
pub fn hash(password: &str) -> Result<String, BadPassword> {
    if password.chars().count() < SHORTEST || password.len() > LONGEST {
        return Err(BadPassword::Length);
    }
    let hashed = Argon2::default().hash_password(password.as_bytes());
    hashed
        .map(|hash| hash.to_string())
        .map_err(|_| BadPassword::NotHashed)
}

/// A new password that nobody can guess: 24 hexadecimal digits.
pub fn random() -> String {
    hex::encode(rand::random::<[u8; 12]>())
}

fn fits(hash: &str, password: &str) -> bool {
    password.len() <= LONGEST
        && PasswordHash::new(hash).is_ok_and(|hash| {
            Argon2::default()
                .verify_password(password.as_bytes(), &hash)
                .is_ok()
        })
}

/// What is tried where there is no operator: it costs the same, and fits nothing that anybody types.
static DUMMY: LazyLock<String> = LazyLock::new(|| hash(&random()).unwrap_or_default());

/// The few that are worked on at once.
pub(crate) struct Passwords {
    turns: Arc<Semaphore>,
}

impl Passwords {
    pub(crate) fn new() -> Self {
        Self {
            turns: Arc::new(Semaphore::new(AT_ONCE)),
        }
    }

    /// Whether the password is the one of this hash. Without a hash: no, at the same cost.
    pub(crate) async fn fit(&self, hash: Option<String>, password: String) -> bool {
        let worked = self.work(move || {
            let known = fits(hash.as_deref().unwrap_or(&DUMMY), &password);
            known && hash.is_some()
        });
        worked.await.unwrap_or(false)
    }

    /// The hash of a new password.
    pub(crate) async fn hash(&self, password: String) -> Result<String, BadPassword> {
        let hashed = self.work(move || hash(&password)).await;
        hashed.unwrap_or(Err(BadPassword::NotHashed))
    }

    /// Whoever has asked may be gone before it is done; the place stays taken until then.
    async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        let turn = Arc::clone(&self.turns).acquire_owned().await.ok()?;
        let worked = tokio::task::spawn_blocking(move || {
            let done = work();
            drop(turn);
            done
        });
        worked.await.ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_fits_its_own_hash_only() {
        let hashed = hash("correct horse battery").unwrap();
        assert!(
            hashed.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
            "{hashed}"
        );
        assert_ne!(hashed, hash("correct horse battery").unwrap());
        let passwords = Passwords::new();
        let fit =
            async |hash: &str, text: &str| passwords.fit(Some(hash.into()), text.into()).await;
        assert!(fit(&hashed, "correct horse battery").await);
        assert!(!fit(&hashed, "correct horse batterz").await);
        assert!(!fit("no hash", "correct horse battery").await);
        assert!(!passwords.fit(None, "correct horse battery".into()).await);
    }

    #[test]
    fn a_password_is_neither_short_nor_endless() {
        for text in ["", "elevenchars", &"x".repeat(513)] {
            assert_eq!(hash(text), Err(BadPassword::Length));
        }
        assert!(hash("十二个字的密码也是密码呀呀").is_ok());
        assert_eq!(random().len(), 24);
    }
}
