//! A server that says what a test wants it to say.

use std::net::Ipv4Addr;

use local_services::testing::TIMEOUT;
use stomp_client::{Connection, Endpoint, Login};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

pub(crate) const CONNECTED: &str = "CONNECTED\nversion:1.2\nserver:Test/1\nheart-beat:0,0\n\n\0\n";

/// Returns an endpoint whose first client is passed to `serve`, and what `serve` returns.
pub(crate) async fn server<T: Send + 'static, F: Future<Output = T> + Send + 'static>(
    serve: impl FnOnce(TcpStream) -> F + Send + 'static,
) -> (Endpoint, JoinHandle<T>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let served = tokio::spawn(async move { serve(listener.accept().await.unwrap().0).await });
    (endpoint(port), served)
}

/// Waits for something that must happen.
pub(crate) async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    let waited = tokio::time::timeout(TIMEOUT, future).await;
    waited.unwrap_or_else(|_elapsed| panic!("waited in vain for {what}"))
}

pub(crate) fn endpoint(port: u16) -> Endpoint {
    Endpoint {
        host: Ipv4Addr::LOCALHOST.to_string(),
        port,
        tls: None,
        login: Some(Login {
            user: "user".to_owned(),
            password: "secret".to_owned(),
        }),
    }
}

/// Reads one frame of the client, and returns its text without the NUL.
pub(crate) async fn request(client: &mut TcpStream) -> String {
    let mut text = Vec::new();
    loop {
        match client.read_u8().await.unwrap() {
            0 => return String::from_utf8(text).unwrap(),
            b'\n' if text.is_empty() => {}
            byte => text.push(byte),
        }
    }
}

/// Returns the value of a header of a client's frame.
pub(crate) fn header<'a>(frame: &'a str, name: &str) -> &'a str {
    let mut lines = frame.lines();
    let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    value.unwrap_or_else(|| panic!("{frame:?} has no header {name}"))
}

/// Begins the session of a client.
pub(crate) async fn admit(client: &mut TcpStream) {
    let connect = request(client).await;
    assert!(connect.starts_with("CONNECT\n"), "{connect:?}");
    client.write_all(CONNECTED.as_bytes()).await.unwrap();
}

/// Opens a connection whose server sends `bytes` after the first frame and then reads until the client goes.
pub(crate) async fn connection_to(bytes: impl Into<Vec<u8>>) -> Connection {
    let bytes = bytes.into();
    let (endpoint, _) = server(async move |mut client| {
        admit(&mut client).await;
        // The client may end the connection before all of it is written.
        let _ = client.write_all(&bytes).await;
        let _ = client.read_to_end(&mut Vec::new()).await;
    })
    .await;
    Connection::open(&endpoint).await.unwrap()
}
