//! The worker's HTTP endpoint for operators: `/livez`, `/readyz`, `/startedz` and `/metrics`.

use std::net::SocketAddr;

use actix_web::dev::Server;
use actix_web::http::header::ContentType;
use actix_web::{App, HttpResponse, HttpServer, web};
use metrics_exporter_prometheus::PrometheusHandle;
use shared_model::database::Pool;
use shared_model::processes::ThisProcess;

use crate::health::{Health, QueueState};

/// What the endpoint reads to answer a request.
#[derive(Debug, Clone)]
pub struct AdminData {
    /// The state of the worker.
    pub health: Health,
    /// The connections to the database.
    pub pool: Pool,
    /// This worker, which claims nothing before it is registered.
    pub process: ThisProcess,
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
            .route("/startedz", web::get().to(startedz))
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
    let alive = data.health.is_alive();
    let status = if alive { "ok" } else { "polling stopped" };
    respond(alive, &serde_json::json!({ "status": status }))
}

/// Reports whether the worker can run jobs: the database and the queue answer, and the worker is registered.
async fn readyz(data: web::Data<AdminData>) -> HttpResponse {
    let (ready, body) = readiness(&data).await;
    respond(ready, &body)
}

/// Reports whether polling continues, and the worker has been ready once, after the queue had answered, and the database does
/// not refuse its password. An orchestrator that restarts workers by this answer replaces a version that does not work, and a
/// worker that started before the password was replaced, but no worker whose database is away.
async fn startedz(data: web::Data<AdminData>) -> HttpResponse {
    if data.health.has_been_ready() && !data.pool.needs_new_process() {
        return livez(data).await;
    }
    let (ready, body) = readiness(&data).await;
    let started = ready && data.health.queue() == QueueState::Answers;
    if started {
        data.health.was_ready();
    }
    respond(started && !data.pool.needs_new_process(), &body)
}

fn respond(ok: bool, body: &serde_json::Value) -> HttpResponse {
    if ok {
        HttpResponse::Ok().json(body)
    } else {
        HttpResponse::ServiceUnavailable().json(body)
    }
}

/// Returns whether the worker can run jobs, and the parts of that.
async fn readiness(data: &AdminData) -> (bool, serde_json::Value) {
    let database = match data.pool.ping().await {
        Ok(()) => "ok".to_owned(),
        Err(error) => error.to_string(),
    };
    let queue = match data.health.queue() {
        QueueState::Unknown => "not polled yet".to_owned(),
        QueueState::Answers => "ok".to_owned(),
        QueueState::Fails(error) => error,
    };
    let registered = data.process.id().is_some();
    let ready =
        database == "ok" && registered && !matches!(data.health.queue(), QueueState::Fails(_));
    let body = serde_json::json!({
        "status": if ready { "ok" } else { "unavailable" },
        "database": database,
        "queue": queue,
        "registered": registered,
    });
    (ready, body)
}

async fn metrics(data: web::Data<AdminData>) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header(ContentType::plaintext())
        .body(data.metrics.render())
}
