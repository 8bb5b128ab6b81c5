//! Ports to listen on that stay ours between two starts.

use std::collections::BTreeSet;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::{Mutex, PoisonError};

/// Ports that this process has given out: a server that is down for a moment keeps its own.
static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());

/// Below it are the ports that well-known servers take.
const LOWEST: u16 = 20_000;

/// Where Linux takes the ports of outgoing connections from, unless told otherwise.
const OUTGOING_FROM: u16 = 32_768;

/// An address of 127.0.0.1 that nobody listens on, for a server that will be stopped and started again. The kernel gives its
/// port to no outgoing connection in the meantime, and this function gives it to nobody else.
///
/// # Errors
/// When a thousand ports in a row are taken.
pub fn free_address() -> io::Result<SocketAddr> {
    let mut given = GIVEN.lock().unwrap_or_else(PoisonError::into_inner);
    let ports = LOWEST..outgoing_from();
    let mut refused = io::Error::from(io::ErrorKind::AddrInUse);
    for _ in 0..1000 {
        let port = rand::random_range(ports.clone());
        if given.contains(&port) {
            continue;
        }
        match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            Ok(listener) => {
                given.insert(port);
                return listener.local_addr();
            }
            Err(error) => refused = error,
        }
    }
    Err(refused)
}

/// The lowest port that an outgoing connection may get, as far as the machine tells and leaves us room below.
fn outgoing_from() -> u16 {
    let told = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").ok();
    told.and_then(|text| text.split_whitespace().next()?.parse().ok())
        .filter(|from| *from > LOWEST + 2000)
        .unwrap_or(OUTGOING_FROM)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_given_once_and_never_one_for_outgoing_connections() {
        let mut seen = BTreeSet::new();
        for _ in 0..200 {
            let port = free_address().unwrap().port();
            assert!(seen.insert(port), "{port} was given twice");
            assert!((LOWEST..outgoing_from()).contains(&port), "{port}");
        }
    }
}
