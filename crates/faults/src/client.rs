//! A client of the API that records every exchange in the history.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use futures_util::stream::{self, StreamExt, TryStreamExt};
use local_services::testing::{TIMEOUT, within};
use reqwest::header::{ETAG, HeaderMap, RETRY_AFTER};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use shared_model::job::{JobId, JobStatus};

use crate::history::{Exchange, History, Outcome, SeenJob};

/// How long the client waits for a response.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// How many requests of one client are open at the same time, if it sends many.
const REQUESTS_AT_ONCE: usize = 16;

/// Creates the HTTP connections that the clients of a run share.
///
/// # Errors
/// Returns an error if the HTTP client cannot be created.
pub fn connections() -> anyhow::Result<reqwest::Client> {
    let client = reqwest::Client::builder();
    Ok(client.timeout(REQUEST_TIMEOUT).no_proxy().build()?)
}

/// A client of one API process.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    history: Arc<History>,
    url: String,
}

/// A response of any status.
#[derive(Debug, Clone)]
pub struct Response {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Vec<u8>,
}

impl Response {
    /// Returns the body as JSON, or null if it is not JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// Returns the value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    fn job(&self) -> Option<SeenJob> {
        let body = self.json();
        let text = |member| body.get(member).and_then(Value::as_str);
        let etag = self.headers.get(ETAG).and_then(|etag| etag.to_str().ok());
        Some(SeenJob {
            id: JobId(text("task_id")?.parse().ok()?),
            status: text("task_status")?.parse().ok()?,
            version: etag.and_then(|etag| etag.trim_matches('"').parse().ok()),
        })
    }
}

impl Client {
    /// Creates a client of the API at `url`, such as `http://127.0.0.1:6400`.
    pub fn new(http: reqwest::Client, url: String, history: Arc<History>) -> Self {
        Self { http, history, url }
    }

    /// Starts a request to a path below `/api/v1`. [`send`](Self::send) sends it.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http
            .request(method, format!("{}/api/v1{path}", self.url))
    }

    /// Sends a request and records its outcome.
    ///
    /// # Errors
    /// Returns an error if no complete response arrives.
    pub async fn send(&self, request: RequestBuilder) -> anyhow::Result<Response> {
        let request = request.build()?;
        let (method, path) = (
            request.method().to_string(),
            request.url().path().to_owned(),
        );
        let key = request.headers().get("idempotency-key");
        let key = key.and_then(|key| Some(key.to_str().ok()?.to_owned()));
        let began = Instant::now();
        let received = async {
            let response = self.http.execute(request).await?;
            let (status, headers) = (response.status().as_u16(), response.headers().clone());
            let body = response.bytes().await?.to_vec();
            anyhow::Ok(Response {
                status,
                headers,
                body,
            })
        }
        .await;
        let outcome = match &received {
            Ok(response) => Outcome::Response {
                status: response.status,
                retry_after: response.headers.contains_key(RETRY_AFTER),
                job: response.job(),
            },
            Err(error) => Outcome::NoResponse(format!("{error:#}")),
        };
        self.history.record(Exchange {
            began,
            ended: Instant::now(),
            method,
            path,
            key,
            outcome,
        });
        received
    }

    /// Requests a calendar of all todos.
    ///
    /// # Errors
    /// Returns an error if no job is accepted.
    pub async fn submit(&self) -> anyhow::Result<JobId> {
        self.submit_with(&json!({})).await
    }

    /// Requests a calendar with options.
    ///
    /// # Errors
    /// Returns an error if no job is accepted.
    pub async fn submit_with(&self, options: &Value) -> anyhow::Result<JobId> {
        accepted_job(&self.try_submit(options).await?)
    }

    /// Requests a calendar and returns the response, whatever its status.
    ///
    /// # Errors
    /// Returns an error if there is no response.
    pub async fn try_submit(&self, options: &Value) -> anyhow::Result<Response> {
        self.send(self.request(Method::POST, "/todos/ical").json(options))
            .await
    }

    /// Requests a calendar with an `Idempotency-Key`: a second request with the same key gets the same job.
    ///
    /// # Errors
    /// Returns an error if there is no response.
    pub async fn submit_with_key(&self, key: &str, options: &Value) -> anyhow::Result<Response> {
        let request = self.request(Method::POST, "/todos/ical").json(options);
        self.send(request.header("Idempotency-Key", key)).await
    }

    /// Requests `count` calendars of all todos, one after the other.
    ///
    /// # Errors
    /// Returns an error if a job is not accepted.
    pub async fn submit_many(&self, count: usize) -> anyhow::Result<Vec<JobId>> {
        let mut ids = Vec::new();
        for _ in 0..count {
            ids.push(self.submit().await?);
        }
        Ok(ids)
    }

    /// Requests `count` calendars of all todos, several at the same time, in no order.
    ///
    /// # Errors
    /// Returns an error if a job is not accepted.
    pub async fn submit_concurrently(&self, count: usize) -> anyhow::Result<Vec<JobId>> {
        let requests = stream::iter(0..count).map(|_| self.submit());
        requests
            .buffer_unordered(REQUESTS_AT_ONCE)
            .try_collect()
            .await
    }

    /// Requests the status of a job.
    ///
    /// # Errors
    /// Returns an error if there is no response.
    pub async fn status(&self, id: JobId) -> anyhow::Result<Response> {
        self.send(self.request(Method::GET, &format!("/todos/ical/{id}/status")))
            .await
    }

    /// Requests the calendar of a job.
    ///
    /// # Errors
    /// Returns an error if there is no response.
    pub async fn result(&self, id: JobId) -> anyhow::Result<Response> {
        self.send(self.request(Method::GET, &format!("/todos/ical/{id}/result")))
            .await
    }

    /// Cancels a job.
    ///
    /// # Errors
    /// Returns an error if there is no response.
    pub async fn cancel(&self, id: JobId) -> anyhow::Result<Response> {
        self.send(self.request(Method::DELETE, &format!("/todos/ical/{id}")))
            .await
    }

    /// Polls a job until it has a status.
    ///
    /// # Errors
    /// Returns an error if the job does not get the status in time, or ends in another.
    pub async fn wait_for(&self, id: JobId, status: JobStatus) -> anyhow::Result<()> {
        within(TIMEOUT, &format!("{id} is {status}"), async || {
            let response = self.status(id).await?;
            match response.job() {
                Some(job) if job.status == status => Ok(Some(())),
                Some(job) if job.status.is_terminal() => {
                    bail!("{id} ended in {}: {}", job.status, response.json())
                }
                _ => Ok(None),
            }
        })
        .await
    }
}

/// Returns the job that a response accepts.
///
/// # Errors
/// Returns an error if the response accepts none.
pub fn accepted_job(response: &Response) -> anyhow::Result<JobId> {
    let job = response
        .job()
        .filter(|_| matches!(response.status, 200 | 202));
    let job = job.with_context(|| {
        let body = String::from_utf8_lossy(&response.body);
        format!("no job was accepted: {} {body}", response.status)
    })?;
    Ok(job.id)
}
