//! Connections that take room at the door and ask for nothing: some say nothing at all, others one byte a second.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::Context;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

const BETWEEN_BYTES: Duration = Duration::from_secs(1);
/// A connection that was closed is opened again after this.
const OPEN_AGAIN: Duration = Duration::from_millis(200);
/// What the slow ones say, a byte at a time; it never comes to an end.
const SAYS: &[u8] =
    b"POST /v1/openapi/order/batch HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\ncontent-length: 100000\r\n\r\n";

/// All of them; those that the door closes come again. Dropped, they go.
pub(super) struct Crowd {
    open: Arc<AtomicUsize>,
    _people: JoinSet<()>,
}

impl Crowd {
    /// Opens so many connections of each kind to the door.
    pub(super) async fn gather(url: &str, each: usize) -> anyhow::Result<Self> {
        let at = url.trim_start_matches("http://").to_owned();
        let open = Arc::new(AtomicUsize::new(0));
        let mut people = JoinSet::new();
        for says in [None, Some(SAYS)] {
            for _ in 0..each {
                let first = TcpStream::connect(&at).await;
                let first = first.context("the door takes no more connections")?;
                people.spawn(stand(first, at.clone(), says, Arc::clone(&open)));
            }
        }
        Ok(Self {
            open,
            _people: people,
        })
    }

    /// All go; returns how many were there.
    pub(super) fn leave(self) -> usize {
        self.open.load(Ordering::Relaxed)
    }
}

async fn stand(first: TcpStream, at: String, says: Option<&'static [u8]>, open: Arc<AtomicUsize>) {
    let mut connection = Some(first);
    loop {
        if let Some(mut connected) = connection.take() {
            open.fetch_add(1, Ordering::Relaxed);
            until_closed(&mut connected, says).await;
            open.fetch_sub(1, Ordering::Relaxed);
        }
        tokio::time::sleep(OPEN_AGAIN).await;
        connection = TcpStream::connect(&at).await.ok();
    }
}

async fn until_closed(connection: &mut TcpStream, says: Option<&'static [u8]>) {
    let (mut reading, mut writing) = connection.split();
    let mut answer = [0; 512];
    let hearing = async {
        // Whatever is answered, the connection is good until it ends.
        while reading.read(&mut answer).await.is_ok_and(|read| read > 0) {}
    };
    let speaking = async {
        for byte in says.unwrap_or_default() {
            if writing.write_all(&[*byte]).await.is_err() {
                return;
            }
            tokio::time::sleep(BETWEEN_BYTES).await;
        }
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = hearing => {}
        () = speaking => {}
    }
}
