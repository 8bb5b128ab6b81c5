//! A name server that says what it is told to, and may say something else the next time.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::net::UdpSocket;
use tokio_util::sync::CancellationToken;

const HEADER: usize = 12;
const TYPE_A: u16 = 1;
const NO_SUCH_NAME: u8 = 3;

/// Answers questions for IPv4 addresses over UDP; of all other names it says that there is none.
#[derive(Clone, Debug, Default)]
pub struct NameServer {
    names: Arc<Mutex<HashMap<String, VecDeque<Ipv4Addr>>>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl NameServer {
    /// From now on the name leads to these addresses, one after the other with each question; the last stays.
    pub fn set(&self, name: &str, addresses: &[Ipv4Addr]) {
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        names.insert(
            name.to_ascii_lowercase(),
            addresses.iter().copied().collect(),
        );
    }

    /// How often it was asked for an IPv4 address of the name.
    pub fn asked(&self, name: &str) -> usize {
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.iter().filter(|n| *n == name).count()
    }

    /// Serves on a port of 127.0.0.1 until `shutdown`. Returns where, and what serves.
    ///
    /// # Errors
    /// When there is no port.
    pub async fn bind(
        &self,
        shutdown: CancellationToken,
    ) -> io::Result<(SocketAddr, impl Future<Output = ()> + Send + 'static)> {
        let socket = UdpSocket::bind("127.0.0.1:0").await?;
        let at = socket.local_addr()?;
        let server = self.clone();
        Ok((at, async move {
            let mut question = [0; 512];
            loop {
                let (length, from) = tokio::select! {
                    () = shutdown.cancelled() => return,
                    received = socket.recv_from(&mut question) => match received {
                        Ok(received) => received,
                        Err(_) => continue,
                    },
                };
                if let Some(answer) = question.get(..length).and_then(|q| server.answer(q)) {
                    let _ = socket.send_to(&answer, from).await;
                }
            }
        }))
    }

    /// `None`: not a question.
    fn answer(&self, question: &[u8]) -> Option<Vec<u8>> {
        let mut at = HEADER;
        let mut labels = vec![];
        loop {
            let length = usize::from(*question.get(at)?);
            at += 1;
            if length == 0 {
                break;
            }
            let label = question.get(at..at + length)?;
            labels.push(String::from_utf8_lossy(label).to_ascii_lowercase());
            at += length;
        }
        let kind = u16::from_be_bytes([*question.get(at)?, *question.get(at + 1)?]);
        let asked = question.get(HEADER..at + 4)?;
        let name = labels.join(".");
        let known = {
            let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
            names.get_mut(&name).map(|addresses| {
                if kind != TYPE_A {
                    return None;
                }
                if addresses.len() > 1 {
                    addresses.pop_front()
                } else {
                    addresses.front().copied()
                }
            })
        };
        if kind == TYPE_A {
            self.asked
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(name);
        }
        let address = known.flatten();
        let code = if known.is_none() { NO_SUCH_NAME } else { 0 };
        let mut answer = question.get(..2)?.to_vec();
        answer.extend([
            0x85,
            0x80 | code,
            0,
            1,
            0,
            u8::from(address.is_some()),
            0,
            0,
            0,
            0,
        ]);
        answer.extend_from_slice(asked);
        if let Some(address) = address {
            // The name as a pointer to the question, type A, class IN, no time to live, four bytes.
            answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4]);
            answer.extend(address.octets());
        }
        Some(answer)
    }
}
