//! Connections that take room at the door and ask for nothing: some say nothing at all, others one byte a second, of their head or, once that
//! is said, of their body.

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
const HEAD: &[u8] =
    b"POST /v1/openapi/order/batch HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\ncontent-length: 100000\r\n\r\n";
/// What those who say anything say of a body; it never comes to its end.
const BODY: [u8; 100] = [b' '; 100];

/// What somebody says at once, and what a byte a second.
#[derive(Clone, Copy)]
struct Speech {
    at_once: &'static [u8],
    slowly: &'static [u8],
}

const NOTHING: Speech = Speech {
    at_once: &[],
    slowly: &[],
};
const SLOW_HEAD: Speech = Speech {
    at_once: &[],
    slowly: HEAD,
};
const SLOW_BODY: Speech = Speech {
    at_once: HEAD,
    slowly: &BODY,
};

/// All of them; those that the door closes come again. Dropped, they go.
pub(super) struct Crowd {
    open: Arc<AtomicUsize>,
    _people: JoinSet<()>,
}

impl Crowd {
    /// Opens to the door so many connections that say nothing, and as many that are slow.
    pub(super) async fn gather(url: &str, each: usize) -> anyhow::Result<Self> {
        let at = url.trim_start_matches("http://").to_owned();
        let open = Arc::new(AtomicUsize::new(0));
        let mut people = JoinSet::new();
        let slow = each.div_ceil(2);
        for (says, people_of_it) in [(NOTHING, each), (SLOW_HEAD, slow), (SLOW_BODY, each - slow)] {
            for _ in 0..people_of_it {
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

async fn stand(first: TcpStream, at: String, says: Speech, open: Arc<AtomicUsize>) {
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

async fn until_closed(connection: &mut TcpStream, says: Speech) {
    let (mut reading, mut writing) = connection.split();
    let mut answer = [0; 512];
    let hearing = async {
        // Whatever is answered, the connection is good until it ends.
        while reading.read(&mut answer).await.is_ok_and(|read| read > 0) {}
    };
    let speaking = async {
        if writing.write_all(says.at_once).await.is_err() {
            return;
        }
        for byte in says.slowly {
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
