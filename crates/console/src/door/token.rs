//! The token of a session, or of an operator's program: 32 random bytes that only the browser, or the program, keeps. What recognizes it,
//! and the word that a session's forms carry, follow from it by SHA-256 and lead back to nothing.

use aws_lc_rs::digest::{Context, SHA256};
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;

use super::cookies::{cookie, is_secure};

/// How a program's token begins, so that one that was left in a file is found.
const BEGINS: &str = "refill_";

/// A token; never stored, and never printed but to whoever is to keep it.
#[derive(Clone, Copy)]
pub(crate) struct Token([u8; 32]);

impl Token {
    /// A new one.
    pub(crate) fn draw() -> Self {
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

    /// The one that a program bears: `Authorization: Bearer refill_…`. A cookie is none.
    pub(crate) fn borne(headers: &HeaderMap) -> Option<Self> {
        let mut lines = headers.get_all(AUTHORIZATION).iter();
        let (Some(line), None) = (lines.next(), lines.next()) else {
            return None;
        };
        let (scheme, text) = line.to_str().ok()?.split_once(' ')?;
        let digits = text.trim().strip_prefix(BEGINS)?;
        let mut token = [0; 32];
        hex::decode_to_slice(digits, &mut token).ok()?;
        scheme.eq_ignore_ascii_case("bearer").then_some(Self(token))
    }

    /// What a program keeps.
    pub(crate) fn bearer_text(&self) -> String {
        format!("{BEGINS}{}", hex::encode(self.0))
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

    #[test]
    fn a_program_bears_its_token_in_one_header_and_in_no_cookie() {
        let token = Token::draw();
        let text = token.bearer_text();
        let with = |lines: &[(&'static str, &str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in lines {
                headers.append(*name, value.parse().unwrap());
            }
            Token::borne(&headers).map(|token| token.sha256())
        };
        let known = Some(token.sha256());
        assert_eq!(with(&[("authorization", &format!("Bearer {text}"))]), known);
        assert_eq!(with(&[("authorization", &format!("bearer {text}"))]), known);
        for line in [
            text.clone(),
            format!("Basic {text}"),
            format!("Bearer {}", token.text()),
            format!("Bearer {}", &text[..70]),
            format!("Bearer {text}0"),
            String::new(),
        ] {
            assert_eq!(with(&[("authorization", &line)]), None, "{line}");
        }
        let line = format!("Bearer {text}");
        assert_eq!(with(&[("authorization", line.as_str()); 2]), None);
        for name in ["refill", "__Host-refill"] {
            assert_eq!(with(&[("cookie", &format!("{name}={text}"))]), None);
        }
    }
}
