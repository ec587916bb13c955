//! An HTTP server on 127.0.0.1 that serves one file, well or badly.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// What the server does with every request.
#[derive(Debug, Clone)]
pub(super) enum Behaviour {
    /// It sends the whole file.
    Whole(Vec<u8>),
    /// It sends half of the file and closes the connection.
    Interrupted(Vec<u8>),
    /// It sends half of the file, then nothing, and keeps the connection open.
    Stalled(Vec<u8>),
    /// It sends nothing at all, and keeps the connection open.
    Silent,
    /// It has no such file.
    NotFound,
}

trait Connection: Read + Write + Send {}

impl<T: Read + Write + Send> Connection for T {}

/// A server that runs until this process ends.
#[derive(Debug)]
pub(super) struct Server {
    /// The URL of its folder.
    pub(super) url: String,
    requests: Arc<AtomicUsize>,
}

impl Server {
    pub(super) fn start(behaviour: Behaviour) -> Self {
        Self::run("http", behaviour, |stream| Box::new(stream))
    }

    /// Starts a server that uses TLS.
    pub(super) fn start_https(behaviour: Behaviour, config: ServerConfig) -> Self {
        let config = Arc::new(config);
        Self::run("https", behaviour, move |stream| {
            let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
            Box::new(StreamOwned::new(connection, stream))
        })
    }

    fn run(
        scheme: &str,
        behaviour: Behaviour,
        accept: impl Fn(TcpStream) -> Box<dyn Connection> + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let requests = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&requests);
        thread::spawn(move || {
            let mut open = Vec::new();
            for stream in listener.incoming() {
                let mut connection = accept(stream.unwrap());
                if has_request(&mut connection) {
                    counter.fetch_add(1, Ordering::SeqCst);
                    open.extend(behaviour.answer(connection));
                }
            }
        });
        Self {
            url: format!("{scheme}://localhost:{port}"),
            requests,
        }
    }

    /// Returns how many requests arrived.
    pub(super) fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

/// Reads a request. Returns false if the client closes the connection first, as it does if it refuses the certificate.
fn has_request(connection: &mut dyn Connection) -> bool {
    let mut lines = BufReader::new(connection).lines().map_while(Result::ok);
    lines.any(|line| line.is_empty())
}

impl Behaviour {
    /// Answers a request. Returns the connection if it stays open.
    fn answer(&self, mut connection: Box<dyn Connection>) -> Option<Box<dyn Connection>> {
        let (status, file, sent, stays_open) = match self {
            Self::Whole(file) => ("200 OK", &file[..], file.len(), false),
            Self::Interrupted(file) => ("200 OK", &file[..], file.len() / 2, false),
            Self::Stalled(file) => ("200 OK", &file[..], file.len() / 2, true),
            Self::NotFound => ("404 Not Found", &[][..], 0, false),
            Self::Silent => return Some(connection),
        };
        let head = format!(
            "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            file.len()
        );
        // A client that has seen enough closes the connection.
        let _ = connection.write_all(&[head.as_bytes(), &file[..sent]].concat());
        let _ = connection.flush();
        stays_open.then_some(connection)
    }
}
