//! Whether a form was posted from a page of ours.

use axum::http::HeaderMap;
use axum::http::header::{HOST, ORIGIN};

/// Browsers say where a form comes from: by `Sec-Fetch-Site`, those that do not know it by `Origin`. Who says neither is no browser of
/// an operator.
pub(super) fn is_own(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(site) = text("sec-fetch-site") {
        return site == "same-origin";
    }
    let (origin, host) = (text(ORIGIN.as_str()), text(HOST.as_str()));
    let asked = origin
        .and_then(|origin| origin.split_once("://"))
        .map(|(_, host)| host);
    asked.is_some() && asked == host
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::{HeaderName, HeaderValue};

    #[test]
    fn what_another_site_posts_is_not_ours() {
        let own = |pairs: &[(&'static str, &'static str)]| {
            let pair = |(name, value): &(&'static str, &'static str)| {
                (
                    HeaderName::from_static(name),
                    HeaderValue::from_static(value),
                )
            };
            is_own(&pairs.iter().map(pair).collect())
        };
        let host = ("host", "ops.example:8090");
        assert!(own(&[host, ("sec-fetch-site", "same-origin")]));
        assert!(own(&[host, ("origin", "https://ops.example:8090")]));
        for site in ["cross-site", "same-site", "none", ""] {
            let said = [
                host,
                ("sec-fetch-site", site),
                ("origin", "https://ops.example:8090"),
            ];
            assert!(!own(&said), "{site}");
        }
        for origin in [
            "null",
            "https://evil.example",
            "https://ops.example",
            "https://ops.example:8090.evil.example",
        ] {
            assert!(!own(&[host, ("origin", origin)]), "{origin}");
        }
        assert!(!own(&[host]));
        assert!(!own(&[]));
    }
}
