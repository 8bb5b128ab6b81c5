//! Merchants' endpoints that are down, slow or hostile, in ten ways.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

const DRIP_EVERY: Duration = Duration::from_millis(500);
const HUGE_ANSWER_BYTES: usize = 4 * 1024 * 1024;
/// The most connections that one of them holds at a time.
const MOST_OPEN: usize = 256;

/// One way to treat those who call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Misbehaviour {
    /// Nobody listens.
    Refuse,
    /// Takes the connection and says nothing.
    Hang,
    /// Answers a byte now and then.
    Drip,
    /// Breaks the connection when the request is there.
    Reset,
    /// Answers megabytes.
    Huge,
    /// Sends the caller to an address inside.
    Redirect,
    /// HTTP 500.
    Error,
    /// HTTP 200 with another text.
    WrongText,
    /// Speaks something else where TLS is expected.
    NoTls,
    /// Its name leads nowhere.
    NoName,
}

impl Misbehaviour {
    /// All ten.
    pub const ALL: [Self; 10] = [
        Self::Refuse,
        Self::Hang,
        Self::Drip,
        Self::Reset,
        Self::Huge,
        Self::Redirect,
        Self::Error,
        Self::WrongText,
        Self::NoTls,
        Self::NoName,
    ];

    /// Whether it keeps its caller from any answer at all.
    pub const fn is_unreachable(self) -> bool {
        !matches!(
            self,
            Self::Huge | Self::Redirect | Self::Error | Self::WrongText
        )
    }

    /// The address of an endpoint that treats its callers so.
    pub fn url(self, at: SocketAddr) -> String {
        match self {
            Self::NoTls => format!("https://{at}/callback"),
            Self::NoName => format!(
                "http://port{}.nobody.invalid:{}/callback",
                at.port(),
                at.port()
            ),
            _ => format!("http://{at}/callback"),
        }
    }

    /// Treats all who call so, until `shutdown`. One that refuses, or has no name, drops the listener.
    pub async fn run(self, listener: TcpListener, shutdown: CancellationToken) {
        if matches!(self, Self::Refuse | Self::NoName) {
            drop(listener);
            return;
        }
        let mut calls = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                () = shutdown.cancelled() => return,
                accepted = listener.accept() => accepted,
            };
            while calls.try_join_next().is_some() {}
            if let Ok((connection, _)) = accepted
                && calls.len() < MOST_OPEN
            {
                calls.spawn(self.treat(connection));
            }
        }
    }

    async fn treat(self, mut connection: TcpStream) {
        let mut request = [0; 4_096];
        if connection.read(&mut request).await.is_err() {
            return;
        }
        let answer = |status: &str, body: &str| {
            let length = body.len();
            format!(
                "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
            )
        };
        let text = match self {
            Self::Refuse | Self::NoName => return,
            Self::Reset => {
                // Closing with unread bytes makes the kernel send a reset.
                return;
            }
            Self::Hang => {
                std::future::pending::<()>().await;
                return;
            }
            Self::Drip => {
                let head = "HTTP/1.1 200 OK\r\nContent-Length: 7000\r\n\r\n";
                for byte in head.bytes().chain(std::iter::repeat_n(b' ', 7_000)) {
                    if connection.write_all(&[byte]).await.is_err() {
                        return;
                    }
                    tokio::time::sleep(DRIP_EVERY).await;
                }
                return;
            }
            Self::Huge => answer("200 OK", &"SUCCESS ".repeat(HUGE_ANSWER_BYTES / 8)),
            Self::Redirect => {
                "HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/latest/meta-data\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".into()
            }
            Self::Error => answer("500 Internal Server Error", "it broke"),
            Self::WrongText => answer("200 OK", "{\"code\":\"SUCCESS\"}"),
            Self::NoTls => answer("400 Bad Request", "this is no TLS"),
        };
        let _ = connection.write_all(text.as_bytes()).await;
        let _ = connection.shutdown().await;
        // What is still on its way is read, so that the close is not taken for a reset.
        while connection.read(&mut request).await.is_ok_and(|n| n > 0) {}
    }
}
