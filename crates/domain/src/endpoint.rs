//! Where a report goes, as far as reaching it is concerned: scheme, host and port.

use std::fmt;

/// Scheme, host and port of a callback address, as `https://shop.example:8443`; or, as `//shop.example`, all of a host.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Endpoint(String);

impl Endpoint {
    /// As the store names it.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The endpoint that stands for all of this one's host.
    #[must_use]
    pub fn host(&self) -> Self {
        let rest = self.0.split_once("//").map_or(&*self.0, |(_, rest)| rest);
        let host = match rest.find(']') {
            Some(end) => rest.get(..=end),
            None => rest.split(':').next(),
        };
        Self(format!("//{}", host.unwrap_or_default()))
    }

    /// Whether it stands for a whole host.
    pub fn is_host(&self) -> bool {
        self.0.starts_with("//")
    }

    /// As the store names it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_of_an_endpoint() {
        for (endpoint, host) in [
            ("https://shop.example", "//shop.example"),
            ("http://shop.example:8080", "//shop.example"),
            ("http://[2001:db8::1]:81", "//[2001:db8::1]"),
            ("//shop.example", "//shop.example"),
        ] {
            assert_eq!(Endpoint::new(endpoint).host(), Endpoint::new(host));
        }
    }
}
