//! Pausing and resuming all workers, and draining one.

use actix_web::web::{Data, Json};
use actix_web::{HttpRequest, HttpResponse};
use chrono::{DateTime, Utc};
use serde::Serialize;
use shared_model::database::{self, DatabaseError};
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

/// Whether the workers process jobs, after an operator has changed it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ProcessingChanged)]
pub(in crate::routes) struct ChangedView {
    #[serde(flatten)]
    processing: ProcessingView,
    /// When this was true. Snapshots with a later `at` show it, earlier ones may not.
    at: DateTime<Utc>,
}

/// Within two seconds, workers begin no more jobs. Running jobs are finished. The API goes on accepting jobs, and overdue
/// jobs still expire.
#[utoipa::path(
    post,
    path = "/api/v1/operations/pause",
    operation_id = "pause_processing",
    tag = "Operations",
    summary = "Pause the processing of jobs",
    responses(
        (status = 200, description = "Processing is paused now", body = ChangedView),
        OperationRefused,
        ServerFault,
    ),
)]
pub(in crate::routes) async fn pause(
    request: HttpRequest,
    api: Data<Api>,
) -> Result<Json<ChangedView>, ApiError> {
    let by = access::token_name(&request);
    let pause = move |connection: &mut _| -> Result<_, DatabaseError> {
        let before = processing::pause(connection, by.as_deref())?;
        let now = processing::state(connection)?;
        Ok((before, now, database::now(connection)?))
    };
    let (before, now, at) = api.query(pause).await?;
    if before.is_paused() {
        return Err(Refusal::AlreadyPaused(before).into());
    }
    log::info!(by:? = now.paused_by; "an operator has paused processing");
    let processing = now.into();
    Ok(Json(ChangedView { processing, at }))
}

/// Workers begin jobs again within two seconds.
#[utoipa::path(
    post,
    path = "/api/v1/operations/resume",
    operation_id = "resume_processing",
    tag = "Operations",
    summary = "Resume the processing of jobs",
    responses(
        (status = 200, description = "Jobs are processed now", body = ChangedView),
        OperationRefused,
        ServerFault,
    ),
)]
pub(in crate::routes) async fn resume(
    request: HttpRequest,
    api: Data<Api>,
) -> Result<Json<ChangedView>, ApiError> {
    let resume = |connection: &mut _| -> Result<_, DatabaseError> {
        let before = processing::resume(connection)?;
        Ok((before, database::now(connection)?))
    };
    let (before, at) = api.query(resume).await?;
    if !before.is_paused() {
        return Err(Refusal::NotPaused.into());
    }
    log::info!(by:? = access::token_name(&request); "an operator has resumed processing");
    let processing = Processing::default().into();
    Ok(Json(ChangedView { processing, at }))
}

/// A worker that was asked to stop.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Draining)]
pub(in crate::routes) struct DrainingView {
    id: i32,
    #[schema(example = "draining")]
    state: &'static str,
    /// When it was asked. Snapshots with a later `at` show it, earlier ones may not.
    at: DateTime<Utc>,
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
    request: HttpRequest,
    api: Data<Api>,
    ProcessPath(id): ProcessPath,
) -> Result<HttpResponse, ApiError> {
    let ask = move |connection: &mut _| -> Result<_, DatabaseError> {
        let requested = processes::request_drain(connection, id)?;
        Ok((requested, database::now(connection)?))
    };
    let (requested, at) = api.query(ask).await?;
    let refusal = match requested {
        DrainRequested::Requested => {
            log::info!(by:? = access::token_name(&request), "worker.id" = id; "an operator has asked a worker to stop");
            let state = processes::ProcessState::Draining.name();
            return Ok(HttpResponse::Accepted().json(DrainingView { id, state, at }));
        }
        DrainRequested::Already => Refusal::AlreadyDraining,
        DrainRequested::NotAWorker => Refusal::NotAWorker,
        DrainRequested::Stopped => Refusal::HasStopped,
        DrainRequested::Unknown => Refusal::UnknownProcess,
    };
    Err(refusal.into())
}
