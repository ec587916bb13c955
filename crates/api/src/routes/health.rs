//! How the process is.

use actix_web::HttpResponse;
use actix_web::web::{Data, Json};
use serde::Serialize;
use utoipa::ToSchema;

use crate::readiness::Readiness;
use crate::response::openapi::problems::NotReady;
use crate::response::openapi::schemas;
use crate::response::problem::ApiError;
use crate::state::Api;

#[derive(Serialize, ToSchema)]
pub(super) struct Health {
    status: &'static str,
}

/// As the original's.
#[utoipa::path(
    get,
    path = "/api/v1/health",
    operation_id = "health",
    tag = "Health",
    summary = "Whether the API answers",
    responses(
        (status = 200, description = "Done", body = Health),
    ),
)]
pub(super) async fn health() -> Json<Health> {
    Json(Health { status: "ok" })
}

/// Whether the process runs: it answers.
#[utoipa::path(
    get,
    path = "/livez",
    operation_id = "livez",
    tag = "Health",
    summary = "Whether the process runs",
    responses(
        (status = 200, description = "Done", body = Health),
    ),
)]
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
#[utoipa::path(
    get,
    path = "/readyz",
    operation_id = "readyz",
    tag = "Health",
    summary = "Whether requests can be served, part by part",
    responses(
        (status = 200, description = "They can", body = schemas::Readiness),
        NotReady,
    ),
)]
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
#[utoipa::path(
    get,
    path = "/metrics",
    operation_id = "metrics",
    tag = "Health",
    summary = "The counts, as Prometheus reads them",
    responses(
        (status = 200, description = "Done", body = String, content_type = "text/plain"),
    ),
)]
pub(super) async fn metrics(api: Data<Api>) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/plain; version=0.0.4; charset=utf-8")
        .body(api.metrics.render())
}
