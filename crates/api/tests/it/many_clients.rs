//! Thousands of clients that are idle, that follow jobs, or that never finish a request. The API answers others meanwhile.

use std::io::ErrorKind;

use api::authentication::scope::Scope;
use local_services::testing::eventually;
use reqwest::{Client, StatusCode};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Mutex;

use crate::support::process::Process;
use crate::support::tokens::with_token;
use crate::support::{Service, config, database};

/// Held by a test while it has connections: together, the tests would need more file descriptors than there are.
static CONNECTIONS: Mutex<()> = Mutex::const_new(());
/// What a connection may cost the API.
const BYTES_PER_CLIENT: usize = 32 * 1024;

/// Connects `count` clients, and sends `request` from each. In it, HOST stands for the address of the API, and NUMBER for 0
/// and 1 in turns.
async fn connect(process: &Process, count: usize, request: &str) -> Vec<TcpStream> {
    let host = process.url.trim_start_matches("http://");
    let request = request.replace("HOST", host);
    let mut clients = Vec::with_capacity(count);
    for number in 0..count {
        let request = request.replace("NUMBER", ["0", "1"][number % 2]);
        let mut client = TcpStream::connect(host).await.unwrap();
        client.write_all(request.as_bytes()).await.unwrap();
        clients.push(client);
    }
    clients
}

/// Connects `count` clients, 500 at a time, and waits until the response to each has begun. If all of them sent their
/// requests at once, the limit on concurrent requests would refuse some.
async fn connect_and_wait(process: &Process, count: usize, request: &str) -> Vec<TcpStream> {
    let part = 500;
    let mut clients = Vec::with_capacity(count);
    while clients.len() < count {
        let mut more = connect(process, part, request).await;
        for client in &mut more {
            let mut start = [0; 12];
            client.read_exact(&mut start).await.unwrap();
            assert_eq!(&start, b"HTTP/1.1 200");
        }
        clients.append(&mut more);
    }
    clients
}

/// Returns whether the API has left the connection open.
fn is_open(client: &TcpStream) -> bool {
    loop {
        match client.try_read(&mut [0; 4096]) {
            Ok(0) => return false,
            Ok(_) => {}
            Err(error) => return error.kind() == ErrorKind::WouldBlock,
        }
    }
}

/// Checks that a probe and a new todo are answered.
async fn assert_serves_others(process: &Process, token: Option<&str>) {
    let client = Client::new();
    let probe = client.get(format!("{}/api/v1/health", process.url));
    assert_eq!(probe.send().await.unwrap().status(), StatusCode::OK);
    let todo = client.post(format!("{}/api/v1/todos", process.url));
    let todo = with_token(todo, token.unwrap_or_default());
    let todo = todo.json(&json!({"title": "a"})).send().await.unwrap();
    assert_eq!(todo.status(), StatusCode::CREATED);
}

fn assert_memory(process: &Process, before: usize, clients: usize) {
    let each = (process.peak_bytes() - before) / clients;
    assert!(each < BYTES_PER_CLIENT, "{each} bytes for each client");
}

/// Sends one more byte from each client until the API has closed all their connections. Returns what it sent to each.
async fn send_slowly(mut clients: Vec<TcpStream>) -> Vec<String> {
    let mut responses = Vec::new();
    eventually("the API has closed every slow connection", async || {
        let mut open = Vec::new();
        for mut client in std::mem::take(&mut clients) {
            let mut response = [0; 1024];
            match client.try_read(&mut response) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    // fails if the API closes the connection now, which the next read shows
                    let _ = client.write_all(b"x").await;
                    open.push(client);
                }
                Ok(length) => {
                    responses.push(String::from_utf8_lossy(&response[..length]).into_owned());
                }
                Err(error) => responses.push(error.to_string()),
            }
        }
        clients = open;
        clients.is_empty()
    })
    .await;
    responses
}

/// Sends `request` from thousands of clients, which never finish it, and checks that the API ends them all and answers
/// others meanwhile, with `token` if there is one. Returns how many responses begin with 408 and with 503.
async fn disconnected(settings: &[(&str, &str)], request: &str, token: Option<&str>) -> [usize; 2] {
    let count = 5_000;
    let process = Process::start(settings, "ready");
    let before = process.peak_bytes();
    let slow = connect(&process, count, request).await;
    let others = assert_serves_others(&process, token);
    let (responses, ()) = tokio::join!(send_slowly(slow), others);
    assert_eq!(responses.len(), count);
    assert_serves_others(&process, token).await;
    assert_memory(&process, before, count);
    ["HTTP/1.1 408 ", "HTTP/1.1 503 "].map(|status| {
        let has_status = |response: &&String| response.starts_with(status);
        responses.iter().filter(has_status).count()
    })
}

/// Sends `request` from two addresses, with the default limits but without one of the rate, which would refuse most.
async fn assert_bodies_have_an_end(auth: &str, request: &str) {
    let _turn = CONNECTIONS.lock().await;
    let database_url = database();
    let owner = Service::launch(&config(&database_url, &["--auth=tokens"]));
    owner.wait_until_ready().await;
    let token = owner.token(Scope::Full).await;
    let settings = [
        ("DATABASE_URL", &*database_url),
        ("AUTH", auth),
        ("TRUST_PROXY", "true"),
        ("REQUESTS_PER_SECOND", "0"),
    ];
    let [late, too_many] = disconnected(&settings, request, Some(&token)).await;
    // a client that sends while the API closes its connection may not see the response
    assert!(late > 0 && too_many > 2_000, "{late} and {too_many}");
}

#[tokio::test]
#[ignore = "needs 20,000 file descriptors"]
async fn thousands_of_clients_that_never_finish_their_headers_are_disconnected() {
    let request = "GET /api/v1/todos HTTP/1.1\r\nHost: HOST\r\nX-Header: ";
    let _turn = CONNECTIONS.lock().await;
    let settings = [("DATABASE_URL", &*database()), ("HEADER_TIMEOUT", "10s")];
    let [late, _] = disconnected(&settings, request, None).await;
    // a client that sends while the API closes its connection may not see the response
    assert!(late > 2_500, "{late}");
}

#[tokio::test]
#[ignore = "needs 20,000 file descriptors"]
async fn thousands_of_clients_that_never_finish_their_bodies_are_disconnected() {
    let request = "POST /api/v1/todos HTTP/1.1\r\nHost: HOST\r\nX-Forwarded-For: 192.0.2.NUMBER\r\nContent-Type: application/json\r\nContent-Length: 60000\r\n\r\n\"";
    assert_bodies_have_an_end("off", request).await;
}

#[tokio::test]
#[ignore = "needs 20,000 file descriptors"]
async fn thousands_of_clients_that_never_finish_signing_in_are_disconnected() {
    let request = "POST /api/v1/session HTTP/1.1\r\nHost: HOST\r\nX-Forwarded-For: 192.0.2.NUMBER\r\nContent-Type: application/json\r\nContent-Length: 900\r\n\r\n\"";
    assert_bodies_have_an_end("tokens", request).await;
}

#[tokio::test]
#[ignore = "needs 20,000 file descriptors"]
async fn ten_thousand_idle_connections_keep_nobody_from_being_served() {
    let _turn = CONNECTIONS.lock().await;
    let count = 10_000;
    let process = Process::start(&[("DATABASE_URL", &database())], "ready");
    let before = process.peak_bytes();
    let request = "GET /livez HTTP/1.1\r\nHost: HOST\r\n\r\n";
    let idle = connect_and_wait(&process, count, request).await;
    assert_serves_others(&process, None).await;
    assert_memory(&process, before, count);
    assert!(idle.iter().all(is_open));
}

#[tokio::test]
#[ignore = "needs 20,000 file descriptors"]
async fn five_thousand_streams_all_see_the_end_of_their_job_and_keep_nobody_from_being_served() {
    let _turn = CONNECTIONS.lock().await;
    let count = 5_000;
    let database_url = database();
    let process = Process::start(&[("DATABASE_URL", &database_url)], "ready");
    let other = Service::launch(&config(&database_url, &[]));
    other.wait_until_ready().await;
    let id = other.new_job().await;
    let before = process.peak_bytes();
    let request = format!("GET /api/v1/todos/ical/{id}/events HTTP/1.1\r\nHost: HOST\r\n\r\n");
    let mut streams = connect_and_wait(&process, count, &request).await;
    assert_serves_others(&process, None).await;
    other.complete(id, b"calendar").await;
    for stream in &mut streams {
        let mut text = String::new();
        while !text.contains("SUCCESS") {
            let mut part = [0; 4096];
            let length = stream.read(&mut part).await.unwrap();
            assert!(length > 0, "the stream ended with {text}");
            text.push_str(std::str::from_utf8(&part[..length]).unwrap());
        }
    }
    assert_serves_others(&process, None).await;
    assert_memory(&process, before, count);
}
