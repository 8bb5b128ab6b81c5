//! Where a request really comes from, when a proxy stands between.

use std::net::IpAddr;

use ipnet::IpNet;

/// The header in which proxies write whom they speak for.
pub const FORWARDED_FOR: &str = "x-forwarded-for";
/// A chain of trusted proxies that is longer than this is made up.
const MOST_HOPS: usize = 32;

/// The caller's address: the socket's, unless a proxy that is trusted holds the socket. Then the last address of `X-Forwarded-For`
/// (the values of `forwarded`, in their order) that is not a trusted proxy's; what stands before it was written by the caller.
/// Anything unreadable leaves the proxy's own address.
pub fn address_of<'h>(
    socket: IpAddr,
    forwarded: impl IntoIterator<Item = &'h [u8]>,
    trusted: &[IpNet],
) -> IpAddr {
    let socket = socket.to_canonical();
    if !is_in(socket, trusted) {
        return socket;
    }
    let values: Vec<&[u8]> = forwarded.into_iter().collect();
    // From the end, where the proxies write; how much a caller has written before does not matter.
    let hops = values.iter().rev().flat_map(|value| {
        let text = std::str::from_utf8(value).unwrap_or_default();
        text.rsplit(',').map(str::trim)
    });
    for hop in hops.take(MOST_HOPS) {
        match hop.parse::<IpAddr>().map(|a| a.to_canonical()) {
            Ok(address) if is_in(address, trusted) => {}
            Ok(address) => return address,
            Err(_) => return socket,
        }
    }
    socket
}

/// Whether the address lies in one of the networks.
pub fn is_in(address: IpAddr, networks: &[IpNet]) -> bool {
    networks.iter().any(|n| n.contains(&address))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn caller(socket: &str, forwarded: &[&str], trusted: &[&str]) -> IpAddr {
        let trusted: Vec<IpNet> = trusted.iter().map(|t| t.parse().unwrap()).collect();
        address_of(
            ip(socket),
            forwarded.iter().map(|value| value.as_bytes()),
            &trusted,
        )
    }

    #[test]
    fn without_a_trusted_proxy_only_the_socket_counts() {
        assert_eq!(caller("203.0.113.9", &["10.0.0.1"], &[]), ip("203.0.113.9"));
        assert_eq!(
            caller("203.0.113.9", &["10.0.0.1"], &["10.0.0.0/8"]),
            ip("203.0.113.9")
        );
        assert_eq!(caller("::ffff:203.0.113.9", &[], &[]), ip("203.0.113.9"));
    }

    #[test]
    fn behind_trusted_proxies_the_last_untrusted_hop_counts() {
        let trusted = ["10.0.0.0/8"];
        assert_eq!(
            caller("10.0.0.2", &["1.1.1.1, 198.51.100.7, 10.0.0.3"], &trusted),
            ip("198.51.100.7")
        );
        assert_eq!(
            caller("10.0.0.2", &["1.1.1.1", "198.51.100.7"], &trusted),
            ip("198.51.100.7")
        );
        assert_eq!(
            caller("10.0.0.2", &["2001:db8::1"], &trusted),
            ip("2001:db8::1")
        );
    }

    #[test]
    fn what_a_caller_wrote_before_does_not_count_however_much_it_is() {
        let trusted = ["10.0.0.0/8"];
        let made_up = "1.1.1.1, ".repeat(40) + "198.51.100.7";
        assert_eq!(
            caller("10.0.0.2", &[&made_up], &trusted),
            ip("198.51.100.7")
        );
        let apart = [&*"1.1.1.1, ".repeat(40), "198.51.100.7"];
        assert_eq!(caller("10.0.0.2", &apart, &trusted), ip("198.51.100.7"));
        let endless = ["10.0.0.1, ".repeat(40) + "10.0.0.1"];
        assert_eq!(caller("10.0.0.2", &[&endless[0]], &trusted), ip("10.0.0.2"));
    }

    #[test]
    fn what_cannot_be_read_is_not_guessed() {
        let trusted = ["10.0.0.0/8"];
        for forwarded in [&[][..], &["unknown"], &["1.1.1.1, x"], &["10.0.0.9"]] {
            assert_eq!(caller("10.0.0.2", forwarded, &trusted), ip("10.0.0.2"));
        }
    }
}
