//! How the process is.

use actix_web::HttpResponse;
use actix_web::web::{Data, Json};
use serde::Serialize;

use crate::problem::ApiError;
use crate::state::{Api, Readiness};

#[derive(Serialize)]
pub(super) struct Health {
    status: &'static str,
}

/// As the original's.
pub(super) async fn health() -> Json<Health> {
    Json(Health { status: "ok" })
}

/// Whether the process runs: it answers.
pub(super) async fn livez() -> Json<Health> {
    Json(Health { status: "ok" })
}

#[derive(Serialize)]
pub(super) struct Ready {
    status: &'static str,
    #[serde(flatten)]
    parts: Readiness,
}

/// Whether requests can be served.
pub(super) async fn readyz(api: Data<Api>) -> Result<Json<Ready>, ApiError> {
    let parts = api.readiness().await;
    if !parts.is_ready() {
        return Err(ApiError::NotReady(parts));
    }
    Ok(Json(Ready {
        status: "ready",
        parts,
    }))
}

/// The counts, as Prometheus reads them.
pub(super) async fn metrics(api: Data<Api>) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/plain; version=0.0.4; charset=utf-8")
        .body(api.metrics.render())
}
