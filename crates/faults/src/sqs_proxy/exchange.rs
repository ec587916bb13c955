//! One call through the proxy: from the request to the answer, or to the end of the connection.

use std::convert::Infallible;
use std::sync::Arc;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::{HeaderMap, Request, Response};
use serde_json::Value;

use super::batch::{self, Batch};
use super::rule::{self, Entries, EntryError, Fault};
use super::{Shared, Stage};

/// The connection is closed without an answer.
#[derive(Debug, thiserror::Error)]
#[error("injected")]
pub(super) struct Dropped;

pub(super) async fn serve(
    shared: Arc<Shared>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Dropped> {
    let target = request.headers().get("x-amz-target");
    let target = target
        .and_then(|target| target.to_str().ok())
        .unwrap_or_default();
    let mut action = target.rsplit('.').next().unwrap_or_default().to_owned();
    let (head, body) = request.into_parts();
    let body = body.collect().await.or(Err(Dropped))?.to_bytes();
    if batch::is_of_dead_letters(&body) {
        action.insert_str(0, "dead letters: ");
    }
    let fault = shared.choose(&action);
    let call = shared.arrived(action, &body, fault);
    let exchange = Exchange {
        shared: &shared,
        headers: head.headers,
        call,
    };
    let answer = exchange.answer(fault, body).await;
    shared.reached(call, Stage::Over);
    answer
}

/// A call that is being handled.
struct Exchange<'a> {
    shared: &'a Shared,
    headers: HeaderMap,
    call: Option<usize>,
}

impl Exchange<'_> {
    async fn answer(
        &self,
        fault: Option<Fault>,
        body: Bytes,
    ) -> Result<Response<Full<Bytes>>, Dropped> {
        match fault {
            None => self.forward(body).await,
            Some(Fault::Refuse(refusal)) => Ok(refusal.answer()),
            Some(Fault::Disconnect) => Err(Dropped),
            Some(Fault::NeverAnswer) => match std::future::pending::<Infallible>().await {},
            Some(Fault::DropAnswer) => {
                self.forward(body).await?;
                Err(Dropped)
            }
            Some(Fault::Hold) => {
                self.healed().await;
                self.forward(body).await
            }
            Some(Fault::HoldAnswer) => {
                // The proxy may be healed before there is an answer.
                let (answer, ()) = tokio::join!(self.forward(body), self.healed());
                answer
            }
            Some(Fault::Delay(delay)) => {
                tokio::time::sleep(delay).await;
                self.forward(body).await
            }
            Some(Fault::Repeat(times)) => {
                for _ in 1..times {
                    self.forward(body.clone()).await?;
                }
                self.forward(body).await
            }
            Some(Fault::FailEntries {
                entries,
                applied,
                error,
            }) => self.misreport(&body, entries, applied, Some(error)).await,
            Some(Fault::OmitEntries { entries, applied }) => {
                self.misreport(&body, entries, applied, None).await
            }
            Some(Fault::LoseOneIn(count)) => self.lose(&body, count).await,
        }
    }

    /// Forwards a call, and returns the answer.
    async fn forward(&self, body: Bytes) -> Result<Response<Full<Bytes>>, Dropped> {
        let (status, headers, body) = self.call_upstream(body).await?;
        let mut response = Response::new(Full::new(body));
        *response.status_mut() = status;
        for name in ["content-type", "x-amzn-errortype", "x-amzn-query-error"] {
            if let Some(value) = headers.get(name) {
                response.headers_mut().insert(name, value.clone());
            }
        }
        Ok(response)
    }

    /// Forwards a batch, and reports some entries as failed or not at all.
    async fn misreport(
        &self,
        body: &Bytes,
        entries: Entries,
        applied: bool,
        error: Option<EntryError>,
    ) -> Result<Response<Full<Bytes>>, Dropped> {
        let batch = Batch::read(body, |index| entries.include(index)).ok_or(Dropped)?;
        let answer = self.forward_batch(&batch, applied).await?;
        Ok(rule::json_answer(200, &batch.misreport(&answer, error)))
    }

    /// Forwards a batch without one entry in `count`, and confirms all entries.
    async fn lose(&self, body: &Bytes, count: usize) -> Result<Response<Full<Bytes>>, Dropped> {
        let is_lost = |_| self.shared.count_entry().is_multiple_of(count);
        let batch = Batch::read(body, is_lost).ok_or(Dropped)?;
        let answer = self.forward_batch(&batch, false).await?;
        Ok(rule::json_answer(200, &batch.confirm(&answer)))
    }

    /// Forwards a batch with or without its affected entries, and returns the answer; null if no entry is left.
    async fn forward_batch(&self, batch: &Batch, with_affected: bool) -> Result<Value, Dropped> {
        let Some(body) = batch.to_forward(with_affected) else {
            return Ok(Value::Null);
        };
        let (_, _, answer) = self.call_upstream(Bytes::from(body.to_string())).await?;
        serde_json::from_slice(&answer).or(Err(Dropped))
    }

    async fn call_upstream(
        &self,
        body: Bytes,
    ) -> Result<(hyper::StatusCode, HeaderMap, Bytes), Dropped> {
        let mut headers = self.headers.clone();
        for name in ["host", "content-length", "connection"] {
            headers.remove(name);
        }
        let request = self.shared.http.post(&self.shared.upstream);
        let answer = request.headers(headers).body(body).send().await;
        let answer = answer.or(Err(Dropped))?;
        let (status, headers) = (answer.status(), answer.headers().clone());
        let body = answer.bytes().await.or(Err(Dropped))?;
        self.shared.applied(self.call, &body);
        Ok((status, headers, body))
    }

    async fn healed(&self) {
        let mut heals = self.shared.heals.subscribe();
        // An error means that the proxy was dropped, and this call with it.
        let _ = heals.changed().await;
    }
}
