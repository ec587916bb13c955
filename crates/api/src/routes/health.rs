//! The health, readiness and metrics of the process.

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

/// The original has the same call.
#[utoipa::path(
    get,
    path = "/api/v1/health",
    operation_id = "health",
    tag = "Health",
    summary = "Check whether the API responds",
    responses(
        (status = 200, description = "The API responds", body = Health),
    ),
)]
pub(super) async fn health() -> Json<Health> {
    Json(Health { status: "ok" })
}

#[utoipa::path(
    get,
    path = "/livez",
    operation_id = "livez",
    tag = "Health",
    summary = "Check whether the process is alive",
    responses(
        (status = 200, description = "The process is alive", body = Health),
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

#[utoipa::path(
    get,
    path = "/readyz",
    operation_id = "readyz",
    tag = "Health",
    summary = "Check whether the process can serve requests",
    responses(
        (status = 200, description = "The process can serve requests", body = schemas::Readiness),
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

#[utoipa::path(
    get,
    path = "/startedz",
    operation_id = "startedz",
    tag = "Health",
    summary = "Check whether the process is alive and has been ready once",
    responses(
        (status = 200, description = "The process is alive, could serve requests at some time since it started, and the \
            database does not refuse its password", body = Health),
        NotReady,
    ),
)]
pub(super) async fn startedz(api: Data<Api>) -> Result<Json<Health>, ApiError> {
    let is_refused = api.connections.need_new_process();
    if !api.has_been_ready() || is_refused {
        let parts = api.readiness().await;
        if is_refused || !parts.is_ready() {
            return Err(ApiError::NotReady(parts));
        }
    }
    Ok(Json(Health { status: "ok" }))
}

#[utoipa::path(
    get,
    path = "/metrics",
    operation_id = "metrics",
    tag = "Health",
    summary = "Read the metrics of the process",
    responses(
        (status = 200, description = "The metrics, in the text format of Prometheus", body = String, content_type = "text/plain"),
    ),
)]
pub(super) async fn metrics(api: Data<Api>) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/plain; version=0.0.4; charset=utf-8")
        .body(api.metrics.render())
}
