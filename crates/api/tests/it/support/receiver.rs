//! A receiver of webhooks whose behaviour a test controls.

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use local_services::testing::eventually;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// What a receiver does with a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Behaviour {
    /// Sends this text, and closes the connection.
    Answer(String),
    /// Sends nothing, until the other side goes away.
    Hang,
    /// Sends the head of a response that never ends, one byte at a time.
    Drip,
    /// Sends a header that never ends, as fast as it can.
    Flood,
}

impl Behaviour {
    pub(crate) fn status(status: &str) -> Self {
        Self::Answer(format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n"))
    }

    pub(crate) fn redirect(location: &str) -> Self {
        Self::Answer(format!(
            "HTTP/1.1 302 Found\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n"
        ))
    }
}

/// A request that a receiver got.
#[derive(Debug, Clone)]
pub(crate) struct Received {
    /// The request line and the headers.
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Received {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then_some(value.trim())
        })
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

/// A receiver, which answers 200 unless a test says otherwise. Stopped when the test ends.
#[derive(Debug, Clone)]
pub(crate) struct Receiver {
    address: SocketAddr,
    scheme: &'static str,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    received: Vec<Received>,
    next: VecDeque<Behaviour>,
    always: Option<Behaviour>,
    hanging_path: Option<String>,
    open: usize,
    most_open: usize,
}

impl Receiver {
    pub(crate) async fn start() -> Self {
        Self::listen(None).await
    }

    pub(crate) async fn start_with_tls(tls: TlsAcceptor) -> Self {
        Self::listen(Some(tls)).await
    }

    async fn listen(tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let receiver = Self {
            address: listener.local_addr().unwrap(),
            scheme: if tls.is_some() { "https" } else { "http" },
            state: Arc::default(),
        };
        let accepting = receiver.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (receiver, tls) = (accepting.clone(), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        None => receiver.serve(stream).await,
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                receiver.serve(stream).await;
                            }
                        }
                    }
                });
            }
        });
        receiver
    }

    pub(crate) fn url(&self) -> String {
        self.url_at(&self.address.ip().to_string())
    }

    /// Returns a URL of the receiver with another name for its host.
    pub(crate) fn url_at(&self, host: &str) -> String {
        format!("{}://{host}:{}/hook?a=b", self.scheme, self.address.port())
    }

    /// Returns the host and the port, as `WEBHOOK_ALLOWED_HOSTS` names them.
    pub(crate) fn address(&self) -> String {
        self.address.to_string()
    }

    /// Sets the behaviour for the next requests, one after the other.
    pub(crate) fn then(&self, behaviours: impl IntoIterator<Item = Behaviour>) {
        self.state.lock().unwrap().next.extend(behaviours);
    }

    /// Sets the behaviour for all requests.
    pub(crate) fn always(&self, behaviour: Behaviour) {
        self.state.lock().unwrap().always = Some(behaviour);
    }

    /// Lets all requests to a path hang.
    pub(crate) fn hang_at(&self, path: &str) {
        self.state.lock().unwrap().hanging_path = Some(path.to_owned());
    }

    pub(crate) fn received(&self) -> Vec<Received> {
        self.state.lock().unwrap().received.clone()
    }

    /// Returns the most connections that were open at the same time.
    pub(crate) fn most_open(&self) -> usize {
        self.state.lock().unwrap().most_open
    }

    /// Waits until this many requests have arrived, and returns all.
    pub(crate) async fn wait_for(&self, count: usize) -> Vec<Received> {
        eventually("the requests have arrived", async || {
            self.received().len() >= count
        })
        .await;
        self.received()
    }

    async fn serve(&self, mut stream: impl AsyncRead + AsyncWrite + Unpin) {
        let Some(request) = read(&mut stream).await else {
            return;
        };
        let behaviour = self.note(request);
        let _ = act(&mut stream, behaviour).await;
        self.state.lock().unwrap().open -= 1;
    }

    fn note(&self, request: Received) -> Behaviour {
        let mut state = self.state.lock().unwrap();
        let path = state.hanging_path.as_deref();
        let hangs = path.is_some_and(|path| request.head.contains(&format!(" {path} HTTP/")));
        state.received.push(request);
        state.open += 1;
        state.most_open = state.most_open.max(state.open);
        if hangs {
            return Behaviour::Hang;
        }
        let next = state.next.pop_front().or_else(|| state.always.clone());
        next.unwrap_or_else(|| Behaviour::status("200 OK"))
    }
}

async fn read(stream: &mut (impl AsyncRead + Unpin)) -> Option<Received> {
    let mut bytes = Vec::new();
    loop {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
        let text = String::from_utf8_lossy(&bytes);
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let received = Received {
            head: head.to_owned(),
            body: body.to_owned(),
        };
        let length = received.header("content-length").unwrap_or("0");
        if body.len() == length.parse::<usize>().unwrap() {
            return Some(received);
        }
    }
}

async fn act(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    behaviour: Behaviour,
) -> std::io::Result<()> {
    match behaviour {
        Behaviour::Answer(text) => {
            stream.write_all(text.as_bytes()).await?;
            stream.shutdown().await
        }
        Behaviour::Hang => stream.read(&mut [0]).await.map(drop),
        Behaviour::Drip => {
            stream.write_all(b"HTTP/1.1 200 OK\r\nx: ").await?;
            loop {
                stream.write_all(b"x").await?;
                stream.flush().await?;
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
        }
        Behaviour::Flood => {
            stream.write_all(b"HTTP/1.1 200 OK\r\nx: ").await?;
            loop {
                stream.write_all(&[b'x'; 4096]).await?;
            }
        }
    }
}
