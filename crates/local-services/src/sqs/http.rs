//! The little HTTP that managing queues takes.
//!
//! HTTP/1.0, so that an answer ends where the connection does.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use super::REGION;
use crate::error::{Error, io_error};

const TIMEOUT: Duration = Duration::from_secs(30);

/// Posts one call of SQS's JSON protocol and gives status and body.
pub(super) fn post(endpoint: &str, action: &str, body: &str) -> Result<(u16, String), Error> {
    let Some((host, _)) = host_and_path(endpoint) else {
        return Err(Error::Failed(format!(
            "{endpoint} is no address of a local SQS: give one as http://127.0.0.1:9324 in {}",
            super::ENDPOINT_VARIABLE
        )));
    };
    // Nobody here checks the signature, but some read the region off it.
    let request = format!(
        "POST / HTTP/1.0\r\n\
         Host: {host}\r\n\
         Content-Type: application/x-amz-json-1.0\r\n\
         X-Amz-Target: AmazonSQS.{action}\r\n\
         Authorization: AWS4-HMAC-SHA256 Credential=local/20260101/{REGION}/sqs/aws4_request, \
         SignedHeaders=host, Signature=0\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    exchange(host, &request).map_err(io_error(format!("reach the SQS endpoint {endpoint}")))
}

/// Whether a GET is answered with 200.
pub(super) fn is_healthy(url: &str) -> bool {
    let Some((host, path)) = host_and_path(url) else {
        return false;
    };
    let request = format!("GET {path} HTTP/1.0\r\nHost: {host}\r\n\r\n");
    exchange(host, &request).is_ok_and(|(status, _)| status == 200)
}

fn host_and_path(url: &str) -> Option<(&str, &str)> {
    let rest = url.strip_prefix("http://")?;
    let end = rest.find('/').unwrap_or(rest.len());
    Some(rest.split_at(end))
}

fn exchange(host: &str, request: &str) -> io::Result<(u16, String)> {
    let mut stream = TcpStream::connect(host)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.write_all(request.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    split(&answer).ok_or_else(|| io::Error::other(format!("an answer that is no HTTP: {answer}")))
}

fn split(answer: &str) -> Option<(u16, String)> {
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some((status, body.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_split_into_host_and_path() {
        let url = "http://127.0.0.1:9324/_ministack/health";
        assert_eq!(
            host_and_path(url),
            Some(("127.0.0.1:9324", "/_ministack/health"))
        );
        assert_eq!(
            host_and_path("http://localhost:9324"),
            Some(("localhost:9324", ""))
        );
        assert_eq!(host_and_path("https://sqs.us-east-1.amazonaws.com"), None);
    }

    #[test]
    fn an_answer_is_split_into_status_and_body() {
        let answer = "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n{\"message\":\"x\"}";
        assert_eq!(split(answer), Some((400, "{\"message\":\"x\"}".to_owned())));
        assert_eq!(split(""), None);
    }
}
