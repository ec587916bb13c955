//! The middleware that refuses requests while a limit is reached.

use actix_web::HttpMessage;
use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::middleware::Next;
use actix_web::web::Data;

use crate::limits::occupied::{LimitedBody, Occupied};
use crate::limits::rate::Allowance;
use crate::limits::reached::LimitReached;
use crate::limits::slots::Slot;
use crate::protection::PROBES;
use crate::request::client::client;
use crate::response::problem::ApiError;
use crate::response::rate_headers;
use crate::state::Api;

/// The path of the metrics. A request for them occupies no place of the others.
const METRICS: &str = "/metrics";

/// The place of a connection, which the server adds to it. `None` if it came when no place was free.
#[derive(Debug)]
pub struct ConnectionSlot(pub Option<Slot>);

/// Handles a request with `next`, unless a limit is reached. Probes are always handled, because operators need them most
/// when the service is overloaded; so are the metrics, unless their client sends too many requests.
///
/// # Errors
/// Returns the error of `next`.
pub async fn admit<B: MessageBody>(
    api: Data<Api>,
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<LimitedBody<B>>>, actix_web::Error> {
    let allowance = match check(&api, &request) {
        Ok(allowance) => allowance,
        Err(error) => {
            // meanwhile the server reads a body that has arrived; it closes a connection with an unread one
            tokio::task::yield_now().await;
            let response = request.error_response(ApiError::from(error));
            return Ok(response.map_into_right_body());
        }
    };
    let mut response = next.call(request).await?;
    // the token of the request may have an allowance of its own
    let of_token = response.request().extensions_mut().remove::<Allowance>();
    if let Some(allowance) = of_token.or(allowance) {
        rate_headers::insert(response.headers_mut(), allowance);
    }
    let occupied = Occupied::take_from(response.request());
    let send_timeout = api.limits.send_timeout;
    let limited = response.map_body(|_, body| LimitedBody::new(body, occupied, send_timeout));
    Ok(limited.map_into_left_body())
}

/// Returns what the client may still send, if its rate is limited.
fn check(api: &Api, request: &ServiceRequest) -> Result<Option<Allowance>, LimitReached> {
    let path = request.path();
    if PROBES.contains(&path) {
        return Ok(None);
    }
    let is_metrics = path == METRICS;
    if let Some(ConnectionSlot(None)) = request.conn_data()
        && !is_metrics
    {
        return Err(LimitReached::Connections);
    }
    // before a token is looked up, so that nobody can try many of them
    let allowance = match client(request, api.trust_proxy) {
        Some(client) => api.limits.rate.count(&client)?,
        None => None,
    };
    if !is_metrics {
        api.limits.begin_request()?.assign_to(request);
    }
    Ok(allowance)
}
