//! A collector that speaks OTLP over HTTP and keeps what it receives.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;

/// A span, and the process that exported it.
#[derive(Debug, Clone)]
pub(crate) struct Exported {
    pub(crate) service: String,
    pub(crate) span: Span,
}

#[derive(Debug)]
pub(crate) struct Collector {
    address: SocketAddr,
    received: Arc<Mutex<Vec<Exported>>>,
}

impl Collector {
    /// Starts a collector at the path that OTLP appends to the endpoint.
    pub(crate) fn start() -> Self {
        Self::start_at("/v1/traces")
    }

    /// Starts a collector that takes spans at this path only.
    pub(crate) fn start_at(path: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let received: Arc<Mutex<Vec<Exported>>> = Arc::default();
        let keep = Arc::clone(&received);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let keep = Arc::clone(&keep);
                std::thread::spawn(move || while answer(&stream, path, &keep).is_some() {});
            }
        });
        Self { address, received }
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Returns the spans that have arrived.
    pub(crate) fn spans(&self) -> Vec<Exported> {
        self.received.lock().unwrap().clone()
    }
}

/// Answers one request. Returns `None` when the client has closed the connection.
fn answer(mut stream: &TcpStream, path: &str, received: &Mutex<Vec<Exported>>) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if line.trim().is_empty() {
            break;
        }
        head.push(line.trim().to_lowercase());
    }
    assert_eq!(head[0], format!("post {path} http/1.1"));
    assert!(head.contains(&"content-type: application/x-protobuf".to_owned()));
    let length = head
        .iter()
        .find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.unwrap().parse().unwrap()];
    reader.read_exact(&mut body).ok()?;
    let request = ExportTraceServiceRequest::decode(body.as_slice()).unwrap();
    received.lock().unwrap().extend(spans(request));
    let answer = ExportTraceServiceResponse::default().encode_to_vec();
    let length = answer.len();
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/x-protobuf\r\nContent-Length: {length}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).ok()?;
    stream.write_all(&answer).ok()
}

fn spans(request: ExportTraceServiceRequest) -> Vec<Exported> {
    let mut spans = Vec::new();
    for resource in request.resource_spans {
        let attributes = resource.resource.unwrap_or_default().attributes;
        let service = text(&attributes, "service.name").unwrap_or_default();
        for scope in resource.scope_spans {
            spans.extend(scope.spans.into_iter().map(|span| Exported {
                service: service.clone(),
                span,
            }));
        }
    }
    spans
}

impl Exported {
    pub(crate) fn name(&self) -> &str {
        &self.span.name
    }

    /// Returns the value of an attribute, as text.
    pub(crate) fn attribute(&self, key: &str) -> Option<String> {
        text(&self.span.attributes, key)
    }

    pub(crate) fn is_child_of(&self, parent: &Self) -> bool {
        self.span.parent_span_id == parent.span.span_id
            && self.span.trace_id == parent.span.trace_id
    }

    /// Returns whether this span begins a trace, which is linked with the other span and nothing else.
    pub(crate) fn is_linked_with(&self, cause: &Self) -> bool {
        let [link] = self.span.links.as_slice() else {
            return false;
        };
        self.span.parent_span_id.is_empty()
            && self.span.trace_id != cause.span.trace_id
            && link.trace_id == cause.span.trace_id
            && link.span_id == cause.span.span_id
    }
}

fn text(attributes: &[KeyValue], key: &str) -> Option<String> {
    let found = attributes.iter().find(|attribute| attribute.key == key)?;
    match found.value.as_ref()?.value.as_ref()? {
        Value::StringValue(text) => Some(text.clone()),
        Value::IntValue(number) => Some(number.to_string()),
        Value::BoolValue(is) => Some(is.to_string()),
        _ => None,
    }
}
