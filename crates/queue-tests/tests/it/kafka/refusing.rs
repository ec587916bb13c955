//! A server that speaks as much of Kafka's protocol as it needs to refuse every user, or to leave them while they log in:
//! <https://kafka.apache.org/protocol>.

use std::net::Ipv4Addr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::AbortOnDropHandle;

/// In bytes.
const MAX_REQUEST: i32 = 10_000;

const SASL_HANDSHAKE: i16 = 17;
const API_VERSIONS: i16 = 18;
const SASL_AUTHENTICATE: i16 = 36;

const UNSUPPORTED_VERSION: i16 = 35;
const SASL_AUTHENTICATION_FAILED: i16 = 58;

pub(super) struct Server {
    port: u16,
    _accepting: AbortOnDropHandle<()>,
}

impl Server {
    pub(super) async fn start() -> Self {
        Self::start_with(true).await
    }

    /// Starts one that closes each connection when the client wants to log in.
    pub(super) async fn start_that_hangs_up() -> Self {
        Self::start_with(false).await
    }

    async fn start_with(lets_log_in: bool) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let accepting = async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(serve(client, lets_log_in));
            }
        };
        Self {
            port,
            _accepting: AbortOnDropHandle::new(tokio::spawn(accepting)),
        }
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }
}

/// Answers until the client leaves.
async fn serve(mut client: TcpStream, lets_log_in: bool) {
    while let Ok(length) = client.read_i32().await {
        // The first bytes of TLS would be a very long request.
        if !(0..MAX_REQUEST).contains(&length) {
            return;
        }
        let mut request = vec![0; usize::try_from(length).unwrap()];
        if client.read_exact(&mut request).await.is_err() {
            return;
        }
        let number = |at: usize| i16::from_be_bytes(request[at..at + 2].try_into().unwrap());
        if number(0) == SASL_HANDSHAKE && !lets_log_in {
            return;
        }
        let mut answer = request[4..8].to_vec();
        answer.extend(answer_to(number(0), number(2)));
        let length = i32::try_from(answer.len()).unwrap().to_be_bytes();
        let written = client.write_all(&[&length[..], &answer].concat()).await;
        if written.is_err() {
            return;
        }
    }
}

fn answer_to(key: i16, version: i16) -> Vec<u8> {
    let mut answer = Vec::new();
    match key {
        API_VERSIONS => {
            let error = if version == 0 { 0 } else { UNSUPPORTED_VERSION };
            answer.extend(error.to_be_bytes());
            let known = [
                (API_VERSIONS, 0),
                (SASL_HANDSHAKE, 1),
                (SASL_AUTHENTICATE, 0),
            ];
            answer.extend(3_i32.to_be_bytes());
            for (key, newest) in known {
                answer.extend([key, 0, newest].map(i16::to_be_bytes).concat());
            }
        }
        SASL_HANDSHAKE => {
            answer.extend(0_i16.to_be_bytes());
            answer.extend(1_i32.to_be_bytes());
            answer.extend(text("PLAIN"));
        }
        SASL_AUTHENTICATE => {
            answer.extend(SASL_AUTHENTICATION_FAILED.to_be_bytes());
            answer.extend(text("Invalid username or password"));
            answer.extend(0_i32.to_be_bytes());
        }
        other => panic!("the client must not ask for {other} before it is let in"),
    }
    answer
}

fn text(text: &str) -> Vec<u8> {
    let length = i16::try_from(text.len()).unwrap().to_be_bytes();
    [&length[..], text.as_bytes()].concat()
}
