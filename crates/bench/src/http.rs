//! An HTTP client that uses little CPU time, because it shares the machine with what it measures: one HTTP/1.1
//! connection that is kept open, and one request at a time.

use std::fmt::Write;
use std::net::SocketAddr;

use anyhow::Context;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The status of a response without a body: the client has the newest version.
pub const NOT_MODIFIED: u16 = 304;

/// A connection.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    host: String,
    request: String,
    received: Vec<u8>,
}

/// A response.
#[derive(Debug)]
pub struct Response<'a> {
    /// The status code.
    pub status: u16,
    /// The body.
    pub body: &'a [u8],
    head: &'a str,
}

impl Response<'_> {
    /// Returns the value of a header, or `None` if the response does not have it. `name` may be in upper or lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        header(self.head, name)
    }
}

impl Connection {
    /// Connects.
    ///
    /// # Errors
    /// Returns an error if nothing listens on `address`.
    pub async fn open(address: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address)
            .await
            .with_context(|| format!("can't connect to {address}"))?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            host: address.to_string(),
            request: String::new(),
            received: Vec::new(),
        })
    }

    /// Sends a GET request and reads the response.
    ///
    /// # Errors
    /// Returns an error if the connection breaks. A response of any status is not an error.
    pub async fn get(&mut self, path: &str) -> anyhow::Result<Response<'_>> {
        self.get_with(path, "").await
    }

    /// Sends a GET request with more headers and reads the response. `headers` are complete lines, each with its end.
    ///
    /// # Errors
    /// Returns an error if the connection breaks. A response of any status is not an error.
    pub async fn get_with(&mut self, path: &str, headers: &str) -> anyhow::Result<Response<'_>> {
        self.request.clear();
        write!(
            self.request,
            "GET {path} HTTP/1.1\r\nhost: {}\r\n{headers}\r\n",
            self.host
        )?;
        self.exchange().await
    }

    /// Sends a POST request with a JSON body and reads the response. `headers` are complete lines, each with its end.
    ///
    /// # Errors
    /// Returns an error if the connection breaks. A response of any status is not an error.
    pub async fn post(
        &mut self,
        path: &str,
        headers: &str,
        body: &str,
    ) -> anyhow::Result<Response<'_>> {
        self.request.clear();
        write!(
            self.request,
            "POST {path} HTTP/1.1\r\nhost: {}\r\n{headers}content-length: {}\r\n\r\n{body}",
            self.host,
            body.len()
        )?;
        self.exchange().await
    }

    async fn exchange(&mut self) -> anyhow::Result<Response<'_>> {
        self.stream.write_all(self.request.as_bytes()).await?;
        self.received.clear();
        let head = loop {
            self.read().await?;
            if let Some(head) = Head::find(&self.received)? {
                break head;
            }
        };
        while self.received.len() < head.length + head.body_length {
            self.read().await?;
        }
        let (first, body) = self.received.split_at(head.length);
        Ok(Response {
            status: head.status,
            body,
            head: std::str::from_utf8(first)?,
        })
    }

    async fn read(&mut self) -> anyhow::Result<()> {
        let read = self.stream.read_buf(&mut self.received).await?;
        anyhow::ensure!(read > 0, "{} closed the connection", self.host);
        Ok(())
    }
}

/// What the client needs to know of the first part of a response.
#[derive(Debug, PartialEq, Eq)]
struct Head {
    status: u16,
    length: usize,
    body_length: usize,
}

impl Head {
    /// Returns `None` if `received` does not contain the whole head yet.
    fn find(received: &[u8]) -> anyhow::Result<Option<Self>> {
        let end = received.windows(4).position(|window| window == b"\r\n\r\n");
        let Some(end) = end else { return Ok(None) };
        let head = std::str::from_utf8(received.get(..end).unwrap_or_default())?;
        let status = head.split(' ').nth(1);
        let status = status.context("not an HTTP response")?.parse()?;
        let body_length = match header(head, "content-length") {
            // it describes the body that the client has already
            _ if status == NOT_MODIFIED => 0,
            Some(length) => length.parse()?,
            None => anyhow::bail!("a response without Content-Length"),
        };
        Ok(Some(Self {
            status,
            length: end + 4,
            body_length,
        }))
    }
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = head.lines().filter_map(|line| line.split_once(':'));
    lines
        .find(|(named, _)| named.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_head_of_a_response_is_found_once_it_is_complete() {
        let response = b"HTTP/1.1 202 Accepted\r\nContent-Length: 12\r\nx: y\r\n\r\n{\"task_id\"";
        assert_eq!(Head::find(&response[..40]).unwrap(), None);
        let head = Head::find(response).unwrap().unwrap();
        assert_eq!((head.status, head.length, head.body_length), (202, 51, 12));
    }

    #[test]
    fn a_response_of_unknown_length_is_refused() {
        assert!(Head::find(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
    }

    #[test]
    fn a_304_has_headers_and_no_body() {
        let text = "HTTP/1.1 304 Not Modified\r\nETag: \"1\"\r\ncontent-length: 7\r\n\r\n";
        let head = Head::find(text.as_bytes()).unwrap().unwrap();
        assert_eq!((head.status, head.body_length), (NOT_MODIFIED, 0));
        assert_eq!(header(text, "etag"), Some("\"1\""));
        assert_eq!(header(text, "vary"), None);
    }
}
