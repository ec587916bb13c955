//! The little HTTP that it takes to manage what was started on this machine.
//!
//! HTTP/1.0, so that an answer ends where the connection does; no TLS.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(30);

/// An answer, whatever its status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status code, as 200.
    pub status: u16,
    /// The body.
    pub body: String,
}

/// Sends a GET.
///
/// # Errors
///
/// When the URL is none of `http://`, nobody answers, or not with HTTP.
pub fn get(url: &str) -> io::Result<Answer> {
    exchange("GET", url, &[], "")
}

/// Sends a POST.
///
/// # Errors
///
/// As [`get`].
pub fn post(url: &str, headers: &[(&str, &str)], body: &str) -> io::Result<Answer> {
    exchange("POST", url, headers, body)
}

fn exchange(method: &str, url: &str, headers: &[(&str, &str)], body: &str) -> io::Result<Answer> {
    let (host, path) = host_and_path(url).ok_or_else(|| {
        let reason = format!("{url} is not of the form http://HOST:PORT/PATH");
        io::Error::new(io::ErrorKind::InvalidInput, reason)
    })?;
    let mut request = Vec::new();
    write!(request, "{method} {path} HTTP/1.0\r\nHost: {host}\r\n")?;
    for (name, value) in headers {
        write!(request, "{name}: {value}\r\n")?;
    }
    write!(request, "Content-Length: {}\r\n\r\n{body}", body.len())?;

    let mut stream = TcpStream::connect(host)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.write_all(&request)?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    parse(&answer).ok_or_else(|| io::Error::other(format!("{url} answered no HTTP: {answer}")))
}

fn host_and_path(url: &str) -> Option<(&str, &str)> {
    let rest = url.strip_prefix("http://")?;
    match rest.find('/') {
        Some(end) => Some(rest.split_at(end)),
        None => Some((rest, "/")),
    }
}

fn parse(answer: &str) -> Option<Answer> {
    let (head, body) = answer.split_once("\r\n\r\n")?;
    Some(Answer {
        status: head.split(' ').nth(1)?.parse().ok()?,
        body: body.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_split_into_host_and_path() {
        let url = "http://127.0.0.1:9324/_ministack/health";
        let expected = ("127.0.0.1:9324", "/_ministack/health");
        assert_eq!(host_and_path(url), Some(expected));
        let expected = ("localhost:9324", "/");
        assert_eq!(host_and_path("http://localhost:9324"), Some(expected));
        assert_eq!(host_and_path("https://sqs.us-east-1.amazonaws.com"), None);
    }

    #[test]
    fn an_answer_has_a_status_and_a_body() {
        let answer = parse("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n{}");
        let body = "{}".to_owned();
        assert_eq!(answer, Some(Answer { status: 400, body }));
        assert_eq!(parse(""), None);
    }
}
