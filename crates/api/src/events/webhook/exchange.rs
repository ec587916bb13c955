//! One request, and the head of its response. The body of the response is never read, and a redirect is not followed.

use http_body_util::Full;
use hyper::body::{Body, Bytes};
use hyper::client::conn::http1;
use hyper::{Request, Response, StatusCode};

use super::connection::Stream;
use crate::events::send_error::SendError;

/// The maximum length of a response's head, in bytes: the least that hyper allows.
const HEAD_BYTES: usize = 8 * 1024;

/// Sends the request, and waits for the head of the response.
pub(super) async fn exchange(
    stream: Stream,
    request: Request<Full<Bytes>>,
) -> Result<(), SendError> {
    let failed = |error: hyper::Error| SendError::Failed(format!("no response: {error}"));
    let (mut sender, connection) = http1::Builder::new()
        .max_buf_size(HEAD_BYTES)
        .handshake(stream)
        .await
        .map_err(failed)?;
    let response = sender.send_request(request);
    tokio::pin!(response);
    let response = tokio::select! {
        biased;
        response = &mut response => response,
        ended = connection => {
            ended.map_err(failed)?;
            response.await
        }
    };
    judge(&response.map_err(failed)?)
}

fn judge(response: &Response<impl Body>) -> Result<(), SendError> {
    let status = response.status();
    if status.is_success() {
        return Ok(());
    }
    let answered = format!("it answered {status}");
    Err(if status == StatusCode::GONE {
        SendError::Unwanted(format!("{answered}: it wants no more events"))
    } else if status.is_redirection() {
        SendError::Failed(format!(
            "{answered}: redirects are not followed, so use the final URL"
        ))
    } else {
        SendError::Failed(answered)
    })
}
