//! Pausing and resuming all workers, and draining one.

use actix_web::web::{Data, Json};
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;
use shared_model::database::DatabaseError;
use shared_model::processes::{self, DrainRequested};
use shared_model::processing::{self, Processing};
use utoipa::ToSchema;

use crate::access;
use crate::operations::refusal::Refusal;
use crate::operations::snapshot::ProcessingView;
use crate::request::openapi;
use crate::response::openapi::problems::{NotFound, OperationRefused, ServerFault};
use crate::response::problem::ApiError;
use crate::routes::path::ProcessPath;
use crate::state::Api;

/// Within two seconds, workers begin no more jobs. Running jobs are finished. The API goes on accepting jobs, and overdue
/// jobs still expire.
#[utoipa::path(
    post,
    path = "/api/v1/operations/pause",
    operation_id = "pause_processing",
    tag = "Operations",
    summary = "Pause the processing of jobs",
    responses(
        (status = 200, description = "Processing is paused now", body = ProcessingView),
        OperationRefused,
        ServerFault,
    ),
)]
pub(in crate::routes) async fn pause(
    request: HttpRequest,
    api: Data<Api>,
) -> Result<Json<ProcessingView>, ApiError> {
    let by = access::token_name(&request);
    let pause = move |connection: &mut _| -> Result<_, DatabaseError> {
        let before = processing::pause(connection, by.as_deref())?;
        Ok((before, processing::state(connection)?))
    };
    let (before, now) = api.query(pause).await?;
    if before.is_paused() {
        return Err(Refusal::AlreadyPaused(before).into());
    }
    log::info!(by:? = now.paused_by; "an operator has paused processing");
    Ok(Json(now.into()))
}

/// Workers begin jobs again within two seconds.
#[utoipa::path(
    post,
    path = "/api/v1/operations/resume",
    operation_id = "resume_processing",
    tag = "Operations",
    summary = "Resume the processing of jobs",
    responses(
        (status = 200, description = "Jobs are processed now", body = ProcessingView),
        OperationRefused,
        ServerFault,
    ),
)]
pub(in crate::routes) async fn resume(
    request: HttpRequest,
    api: Data<Api>,
) -> Result<Json<ProcessingView>, ApiError> {
    let before = api.query(processing::resume).await?;
    if !before.is_paused() {
        return Err(Refusal::NotPaused.into());
    }
    log::info!(by:? = access::token_name(&request); "an operator has resumed processing");
    Ok(Json(Processing::default().into()))
}

/// A worker that was asked to stop.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Draining)]
pub(in crate::routes) struct DrainingView {
    id: i32,
    #[schema(example = "draining")]
    state: &'static str,
}

/// The worker begins no more jobs, finishes those that run, and ends with the exit code 0. Whatever started it may start a
/// new one.
#[utoipa::path(
    post,
    path = "/api/v1/operations/processes/{id}/drain",
    operation_id = "drain_worker",
    tag = "Operations",
    summary = "Ask a worker to finish its jobs and stop",
    params(openapi::ProcessPath),
    responses(
        (status = 202, description = "The worker, which will learn of it within two seconds", body = DrainingView),
        NotFound,
        OperationRefused,
        ServerFault,
    ),
)]
pub(in crate::routes) async fn drain(
    api: Data<Api>,
    ProcessPath(id): ProcessPath,
) -> Result<HttpResponse, ApiError> {
    let requested = api
        .query(move |connection| processes::request_drain(connection, id))
        .await?;
    let refusal = match requested {
        DrainRequested::Requested => {
            let state = processes::ProcessState::Draining.name();
            return Ok(HttpResponse::Accepted().json(DrainingView { id, state }));
        }
        DrainRequested::Already => Refusal::AlreadyDraining,
        DrainRequested::NotAWorker => Refusal::NotAWorker,
        DrainRequested::Stopped => Refusal::HasStopped,
        DrainRequested::Unknown => Refusal::UnknownProcess,
    };
    Err(refusal.into())
}
