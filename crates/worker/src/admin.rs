//! The worker's HTTP endpoint for operators: `/livez`, `/readyz` and `/metrics`.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::http::header::ContentType;
use actix_web::{App, HttpResponse, HttpServer, web};
use metrics_exporter_prometheus::PrometheusHandle;
use shared_model::database::Pool;
use tokio::time::Instant;

/// The state of the worker. Clones share it.
#[derive(Debug, Clone)]
pub struct Health {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    /// A poll that takes longer than this is considered dead.
    longest_poll: Duration,
    state: Mutex<State>,
    database_in_doubt: AtomicBool,
}

#[derive(Debug, Default)]
struct State {
    poll_since: Option<Instant>,
    queue: QueueState,
}

#[derive(Debug, Default, Clone, PartialEq, Eq)]
enum QueueState {
    #[default]
    Unknown,
    Answers,
    Fails(String),
}

impl Health {
    /// Creates the state of a worker whose polls may take up to `longest_poll`.
    pub fn new(longest_poll: Duration) -> Self {
        let inner = Inner {
            longest_poll,
            state: Mutex::default(),
            database_in_doubt: AtomicBool::new(false),
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// Records that a poll has begun.
    pub fn poll_began(&self) {
        self.state(|state| state.poll_since = Some(Instant::now()));
    }

    /// Records that the queue answered the poll.
    pub fn poll_ended(&self) {
        self.state(|state| {
            if matches!(state.queue, QueueState::Fails(_)) {
                log::info!("the queue answers again");
            }
            *state = State {
                poll_since: None,
                queue: QueueState::Answers,
            };
        });
    }

    /// Records that the queue did not answer the poll, or refused it. Logs each new reason once.
    pub fn poll_failed(&self, error: &str) {
        self.state(|state| {
            let failed = QueueState::Fails(error.to_owned());
            if state.queue != failed {
                log::error!(error; "could not poll the queue; trying again with a growing backoff");
            }
            *state = State {
                poll_since: None,
                queue: failed,
            };
        });
    }

    /// Records that a query failed, so that the next poll waits until the database answers.
    pub fn database_failed(&self) {
        self.inner.database_in_doubt.store(true, Ordering::Relaxed);
    }

    /// Records that the database answers again.
    pub fn database_answered(&self) {
        self.inner.database_in_doubt.store(false, Ordering::Relaxed);
    }

    /// Returns whether a query has failed and the database has not answered since.
    pub fn is_database_in_doubt(&self) -> bool {
        self.inner.database_in_doubt.load(Ordering::Relaxed)
    }

    fn is_alive(&self) -> bool {
        self.state(|state| {
            state
                .poll_since
                .is_none_or(|since| since.elapsed() <= self.inner.longest_poll)
        })
    }

    fn queue(&self) -> QueueState {
        self.state(|state| state.queue.clone())
    }

    fn state<T>(&self, access: impl FnOnce(&mut State) -> T) -> T {
        access(
            &mut self
                .inner
                .state
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        )
    }
}

/// What the endpoint's answers are made of.
#[derive(Debug, Clone)]
pub struct AdminData {
    /// The state of the worker.
    pub health: Health,
    /// The connections to the database.
    pub pool: Pool,
    /// The process's metrics.
    pub metrics: PrometheusHandle,
}

/// Binds the endpoint, and returns its server and its address. The server answers once it is awaited or spawned.
///
/// # Errors
/// Returns an error if the address can't be bound.
pub fn bind(addr: SocketAddr, data: AdminData) -> std::io::Result<(Server, SocketAddr)> {
    let server = HttpServer::new(move || {
        App::new()
            .app_data(web::Data::new(data.clone()))
            .route("/livez", web::get().to(livez))
            .route("/readyz", web::get().to(readyz))
            .route("/metrics", web::get().to(metrics))
    })
    .workers(1)
    .disable_signals()
    .bind(addr)?;
    let bound = server.addrs().first().copied().unwrap_or(addr);
    Ok((server.run(), bound))
}

/// Reports whether polling continues. A worker whose poll has died needs a restart.
async fn livez(data: web::Data<AdminData>) -> HttpResponse {
    if data.health.is_alive() {
        HttpResponse::Ok().json(serde_json::json!({ "status": "ok" }))
    } else {
        HttpResponse::ServiceUnavailable().json(serde_json::json!({ "status": "polling stopped" }))
    }
}

/// Reports whether the worker can run jobs: both the database and the queue answer.
async fn readyz(data: web::Data<AdminData>) -> HttpResponse {
    let database = match data.pool.ping().await {
        Ok(()) => "ok".to_owned(),
        Err(error) => error.to_string(),
    };
    let queue = match data.health.queue() {
        QueueState::Unknown => "not polled yet".to_owned(),
        QueueState::Answers => "ok".to_owned(),
        QueueState::Fails(error) => error,
    };
    let ready = database == "ok" && !matches!(data.health.queue(), QueueState::Fails(_));
    let body = serde_json::json!({
        "status": if ready { "ok" } else { "unavailable" }, "database": database, "queue": queue,
    });
    if ready {
        HttpResponse::Ok().json(body)
    } else {
        HttpResponse::ServiceUnavailable().json(body)
    }
}

async fn metrics(data: web::Data<AdminData>) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header(ContentType::plaintext())
        .body(data.metrics.render())
}
