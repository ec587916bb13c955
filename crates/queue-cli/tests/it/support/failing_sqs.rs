//! An SQS endpoint whose answers a test chooses.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::{Running, start_at};

/// A status and a body, or `None` to close the connection without an answer.
pub(crate) type Answer = Option<(u16, Value)>;

type Handler = dyn Fn(&str, &Value) -> Answer + Send + Sync;

/// An SQS endpoint that serves until the test process exits.
pub(crate) struct FailingSqs {
    url: String,
    calls: Arc<Mutex<Vec<(String, Value)>>>,
}

impl FailingSqs {
    /// Starts an endpoint that answers `GetQueueUrl`. `handler` answers the other actions, by name and parameters.
    pub(crate) fn new(handler: impl Fn(&str, &Value) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let calls = Arc::<Mutex<Vec<(String, Value)>>>::default();
        let (handler, seen): (Arc<Handler>, _) = (Arc::new(handler), Arc::clone(&calls));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (handler, seen) = (Arc::clone(&handler), Arc::clone(&seen));
                // the thread ends when the client disconnects
                std::thread::spawn(move || serve(&stream.unwrap(), &*handler, &seen));
            }
        });
        Self { url, calls }
    }

    /// Starts an endpoint that refuses every call with this error code.
    pub(crate) fn refusing(status: u16, code: &'static str) -> Self {
        Self::new(move |_, _| Some((status, json!({ "__type": code, "message": "as told" }))))
    }

    pub(crate) fn start(&self, arguments: &[&str]) -> Running {
        start_at(&self.url, arguments, &[])
    }

    /// Returns the parameters of all calls to an action.
    pub(crate) fn calls(&self, action: &str) -> Vec<Value> {
        let calls = self.calls.lock().unwrap();
        let calls = calls.iter().filter(|(name, _)| name == action);
        calls.map(|(_, parameters)| parameters.clone()).collect()
    }
}

fn serve(
    stream: &TcpStream,
    handler: &Handler,
    seen: &Mutex<Vec<(String, Value)>>,
) -> io::Result<()> {
    let mut reader = BufReader::new(stream);
    loop {
        let (mut action, mut length) = (String::new(), 0);
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
            let line = line.trim_end();
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(": ").unwrap_or((line, ""));
            match name.to_ascii_lowercase().as_str() {
                "x-amz-target" => action = value.replace("AmazonSQS.", ""),
                "content-length" => length = value.parse().unwrap(),
                _ => {}
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        let parameters: Value = serde_json::from_slice(&body).unwrap();
        let answer = handler(&action, &parameters);
        seen.lock().unwrap().push((action.clone(), parameters));
        let answer = match answer {
            Some((_, body)) if action == "GetQueueUrl" && body.get("__type").is_none() => Some((
                200,
                json!({ "QueueUrl": "http://127.0.0.1/000000000000/demo" }),
            )),
            answer => answer,
        };
        // closes the connection
        let Some((status, body)) = answer else {
            return Ok(());
        };
        let body = body.to_string();
        write!(
            &*stream,
            "HTTP/1.1 {status} Told\r\nContent-Type: application/x-amz-json-1.0\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )?;
    }
}
