//! The network rule (`CONTRACT.md` §6): a report must not lead into the platform's own network.
//!
//! Judged here, at intake on what a URL shows, and at every try on the address that is really connected to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use url::{Host, Url};

/// All that is not a public unicast address of IPv4.
const CLOSED_V4: [(Ipv4Net, &str); 15] = [
    (v4(0, 0, 0, 0, 8), "this network"),
    (v4(10, 0, 0, 0, 8), "private"),
    (v4(100, 64, 0, 0, 10), "shared (CGNAT)"),
    (v4(127, 0, 0, 0, 8), "loopback"),
    (v4(169, 254, 0, 0, 16), "link-local"),
    (v4(172, 16, 0, 0, 12), "private"),
    (v4(192, 0, 0, 0, 24), "protocol assignments"),
    (v4(192, 0, 2, 0, 24), "documentation"),
    (v4(192, 88, 99, 0, 24), "6to4 relay"),
    (v4(192, 168, 0, 0, 16), "private"),
    (v4(198, 18, 0, 0, 15), "benchmark"),
    (v4(198, 51, 100, 0, 24), "documentation"),
    (v4(203, 0, 113, 0, 24), "documentation"),
    (v4(224, 0, 0, 0, 4), "multicast"),
    (v4(240, 0, 0, 0, 4), "reserved"),
];

/// The only part of IPv6 that public unicast addresses come from. Loopback, mapped, compatible and NAT64 forms, unique local,
/// link-local and multicast addresses all lie outside.
const OPEN_V6: Ipv6Net = v6(0x2000, 0, 3);

/// What is closed within [`OPEN_V6`].
const CLOSED_V6: [(Ipv6Net, &str); 4] = [
    (
        v6(0x2001, 0, 23),
        "protocol assignments (Teredo, benchmark)",
    ),
    (v6(0x2001, 0x0db8, 32), "documentation"),
    (v6(0x2002, 0, 16), "6to4"),
    (v6(0x3fff, 0, 20), "documentation"),
];

const fn v4(a: u8, b: u8, c: u8, d: u8, prefix: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix)
}

const fn v6(a: u16, b: u16, prefix: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, 0, 0, 0, 0, 0, 0), prefix)
}

/// The ports below 1024 that reports may go to.
const OPEN_LOW_PORTS: [u16; 8] = [80, 81, 82, 88, 443, 444, 800, 880];

/// Ports from 1024 on at which databases, brokers and control planes listen, and nobody who takes reports.
const CLOSED_HIGH_PORTS: [u16; 38] = [
    1433, 1434, 1521, 1723, 2049, 2181, 2375, 2376, 2379, 2380, 3306, 3389, 4369, 4444, 5060, 5061,
    5432, 5671, 5672, 5900, 5984, 6000, 6379, 6443, 6566, 6667, 6697, 7000, 9042, 9092, 9200, 9300,
    10250, 11211, 15672, 25672, 27017, 50070,
];

/// A report would lead where it must not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Closed {
    /// An address.
    #[error("leads to an address that is closed to reports: {0}")]
    Address(&'static str),
    /// A name, all of whose addresses are closed.
    #[error("leads only to addresses that are closed to reports: {0}")]
    Name(&'static str),
    /// A port.
    #[error("leads to a port that is closed to reports: {0}")]
    Port(u16),
}

/// Judges what a URL shows: its port, and an address that stands in it, however that is written. A name is judged when it is
/// resolved. `exceptions` come from the catalogue, for tests and demos.
///
/// # Errors
/// Why no report may go there.
pub fn judge_url(url: &Url, exceptions: &[IpNet]) -> Result<(), Closed> {
    let address: Option<IpAddr> = match url.host() {
        Some(Host::Ipv4(address)) => Some(address.into()),
        Some(Host::Ipv6(address)) => Some(address.into()),
        Some(Host::Domain(_)) | None => None,
    };
    if let Some(address) = address {
        if excepted(address, exceptions) {
            return Ok(());
        }
        if let Some(kind) = closed_kind(address) {
            return Err(Closed::Address(kind));
        }
    }
    let port = url.port_or_known_default().unwrap_or_default();
    let closed = if port < 1024 {
        !OPEN_LOW_PORTS.contains(&port)
    } else {
        CLOSED_HIGH_PORTS.contains(&port)
    };
    if closed {
        return Err(Closed::Port(port));
    }
    Ok(())
}

fn excepted(address: IpAddr, exceptions: &[IpNet]) -> bool {
    exceptions.iter().any(|net| net.contains(&address))
}

fn closed_kind(address: IpAddr) -> Option<&'static str> {
    match address {
        IpAddr::V4(address) => CLOSED_V4
            .iter()
            .find(|(net, _)| net.contains(&address))
            .map(|(_, kind)| *kind),
        IpAddr::V6(address) if !OPEN_V6.contains(&address) => Some("not public IPv6 unicast"),
        IpAddr::V6(address) => CLOSED_V6
            .iter()
            .find(|(net, _)| net.contains(&address))
            .map(|(_, kind)| *kind),
    }
}

/// Of a name's addresses those that reports may go to.
///
/// # Errors
/// [`Closed::Name`] when none is left.
pub fn only_open(
    found: impl IntoIterator<Item = IpAddr>,
    exceptions: &[IpNet],
) -> Result<Vec<IpAddr>, Closed> {
    let mut why = "it has no address";
    let mut open = vec![];
    for address in found {
        match closed_kind(address) {
            Some(kind) if !excepted(address, exceptions) => why = kind,
            _ => open.push(address),
        }
    }
    if open.is_empty() {
        Err(Closed::Name(why))
    } else {
        Ok(open)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn closed(address: &str) -> bool {
        only_open([address.parse().unwrap()], &[]).is_err()
    }

    #[test]
    fn every_closed_range_of_ipv4_is_closed_to_its_ends_and_no_further() {
        for (first, last) in [
            ("0.0.0.0", "0.255.255.255"),
            ("10.0.0.0", "10.255.255.255"),
            ("100.64.0.0", "100.127.255.255"),
            ("127.0.0.0", "127.255.255.255"),
            ("169.254.0.0", "169.254.255.255"),
            ("172.16.0.0", "172.31.255.255"),
            ("192.0.0.0", "192.0.0.255"),
            ("192.0.2.0", "192.0.2.255"),
            ("192.88.99.0", "192.88.99.255"),
            ("192.168.0.0", "192.168.255.255"),
            ("198.18.0.0", "198.19.255.255"),
            ("198.51.100.0", "198.51.100.255"),
            ("203.0.113.0", "203.0.113.255"),
            ("224.0.0.0", "239.255.255.255"),
            ("240.0.0.0", "255.255.255.255"),
        ] {
            assert!(closed(first), "{first}");
            assert!(closed(last), "{last}");
        }
        for open in [
            "1.0.0.0",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "169.253.255.255",
            "169.255.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.0",
            "192.167.255.255",
            "192.169.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "203.0.114.0",
            "223.255.255.255",
        ] {
            assert!(!closed(open), "{open}");
        }
    }

    #[test]
    fn ipv6_is_closed_in_all_its_disguises() {
        for address in [
            "::",
            "::1",
            // mapped and compatible, of private and of public addresses
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::ffff:8.8.8.8",
            "::127.0.0.1",
            "::8.8.8.8",
            // NAT64, both prefixes, and the translated form
            "64:ff9b::10.0.0.1",
            "64:ff9b:1::1",
            "::ffff:0:127.0.0.1",
            // discard, unique local, link-local, site-local, multicast
            "100::1",
            "fc00::1",
            "fdff:ffff::1",
            "fe80::1",
            "febf::1",
            "fec0::1",
            "ff02::1",
            // segment routing, unassigned
            "5f00::1",
            "4000::1",
            "1fff::1",
            // Teredo, benchmark, ORCHID, documentation, 6to4
            "2001::1",
            "2001:0:7f00:1::",
            "2001:2::1",
            "2001:10::1",
            "2001:20::1",
            "2001:db8::1",
            "2002:7f00:1::1",
            "2002:808:808::1",
            "3fff:fff::1",
        ] {
            assert!(closed(address), "{address}");
        }
        for open in [
            "2001:200::1",
            "2400:3200::1",
            "2606:4700::1111",
            "2a00:1450::1",
            "3fff:1000::1",
        ] {
            assert!(!closed(open), "{open}");
        }
    }

    #[test]
    fn an_exception_opens_what_it_names_and_nothing_else() {
        let exceptions = [
            "127.0.0.1/32".parse().unwrap(),
            "fd00::/16".parse().unwrap(),
        ];
        let open = |address: &str| only_open([address.parse().unwrap()], &exceptions).is_ok();
        assert!(open("127.0.0.1"));
        assert!(open("fd00::1"));
        assert!(!open("127.0.0.2"));
        assert!(!open("::ffff:127.0.0.1"));
        assert!(!open("fd01::1"));
    }

    #[test]
    fn an_address_in_a_url_is_judged_however_it_is_written() {
        for text in [
            "http://127.0.0.1/",
            "http://127.1/",
            "http://0x7f000001/",
            "http://2130706433/",
            "http://017700000001/",
            "http://0177.0.0.1/",
            "http://127.0.0.1./",
            "http://[::1]/",
            "http://[::ffff:7f00:1]/",
            "http://[::127.0.0.1]/",
            "https://10.0.0.1:8443/a?b=c",
            "http://169.254.169.254/latest/meta-data",
            "http://１２７.０.０.１/",
            "http://0/",
            "http://0x0a.0x0.0x0.0x1/",
            "http://012.1/",
            "http://192.168.257/",
            "http://3232235777/",
            "http://0xA9FEA9FE/",
            "http://0251.0376.0251.0376/",
            "http://100.64.0.1/",
            "http://224.0.0.1/",
            "http://255.255.255.255/",
            "http://[fe80::1]/",
            "http://[fd00:ec2::254]/",
            "http://[64:ff9b::a9fe:a9fe]/",
            "http://[2002:7f00:1::]/",
            "http://[::ffff:0:127.0.0.1]/",
            "http://%31%32%37.0.0.1/",
            "http://①②⑦.0.0.1/",
        ] {
            let url = Url::parse(text).unwrap();
            assert!(judge_url(&url, &[]).is_err(), "{text}");
        }
        for text in ["http://8.8.8.8/", "https://merchant.example/cb"] {
            let url = Url::parse(text).unwrap();
            assert_eq!(judge_url(&url, &[]), Ok(()), "{text}");
        }
    }

    #[test]
    fn of_a_name_s_addresses_only_the_open_ones_are_left() {
        let at = |text: &str| -> IpAddr { text.parse().unwrap() };
        let mixed = [at("10.0.0.1"), at("8.8.8.8"), at("::1")];
        assert_eq!(only_open(mixed, &[]), Ok(vec![at("8.8.8.8")]));
        let inside = [at("10.0.0.1"), at("127.0.0.1")];
        assert_eq!(only_open(inside, &[]), Err(Closed::Name("loopback")));
        assert_eq!(only_open([], &[]), Err(Closed::Name("it has no address")));
        let loopback = ["127.0.0.0/8".parse().unwrap()];
        assert_eq!(only_open(inside, &loopback), Ok(vec![at("127.0.0.1")]));
    }

    #[test]
    fn ports_of_other_services_are_closed() {
        let judged = |port: u16, exceptions: &[IpNet]| {
            let url = Url::parse(&format!("http://8.8.8.8:{port}/")).unwrap();
            judge_url(&url, exceptions)
        };
        for port in [
            80, 443, 81, 1024, 3000, 5000, 8000, 8080, 8443, 9000, 18080, 65535,
        ] {
            assert_eq!(judged(port, &[]), Ok(()), "{port}");
        }
        for port in [
            0, 21, 22, 23, 25, 53, 110, 389, 445, 587, 1023, 2375, 3306, 5432, 5672, 6379, 9200,
            27017,
        ] {
            assert_eq!(judged(port, &[]), Err(Closed::Port(port)));
            assert_eq!(judged(port, &["8.8.8.0/24".parse().unwrap()]), Ok(()));
        }
    }
}
