//! A wire to a server that can be cut.

use std::net::SocketAddr;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Passes bytes on until it is cut, and then for new connections again.
pub(crate) struct Proxy {
    pub(crate) at: SocketAddr,
    cuts: watch::Sender<u32>,
    _task: JoinSet<()>,
}

impl Proxy {
    pub(crate) async fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let (cuts, cut) = watch::channel(0);
        let mut task = JoinSet::new();
        task.spawn(async move {
            let mut wires = JoinSet::new();
            while let Ok((inward, _)) = listener.accept().await {
                let mut cut = cut.clone();
                cut.mark_unchanged();
                wires.spawn(async move {
                    tokio::select! {
                        _ = cut.changed() => {}
                        () = pass_on(inward, server) => {}
                    }
                });
                while wires.try_join_next().is_some() {}
            }
        });
        Self {
            at,
            cuts,
            _task: task,
        }
    }

    /// Ends all connections that stand now.
    pub(crate) fn cut(&self) {
        self.cuts.send_modify(|cuts| *cuts += 1);
    }
}

async fn pass_on(mut inward: TcpStream, server: SocketAddr) {
    if let Ok(mut outward) = TcpStream::connect(server).await {
        let _ = tokio::io::copy_bidirectional(&mut inward, &mut outward).await;
    }
}
