//! Where status reports go (`CONTRACT.md` §3 and §6), as far as the text shows it.

use std::fmt;

use serde::{Serialize, Serializer};
use url::Url;

const LONGEST: usize = 1_024;

/// An `http` or `https` address. Where it really leads is judged when it is dialled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallbackUrl(Url);

/// Why a text is no callback address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotACallbackUrl {
    /// Too long.
    #[error("must be at most 1024 characters")]
    TooLong,
    /// Not an address at all.
    #[error("must be a URL")]
    NotAUrl,
    /// Another scheme.
    #[error("must be http or https")]
    Scheme,
    /// A user name or a password in it.
    #[error("must not carry a user name or password")]
    Credentials,
}

impl CallbackUrl {
    /// Reads an address; without a scheme it means https.
    pub fn parse(text: &str) -> Result<Self, NotACallbackUrl> {
        if text.len() > LONGEST {
            return Err(NotACallbackUrl::TooLong);
        }
        // The library forgives white space, which others on the way may not.
        if text.contains(|c: char| c.is_whitespace() || c.is_control()) || text.starts_with('/') {
            return Err(NotACallbackUrl::NotAUrl);
        }
        let parsed = if has_scheme(text) {
            Url::parse(text)
        } else {
            Url::parse(&format!("https://{text}"))
        };
        let mut url = parsed.map_err(|_| NotACallbackUrl::NotAUrl)?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(NotACallbackUrl::Scheme);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(NotACallbackUrl::Credentials);
        }
        url.set_fragment(None);
        Ok(Self(url))
    }

    /// The address in its normal form.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// The address, taken apart.
    pub const fn url(&self) -> &Url {
        &self.0
    }
}

/// `host:8080/path` has a colon too, so only `://` before the first slash counts.
fn has_scheme(text: &str) -> bool {
    text.split_once("://")
        .is_some_and(|(scheme, _)| !scheme.contains(['/', '?', '#', '.']))
}

impl fmt::Display for CallbackUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for CallbackUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_scheme_it_means_https() {
        for (text, read) in [
            ("shop.example/report", "https://shop.example/report"),
            ("shop.example:8443/r?a=1", "https://shop.example:8443/r?a=1"),
            ("http://shop.example", "http://shop.example/"),
            ("HTTPS://Shop.example/#top", "https://shop.example/"),
            (
                "127.0.0.1:9/x?u=http://y",
                "https://127.0.0.1:9/x?u=http://y",
            ),
        ] {
            assert_eq!(CallbackUrl::parse(text).unwrap().as_str(), read);
        }
    }

    #[test]
    fn what_no_report_can_be_sent_to_is_refused() {
        for (text, why) in [
            ("ftp://shop.example/", NotACallbackUrl::Scheme),
            ("file:///etc/passwd", NotACallbackUrl::Scheme),
            ("javascript:alert(1)", NotACallbackUrl::NotAUrl),
            ("//shop.example/", NotACallbackUrl::NotAUrl),
            ("/report", NotACallbackUrl::NotAUrl),
            ("https://", NotACallbackUrl::NotAUrl),
            ("https://a b/", NotACallbackUrl::NotAUrl),
            ("https://a\n/", NotACallbackUrl::NotAUrl),
            ("shop.example:99999", NotACallbackUrl::NotAUrl),
            ("https://u:p@shop.example/", NotACallbackUrl::Credentials),
            ("u@shop.example/", NotACallbackUrl::Credentials),
        ] {
            assert_eq!(CallbackUrl::parse(text), Err(why), "{text}");
        }
        let long = format!("https://shop.example/{}", "a".repeat(LONGEST));
        assert_eq!(CallbackUrl::parse(&long), Err(NotACallbackUrl::TooLong));
    }
}
