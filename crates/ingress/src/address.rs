//! Where a request comes from, and whether it may.

use std::net::IpAddr;

use axum::http::{HeaderMap, HeaderValue};
use ipnet::IpNet;
use openapi::caller::{FORWARDED_FOR, address_of, is_in};

/// The caller's address, by the word of those proxies that are trusted.
pub(crate) fn of_caller(socket: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    let forwarded = headers.get_all(FORWARDED_FOR);
    address_of(socket, forwarded.iter().map(HeaderValue::as_bytes), trusted)
}

/// Whether an account that lists these networks may be used from `address`; an account that lists none may be used from anywhere.
pub(crate) fn is_allowed(address: IpAddr, allowed: &[IpNet]) -> bool {
    allowed.is_empty() || is_in(address, allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn an_empty_list_allows_everyone() {
        assert!(is_allowed(ip("1.1.1.1"), &[]));
        let list = ["10.0.0.0/8".parse().unwrap()];
        assert!(is_allowed(ip("10.2.3.4"), &list));
        assert!(!is_allowed(ip("1.1.1.1"), &list));
    }
}
