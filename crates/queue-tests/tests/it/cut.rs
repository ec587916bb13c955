//! A proxy that can cut its connections.

use std::net::Ipv4Addr;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::broadcast;
use tokio_util::task::AbortOnDropHandle;

/// Forwards connections to another port of this machine.
pub(crate) struct Cut {
    port: u16,
    cuts: broadcast::Sender<()>,
    _accepting: AbortOnDropHandle<()>,
}

impl Cut {
    pub(crate) async fn to(target: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let cuts = broadcast::Sender::new(1);
        let sender = cuts.clone();
        let accepting = async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let mut cut = sender.subscribe();
                tokio::spawn(async move {
                    let server = TcpStream::connect((Ipv4Addr::LOCALHOST, target)).await;
                    let mut server = server.unwrap();
                    tokio::select! {
                        _ = copy_bidirectional(&mut client, &mut server) => {}
                        _ = cut.recv() => {}
                    }
                });
            }
        };
        Self {
            port,
            cuts,
            _accepting: AbortOnDropHandle::new(tokio::spawn(accepting)),
        }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Closes the connections that are open.
    pub(crate) fn all_connections(&self) {
        assert!(self.cuts.send(()).unwrap() > 0, "no connection is open");
    }
}
