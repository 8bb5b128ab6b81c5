//! A wire that remembers what was said on it towards its server.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use regex::bytes::Regex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

pub(super) struct Tap {
    pub(super) at: SocketAddr,
    said: Arc<Mutex<Vec<u8>>>,
    _task: JoinSet<()>,
}

impl Tap {
    pub(super) async fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let said = Arc::new(Mutex::new(vec![]));
        let mut task = JoinSet::new();
        let hears = Arc::clone(&said);
        task.spawn(async move {
            let mut wires = JoinSet::new();
            while let Ok((inward, _)) = listener.accept().await {
                if let Ok(outward) = TcpStream::connect(server).await {
                    let (from, back) = inward.into_split();
                    let (answers, to) = outward.into_split();
                    wires.spawn(pass_on(from, to, Some(Arc::clone(&hears))));
                    wires.spawn(pass_on(answers, back, None));
                }
                while wires.try_join_next().is_some() {}
            }
        });
        Self {
            at,
            said,
            _task: task,
        }
    }

    /// All signatures that went by: in headers, and in forms.
    pub(super) fn signatures(&self) -> Vec<String> {
        let signature = Regex::new(r"(?i-u)(?:\bsign: |\bsign=)([A-Za-z0-9+/=%]{24,})").unwrap();
        let said = self.said.lock().unwrap();
        signature
            .captures_iter(&said)
            .map(|found| String::from_utf8(found[1].to_vec()).unwrap())
            .collect()
    }
}

async fn pass_on(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    hears: Option<Arc<Mutex<Vec<u8>>>>,
) {
    let mut buffer = vec![0; 16_384];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        if let Some(hears) = &hears {
            hears.lock().unwrap().extend_from_slice(&buffer[..length]);
        }
        if to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
    let _ = to.shutdown().await;
}
