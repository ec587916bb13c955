//! Clients that read or send slowly.

use std::time::Duration;

use local_services::testing::{TIMEOUT, eventually};
use sha2::{Digest, Sha256};
use shared_model::job::JobId;
use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use crate::support::process::Process;
use crate::support::{Service, config, database};

const CLIENTS: usize = 8;
/// The length of the result, which gzip does not shorten.
const RESULT_BYTES: usize = 4 * 1024 * 1024;
/// What a client may cost the API: one part of the result, and the copies of it on its way.
const BYTES_PER_CLIENT: usize = 3 * 1024 * 1024;
/// What a client reads at a time, and what its system holds for it.
const READ_BYTES: usize = 16 * 1024;
/// The most that one packet to a client contains.
const PACKET_BYTES: u32 = 1400;

/// Stores a large result.
async fn large_result(database_url: &str) -> JobId {
    let hash_bytes = 32;
    let calendar: Vec<u8> = (0..RESULT_BYTES / hash_bytes)
        .flat_map(|n| Sha256::digest(n.to_le_bytes()))
        .collect();
    let service = Service::launch(&config(database_url, &[]));
    service.wait_until_ready().await;
    let id = service.new_job().await;
    service.complete(id, &calendar).await;
    id
}

/// Sends a request to the API at `url`, and reads nothing yet.
async fn send(url: &str, request: &str) -> TcpStream {
    let host = url.trim_start_matches("http://");
    let socket = TcpSocket::new_v4().unwrap();
    socket
        .set_recv_buffer_size(READ_BYTES.try_into().unwrap())
        .unwrap();
    // as over a network: without it, the system would hold megabytes for the client
    SockRef::from(&socket).set_tcp_mss(PACKET_BYTES).unwrap();
    let mut client = socket.connect(host.parse().unwrap()).await.unwrap();
    let request = request.replace("HOST", host);
    client.write_all(request.as_bytes()).await.unwrap();
    client
}

/// Sends a request, and returns everything that the API sends before it closes the connection.
async fn exchange(url: &str, request: &str) -> String {
    let mut response = String::new();
    let mut client = send(url, request).await;
    client.read_to_string(&mut response).await.unwrap();
    response
}

/// Requests the result from the API at `url`, and reads nothing yet.
async fn request(url: &str, id: JobId, coding: &str) -> TcpStream {
    let request = format!(
        "GET /api/v1/todos/ical/{id}/result HTTP/1.1\r\nHost: HOST\r\nAccept-Encoding: {coding}\r\nConnection: close\r\n\r\n"
    );
    send(url, &request).await
}

/// Waits until the API has closed the connection. Meanwhile the client sends `more` again and again.
async fn assert_is_closed(client: TcpStream, more: &[u8]) {
    let (mut reader, mut writer) = client.into_split();
    let sending = async {
        while writer.write_all(more).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let mut received = Vec::new();
    // ends with an error if the API resets the connection
    let reading = reader.read_to_end(&mut received);
    let both = async { tokio::join!(reading, sending) };
    let ended = tokio::time::timeout(TIMEOUT, both).await;
    assert!(ended.is_ok(), "the connection is still open");
}

/// Downloads the result with several clients, and returns the lengths of their responses. No client reads ahead of the
/// others. An API that did not wait for them would soon have the whole result in memory, once for each client.
async fn download_slowly(process: &Process, id: JobId, coding: &str) -> Vec<usize> {
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        clients.push(request(&process.url, id, coding).await);
    }
    let mut lengths = vec![0; CLIENTS];
    let mut buffer = vec![0; READ_BYTES];
    let mut has_more = true;
    while has_more {
        has_more = false;
        for (client, length) in clients.iter_mut().zip(&mut lengths) {
            let read = client.read(&mut buffer).await.unwrap();
            *length += read;
            has_more |= read > 0;
        }
    }
    lengths
}

#[tokio::test]
async fn a_slow_client_costs_the_api_one_part_of_its_result() {
    let database_url = database();
    let id = large_result(&database_url).await;
    let process = Process::start(&[("DATABASE_URL", &database_url)], "ready");
    let before = process.peak_bytes();
    for coding in ["gzip", "identity"] {
        let lengths = download_slowly(&process, id, coding).await;
        assert!(
            lengths.iter().all(|length| *length > RESULT_BYTES),
            "{lengths:?}"
        );
        let grown = process.peak_bytes() - before;
        assert!(
            grown < CLIENTS * BYTES_PER_CLIENT,
            "{coding}: grew by {grown} bytes"
        );
    }
}

#[tokio::test]
async fn a_client_that_stops_reading_is_disconnected() {
    let database_url = database();
    let id = large_result(&database_url).await;
    let flags = ["--stall-timeout=1s", "--max-requests=1"];
    let service = Service::launch(&config(&database_url, &flags));
    service.wait_until_ready().await;
    let mut client = request(&service.url, id, "gzip").await;
    client.readable().await.unwrap();
    assert_eq!(service.get("/api/v1/todos").await.status, 503);
    eventually("the client no longer occupies the API", async || {
        service.get("/api/v1/todos").await.status == 200
    })
    .await;
    let mut received = Vec::new();
    let _ = client.read_to_end(&mut received).await;
    assert!(received.len() < RESULT_BYTES, "{}", received.len());
}

#[tokio::test]
async fn a_client_that_reads_a_large_response_too_slowly_is_disconnected() {
    let flags = [
        "--send-timeout=3s",
        "--stall-timeout=10m",
        "--max-requests=1",
    ];
    let service = Service::start_with(&flags).await;
    let request = "GET /docs/swagger-ui-bundle.js HTTP/1.1\r\nHost: HOST\r\n\r\n";
    let mut client = send(&service.url, request).await;
    client.readable().await.unwrap();
    assert_eq!(service.get("/api/v1/todos").await.status, 503);
    let mut received = 0;
    let mut part = [0; 64];
    eventually("the client no longer occupies the API", async || {
        received += client.read(&mut part).await.unwrap_or_default();
        service.get("/api/v1/todos").await.status == 200
    })
    .await;
    let mut rest = Vec::new();
    let _ = client.read_to_end(&mut rest).await;
    assert!(received + rest.len() < 1_000_000, "{}", rest.len());
}

#[tokio::test]
async fn a_client_that_sends_many_requests_and_reads_no_response_does_not_fill_the_memory() {
    const REQUESTS: usize = 200_000;
    const AT_ONCE: usize = 100;
    let process = Process::start(&[("DATABASE_URL", &database())], "ready");
    let request = "GET / HTTP/1.1\r\nHost: HOST\r\nIf-None-Match: *\r\n\r\n";
    let mut client = send(&process.url, request).await;
    client.readable().await.unwrap();
    let before = process.peak_bytes();
    let host = process.url.trim_start_matches("http://");
    let requests = request.replace("HOST", host).repeat(AT_ONCE);
    for _ in 0..REQUESTS / AT_ONCE {
        let writing = client.write_all(requests.as_bytes());
        // the API has stopped reading
        if tokio::time::timeout(Duration::from_secs(3), writing)
            .await
            .is_err()
        {
            break;
        }
    }
    let grown = process.peak_bytes() - before;
    // the first requests of a process cost some memory; the responses to all would cost 70 MB
    assert!(grown < 24 * 1024 * 1024, "grew by {grown} bytes");
}

#[tokio::test]
async fn headers_that_do_not_arrive_in_time_are_refused() {
    let service = Service::start_with(&["--header-timeout=1s"]).await;
    let response = exchange(&service.url, "GET /livez HTTP/1.1\r\nHost: HO").await;
    assert!(response.starts_with("HTTP/1.1 408 "), "{response}");
}

#[tokio::test]
async fn a_body_that_does_not_arrive_in_time_is_refused() {
    let service = Service::start_with(&["--body-timeout=100ms"]).await;
    let request = "POST /api/v1/todos HTTP/1.1\r\nHost: HOST\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{";
    let response = exchange(&service.url, request).await;
    assert!(response.starts_with("HTTP/1.1 408 "), "{response}");
    assert!(
        response.contains("the body did not arrive in time"),
        "{response}"
    );
}

#[tokio::test]
async fn whoever_signs_in_has_little_time_and_no_room_for_more_than_a_token() {
    let service = Service::start_with(&["--auth=tokens", "--body-timeout=10m"]).await;
    for (body, status) in [(r#"{"token""#, 408), (&*"x".repeat(2000), 413)] {
        let request = format!(
            "POST /api/v1/session HTTP/1.1\r\nHost: HOST\r\nContent-Type: application/json\r\nContent-Length: 9000\r\n\r\n{body}"
        );
        let mut client = send(&service.url, &request).await;
        let mut response = [0; 12];
        client.read_exact(&mut response).await.unwrap();
        assert_eq!(response, format!("HTTP/1.1 {status}").as_bytes());
    }
}

#[tokio::test]
async fn the_headers_of_a_later_request_have_a_time_limit_too() {
    let service = Service::start_with(&["--header-timeout=1s"]).await;
    let request = "GET /livez HTTP/1.1\r\nHost: HOST\r\n\r\n";
    let mut client = send(&service.url, request).await;
    client.readable().await.unwrap();
    client
        .write_all(b"GET /livez HTTP/1.1\r\nX: ")
        .await
        .unwrap();
    assert_is_closed(client, b"x").await;
}

#[tokio::test]
async fn the_body_of_a_refused_request_has_a_time_limit_too() {
    let service = Service::start_with(&["--header-timeout=1s", "--auth=tokens"]).await;
    for path in ["/api/v1/todos", "/docs/nowhere"] {
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: HOST\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
        );
        let client = send(&service.url, &request).await;
        client.readable().await.unwrap();
        assert_is_closed(client, b"1\r\nx\r\n").await;
    }
}
