//! A stub of SQS. It keeps messages in memory and implements only what TaskOverflow calls, so that a benchmark measures
//! TaskOverflow and not a local SQS server, which takes more CPU time for each call than TaskOverflow itself.
//!
//! It speaks [SQS's JSON protocol](https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-json-api.html):
//! standard and FIFO queues, long polling, visibility, deduplication. It has no dead-letter queues, no delays, no
//! retention period and no MD5 sums, it checks no signature, and it loses everything when it ends. `GET /calls` returns
//! how many calls of each action it has answered.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpListener;

mod action;
mod queue;

use action::Refusal;
use queue::Queue;

/// What is shared between the connections.
#[derive(Debug)]
struct Stub {
    address: SocketAddr,
    queues: Mutex<BTreeMap<String, Arc<Queue>>>,
    calls: Mutex<BTreeMap<String, u64>>,
}

/// Serves the stub on `address`, until the process ends.
///
/// # Errors
/// Returns an error if the address is in use.
pub async fn serve(address: SocketAddr) -> anyhow::Result<()> {
    let listener = TcpListener::bind(address).await?;
    let stub = Arc::new(Stub {
        address,
        queues: Mutex::default(),
        calls: Mutex::default(),
    });
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let stub = Arc::clone(&stub);
        tokio::spawn(async move {
            let service = service_fn(|request| respond(&stub, request));
            // The client closed the connection in the middle of a call, and will repeat the call.
            let _ = http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

async fn respond(
    stub: &Stub,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, hyper::Error> {
    if request.method() == Method::GET {
        let calls = serde_json::json!(&*lock(&stub.calls));
        return Ok(json_response(200, &calls));
    }
    let target = request.headers().get("x-amz-target");
    let action = target
        .and_then(|target| target.to_str().ok())
        .and_then(|target| target.strip_prefix("AmazonSQS."))
        .unwrap_or_default()
        .to_owned();
    let body = request.into_body().collect().await?.to_bytes();
    let parameters = serde_json::from_slice(&body).unwrap_or_default();
    let answer = action::perform(stub, &action, &parameters).await;
    *lock(&stub.calls).entry(action).or_default() += 1;
    Ok(match answer {
        Ok(answer) => json_response(200, &answer),
        Err(Refusal(kind)) => {
            let refusal = serde_json::json!({ "__type": format!("com.amazonaws.sqs#{kind}") });
            json_response(400, &refusal)
        }
    })
}

fn json_response(status: u16, body: &Value) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body.to_string())));
    *response.status_mut() = hyper::StatusCode::from_u16(status).unwrap_or_default();
    response.headers_mut().insert(
        hyper::header::CONTENT_TYPE,
        hyper::header::HeaderValue::from_static("application/x-amz-json-1.0"),
    );
    response
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
