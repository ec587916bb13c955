//! The calls for operators.

pub(super) mod activity;
pub(super) mod deliveries;
pub(super) mod job_retries;
pub(super) mod jobs;
pub(super) mod processing;
pub(super) mod session;
pub(super) mod snapshots;

use actix_web::web::{ServiceConfig, delete, post};

use super::session::BODY_LIMITS;
use super::{get, resource};

/// Adds the routes below `/api/v1/operations`.
pub(super) fn configure(config: &mut ServiceConfig) {
    config
        .service(resource("", "GET, HEAD").route(get().to(snapshots::snapshot)))
        .service(resource("/live", "GET, HEAD").route(get().to(snapshots::live)))
        .service(resource("/activity", "GET, HEAD").route(get().to(activity::activity)))
        .service(
            resource("/session", "POST, DELETE")
                .app_data(BODY_LIMITS)
                .route(post().to(session::sign_in))
                .route(delete().to(session::sign_out)),
        )
        .service(resource("/jobs", "GET, HEAD").route(get().to(jobs::list)))
        // before /jobs/{id}, which would match it too
        .service(resource("/jobs/retry", "POST").route(post().to(job_retries::retry_all)))
        .service(resource("/jobs/{id}", "GET, HEAD").route(get().to(jobs::find_history)))
        .service(resource("/jobs/{id}/retry", "POST").route(post().to(job_retries::retry)))
        .service(resource("/pause", "POST").route(post().to(processing::pause)))
        .service(resource("/resume", "POST").route(post().to(processing::resume)))
        .service(resource("/processes/{id}/drain", "POST").route(post().to(processing::drain)))
        .service(resource("/deliveries", "GET, HEAD").route(get().to(deliveries::list)))
        .service(resource("/deliveries/retry", "POST").route(post().to(deliveries::retry_all)))
        .service(resource("/deliveries/{id}/retry", "POST").route(post().to(deliveries::retry)));
}
