//! The middleware that refuses requests while a limit is reached.

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::middleware::Next;
use actix_web::web::Data;

use crate::limits::Limits;
use crate::limits::occupied::{LimitedBody, Occupied};
use crate::limits::reached::LimitReached;
use crate::limits::slots::Slot;
use crate::protection::PROBES;
use crate::response::problem::ApiError;
use crate::state::Api;

/// The place of a connection, which the server adds to it. `None` if it came when no place was free.
#[derive(Debug)]
pub struct ConnectionSlot(pub Option<Slot>);

/// Handles a request with `next`, unless a limit is reached. Probes and metrics are always handled, because operators
/// need them most when the service is overloaded.
///
/// # Errors
/// Returns the error of `next`.
pub async fn admit<B: MessageBody>(
    api: Data<Api>,
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<LimitedBody<B>>>, actix_web::Error> {
    if !is_for_operators(request.path())
        && let Err(error) = check(&api.limits, &request)
    {
        let error = ApiError::from(error);
        return Ok(request.error_response(error).map_into_right_body());
    }
    let response = next.call(request).await?;
    let occupied = Occupied::take_from(response.request());
    let send_timeout = api.limits.send_timeout;
    let limited = response.map_body(|_, body| LimitedBody::new(body, occupied, send_timeout));
    Ok(limited.map_into_left_body())
}

fn is_for_operators(path: &str) -> bool {
    PROBES.contains(&path) || path == "/metrics"
}

fn check(limits: &Limits, request: &ServiceRequest) -> Result<(), LimitReached> {
    if let Some(ConnectionSlot(None)) = request.conn_data() {
        return Err(LimitReached::Connections);
    }
    limits.begin_request()?.assign_to(request);
    Ok(())
}
