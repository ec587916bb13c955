//! The calls for operators.

pub(super) mod snapshots;

use actix_web::web::ServiceConfig;

use super::{get, resource};

/// Adds the routes below `/api/v1/operations`.
pub(super) fn configure(config: &mut ServiceConfig) {
    config
        .service(resource("", "GET, HEAD").route(get().to(snapshots::snapshot)))
        .service(resource("/live", "GET, HEAD").route(get().to(snapshots::live)));
}
