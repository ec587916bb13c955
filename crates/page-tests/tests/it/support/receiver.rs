//! A receiver of webhooks, at a loopback address.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A receiver. Stopped when the test ends.
pub(crate) struct Receiver {
    pub(crate) url: String,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    /// What it answers.
    status: u16,
    /// The ids of the events that it answered with 204.
    accepted: Vec<String>,
}

impl Receiver {
    /// Starts a receiver that answers every request with a status.
    pub(crate) async fn start(status: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let receiver = Self {
            url,
            state: Arc::default(),
        };
        receiver.answer(status);
        let state = Arc::clone(&receiver.state);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let state = Arc::clone(&state);
                tokio::spawn(async move { serve(stream, &state).await.unwrap() });
            }
        });
        receiver
    }

    /// Answers with another status from now on.
    pub(crate) fn answer(&self, status: u16) {
        self.state.lock().unwrap().status = status;
    }

    /// Returns the ids of the events that it has accepted.
    pub(crate) fn accepted(&self) -> Vec<String> {
        self.state.lock().unwrap().accepted.clone()
    }
}

async fn serve(mut stream: TcpStream, state: &Mutex<State>) -> std::io::Result<()> {
    let mut bytes = Vec::new();
    let id = loop {
        if stream.read_buf(&mut bytes).await? == 0 {
            return Ok(());
        }
        let text = String::from_utf8_lossy(&bytes);
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        if body.len() == header(head, "content-length").parse::<usize>().unwrap() {
            break header(head, "webhook-id").to_owned();
        }
    };
    let status = {
        let mut state = state.lock().unwrap();
        if state.status == 204 {
            state.accepted.push(id);
        }
        state.status
    };
    let response = format!("HTTP/1.1 {status} Status\r\ncontent-length: 0\r\n\r\n");
    stream.write_all(response.as_bytes()).await?;
    stream.shutdown().await
}

fn header<'a>(head: &'a str, name: &str) -> &'a str {
    let headers = head.lines().filter_map(|line| line.split_once(':'));
    let mut values = headers.filter(|(key, _)| key.eq_ignore_ascii_case(name));
    values.next().unwrap().1.trim()
}
