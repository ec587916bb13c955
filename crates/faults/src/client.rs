//! A client of the API that writes down what it was told.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use local_services::testing::{TIMEOUT, within};
use reqwest::header::{ETAG, HeaderMap, RETRY_AFTER};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use shared_model::job::{JobId, JobStatus};

use crate::history::{Exchange, History, Seen, Told};

/// How long a client waits for an answer.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// A client of one API process.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    history: Arc<History>,
    url: String,
}

/// An answer, whatever its status.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Vec<u8>,
}

impl Answer {
    /// The body as JSON; null when it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// A header's text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    fn seen(&self) -> Option<Seen> {
        let body = self.json();
        let text = |member| body.get(member).and_then(Value::as_str);
        let etag = self.headers.get(ETAG).and_then(|etag| etag.to_str().ok());
        Some(Seen {
            id: JobId(text("task_id")?.parse().ok()?),
            status: text("task_status")?.parse().ok()?,
            version: etag.and_then(|etag| etag.trim_matches('"').parse().ok()),
        })
    }
}

impl Client {
    /// A client of the API at `url`, as `http://127.0.0.1:6400`.
    ///
    /// # Errors
    /// When no client can be made.
    pub fn new(url: String, history: Arc<History>) -> anyhow::Result<Self> {
        let http = reqwest::Client::builder()
            .timeout(REQUEST_TIMEOUT)
            .no_proxy()
            .build()?;
        Ok(Self { http, history, url })
    }

    /// A request below `/api/v1`, to be filled further and sent with [`send`](Self::send).
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http
            .request(method, format!("{}/api/v1{path}", self.url))
    }

    /// Sends a request and writes down what came of it.
    ///
    /// # Errors
    /// When there is no answer, or not a whole one.
    pub async fn send(&self, request: RequestBuilder) -> anyhow::Result<Answer> {
        let request = request.build()?;
        let (method, path) = (
            request.method().to_string(),
            request.url().path().to_owned(),
        );
        let key = request.headers().get("idempotency-key");
        let key = key.and_then(|key| Some(key.to_str().ok()?.to_owned()));
        let began = Instant::now();
        let outcome = async {
            let answer = self.http.execute(request).await?;
            let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
            let body = answer.bytes().await?.to_vec();
            anyhow::Ok(Answer {
                status,
                headers,
                body,
            })
        }
        .await;
        let told = match &outcome {
            Ok(answer) => Told::Answer {
                status: answer.status,
                retry_after: answer.headers.contains_key(RETRY_AFTER),
                job: answer.seen(),
            },
            Err(error) => Told::Nothing(format!("{error:#}")),
        };
        self.history.record(Exchange {
            began,
            ended: Instant::now(),
            method,
            path,
            key,
            told,
        });
        outcome
    }

    /// Stores a todo and gives its id.
    ///
    /// # Errors
    /// When it is not stored.
    pub async fn add_todo(&self, todo: &Value) -> anyhow::Result<i64> {
        let answer = self
            .send(self.request(Method::POST, "/todos").json(todo))
            .await?;
        let id = answer.json().get("id").and_then(Value::as_i64);
        id.with_context(|| format!("no todo was made: {answer:?}"))
    }

    /// Asks for a calendar of all todos.
    ///
    /// # Errors
    /// When no job is promised.
    pub async fn ask(&self) -> anyhow::Result<JobId> {
        self.ask_for(&json!({})).await
    }

    /// Asks for a calendar.
    ///
    /// # Errors
    /// When no job is promised.
    pub async fn ask_for(&self, wanted: &Value) -> anyhow::Result<JobId> {
        promised(&self.ask_for_any(wanted).await?)
    }

    /// Asks for a calendar; any answer will do.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn ask_for_any(&self, wanted: &Value) -> anyhow::Result<Answer> {
        self.send(self.request(Method::POST, "/todos/ical").json(wanted))
            .await
    }

    /// Asks under a name for the request; who asks again under it gets the same job.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn ask_once(&self, key: &str, wanted: &Value) -> anyhow::Result<Answer> {
        let request = self.request(Method::POST, "/todos/ical").json(wanted);
        self.send(request.header("Idempotency-Key", key)).await
    }

    /// Asks for so many calendars of all todos.
    ///
    /// # Errors
    /// When a job is not promised.
    pub async fn ask_many(&self, count: usize) -> anyhow::Result<Vec<JobId>> {
        let mut ids = Vec::new();
        for _ in 0..count {
            ids.push(self.ask().await?);
        }
        Ok(ids)
    }

    /// Asks how a job stands.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn status(&self, id: JobId) -> anyhow::Result<Answer> {
        self.send(self.request(Method::GET, &format!("/todos/ical/{id}/status")))
            .await
    }

    /// Asks for a job's calendar.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn result(&self, id: JobId) -> anyhow::Result<Answer> {
        self.send(self.request(Method::GET, &format!("/todos/ical/{id}/result")))
            .await
    }

    /// Asks to cancel a job.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn cancel(&self, id: JobId) -> anyhow::Result<Answer> {
        self.send(self.request(Method::DELETE, &format!("/todos/ical/{id}")))
            .await
    }

    /// Asks until the job stands as wanted.
    ///
    /// # Errors
    /// When it does not in time.
    pub async fn wait_for(&self, id: JobId, wanted: JobStatus) -> anyhow::Result<()> {
        within(TIMEOUT, &format!("{id} is {wanted}"), async || {
            let answer = self.status(id).await?;
            match answer.seen() {
                Some(seen) if seen.status == wanted => Ok(Some(())),
                Some(seen) if seen.status.is_terminal() => {
                    bail!("{id} ended in {}: {}", seen.status, answer.json())
                }
                _ => Ok(None),
            }
        })
        .await
    }
}

/// The job that an answer promises.
///
/// # Errors
/// When it promises none.
pub fn promised(answer: &Answer) -> anyhow::Result<JobId> {
    let seen = answer.seen().filter(|_| matches!(answer.status, 200 | 202));
    let seen = seen.with_context(|| {
        let body = String::from_utf8_lossy(&answer.body);
        format!("no job was promised: {} {body}", answer.status)
    })?;
    Ok(seen.id)
}
