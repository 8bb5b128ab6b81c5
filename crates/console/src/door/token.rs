//! The token of a session: 32 random bytes that only the browser keeps. What recognizes it, and the word that its forms carry, follow
//! from it by SHA-256 and lead back to nothing.

use aws_lc_rs::digest::{Context, SHA256};
use axum::http::HeaderMap;

use super::cookies::{cookie, is_secure};

/// A session's token; never printed, never stored.
#[derive(Clone, Copy)]
pub(crate) struct Token([u8; 32]);

impl Token {
    /// A new one.
    pub(super) fn draw() -> Self {
        Self(rand::random())
    }

    /// The one that a request carries.
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        let mut token = [0; 32];
        hex::decode_to_slice(cookie(headers, cookie_name(headers))?, &mut token).ok()?;
        Some(Self(token))
    }

    /// What the browser keeps.
    pub(super) fn text(&self) -> String {
        hex::encode(self.0)
    }

    /// What recognizes it.
    pub(crate) fn sha256(&self) -> [u8; 32] {
        self.derived(b"")
    }

    /// What every form of the session carries.
    pub(crate) fn csrf(&self) -> String {
        hex::encode(self.derived(b"csrf"))
    }

    fn derived(&self, purpose: &[u8]) -> [u8; 32] {
        let mut context = Context::new(&SHA256);
        context.update(purpose);
        context.update(&self.0);
        let mut derived = [0; 32];
        derived.copy_from_slice(context.finish().as_ref());
        derived
    }
}

/// Over TLS no other host may set it, not even one of the same domain.
pub(super) fn cookie_name(headers: &HeaderMap) -> &'static str {
    if is_secure(headers) {
        "__Host-refill"
    } else {
        "refill"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_is_read_where_it_was_set_and_nowhere_else() {
        let token = Token::draw();
        let with = |host: &str, name: &str, value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("host", host.parse().unwrap());
            headers.insert("cookie", format!("{name}={value}").parse().unwrap());
            Token::of(&headers).map(|token| token.sha256())
        };
        let text = token.text();
        assert_eq!(with("localhost:1", "refill", &text), Some(token.sha256()));
        assert_eq!(
            with("ops.example", "__Host-refill", &text),
            Some(token.sha256())
        );
        assert_eq!(with("ops.example", "refill", &text), None);
        assert_eq!(with("localhost:1", "refill", &text[..62]), None);
        assert_ne!(token.csrf(), hex::encode(token.sha256()));
    }
}
