//! Requests that no HTTP client would send.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};

use serde_json::Value;

use super::Service;

/// Everything that the server sent.
#[derive(Debug)]
pub(crate) struct RawResponse {
    pub(crate) text: String,
}

impl Service {
    /// Sends `request` unchanged on a connection of its own, and then nothing more. Returns what the server sends until
    /// it closes the connection.
    pub(crate) async fn raw(&self, request: impl Into<Vec<u8>>) -> RawResponse {
        let address = self.url.strip_prefix("http://").unwrap().to_owned();
        let request = request.into();
        let exchange = move || {
            let mut stream = TcpStream::connect(address).unwrap();
            stream.write_all(&request).unwrap();
            stream.shutdown(Shutdown::Write).unwrap();
            let mut response = Vec::new();
            stream.read_to_end(&mut response).unwrap();
            String::from_utf8_lossy(&response).into_owned()
        };
        let text = tokio::task::spawn_blocking(exchange).await.unwrap();
        RawResponse { text }
    }
}

impl RawResponse {
    /// Returns the status in the first line.
    #[track_caller]
    pub(crate) fn status(&self) -> u16 {
        let status = self.text.split(' ').nth(1);
        let status = status.and_then(|status| status.parse().ok());
        status.unwrap_or_else(|| panic!("no status in {:?}", self.text))
    }

    /// Returns the body as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        let (_, body) = self.text.split_once("\r\n\r\n").unwrap();
        serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }
}
