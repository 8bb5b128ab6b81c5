//! Cookies: read, and set so that no script and no other site has them.

use axum::http::header::{COOKIE, HOST, HeaderName, SET_COOKIE};
use axum::http::{HeaderMap, HeaderValue};

/// The cookie of that name.
pub(crate) fn cookie<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(known, _)| *known == name)
        .map(|(_, value)| value)
}

/// A cookie for `seconds`; 0 takes it away.
pub(crate) fn set_cookie(
    headers: &HeaderMap,
    name: &str,
    value: &str,
    seconds: u32,
) -> Option<(HeaderName, HeaderValue)> {
    let secure = if is_secure(headers) { "; Secure" } else { "" };
    let text =
        format!("{name}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}");
    Some((SET_COOKIE, text.parse().ok()?))
}

/// Whether cookies are for TLS only. They are, except where a browser on this machine asks without TLS.
pub(crate) fn is_secure(headers: &HeaderMap) -> bool {
    let forwarded = headers.get("x-forwarded-proto").map(HeaderValue::as_bytes);
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    forwarded == Some(b"https") || !host.is_some_and(is_loopback)
}

fn is_loopback(host: &str) -> bool {
    let name = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, _)) => address,
        None => host.split_once(':').map_or(host, |(name, _)| name),
    };
    name == "localhost"
        || name
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &'static str)| {
            (
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            )
        };
        pairs.iter().map(pair).collect()
    }

    #[test]
    fn a_cookie_is_found_by_its_whole_name() {
        let sent = headers(&[("cookie", "xlang=a; lang=zh ;theme=dark")]);
        assert_eq!(cookie(&sent, "lang"), Some("zh"));
        assert_eq!(cookie(&sent, "theme"), Some("dark"));
        assert_eq!(cookie(&sent, "ang"), None);
    }

    #[test]
    fn only_this_machine_goes_without_tls() {
        for host in [
            "localhost",
            "localhost:8090",
            "127.0.0.1:8090",
            "127.9.9.9",
            "[::1]:8090",
        ] {
            assert!(!is_secure(&headers(&[("host", host)])), "{host}");
            let behind = headers(&[("host", host), ("x-forwarded-proto", "https")]);
            assert!(is_secure(&behind), "{host}");
        }
        for host in [
            "ops.example",
            "10.0.0.1:8090",
            "localhost.example",
            "127.0.0.1.example",
        ] {
            assert!(is_secure(&headers(&[("host", host)])), "{host}");
        }
        assert!(is_secure(&headers(&[])));
    }

    #[test]
    fn no_script_and_no_other_site_has_a_cookie() {
        let (_, value) = set_cookie(&headers(&[]), "a", "b", 60).unwrap();
        assert_eq!(
            value,
            "a=b; Path=/; Max-Age=60; HttpOnly; SameSite=Strict; Secure"
        );
        let (_, value) = set_cookie(&headers(&[("host", "[::1]")]), "a", "b", 0).unwrap();
        assert_eq!(value, "a=b; Path=/; Max-Age=0; HttpOnly; SameSite=Strict");
    }
}
