//! The middleware that refuses requests while a limit is reached.

use std::rc::Rc;

use actix_web::HttpMessage;
use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::ConnectionType;
use actix_web::middleware::Next;
use actix_web::web::Data;

use crate::access::rules;
use crate::limits::client::ClientKey;
use crate::limits::connection::Connection;
use crate::limits::occupied::{LimitedBody, Occupied};
use crate::limits::rate::Allowance;
use crate::limits::reached::LimitReached;
use crate::protection::PROBES;
use crate::request::client::client;
use crate::response::problem::ApiError;
use crate::response::rate_headers;
use crate::state::Api;

/// The path of the metrics. A request for them occupies no place of the others.
const METRICS: &str = "/metrics";

/// Handles a request with `next`, unless a limit is reached. Probes are always handled, because operators need them most
/// when the service is overloaded; so are the metrics, unless their client sends too many requests.
///
/// # Errors
/// Returns the error of `next`.
pub async fn admit<B: MessageBody>(
    api: Data<Api>,
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<LimitedBody<EitherBody<B>>>, actix_web::Error> {
    let connection = request.conn_data::<Rc<Connection>>().cloned();
    let refusal = connection
        .as_ref()
        .and_then(|connection| connection.refusal());
    if let Some(connection) = &connection {
        connection.room_for_response().await;
    }
    let exchange = connection.as_ref().map(Connection::begin_request);
    let mut response = match check(&api, &request, refusal) {
        Ok(allowance) => {
            let mut response = next.call(request).await?;
            // the token of the request may have an allowance of its own
            let of_token = response.request().extensions_mut().remove::<Allowance>();
            if let Some(allowance) = of_token.or(allowance) {
                rate_headers::insert(response.headers_mut(), allowance);
            }
            response.map_into_left_body()
        }
        Err(error) => {
            // meanwhile the server reads a body that has arrived; it closes a connection with an unread one
            tokio::task::yield_now().await;
            let response = request.error_response(ApiError::from(error));
            response.map_into_right_body()
        }
    };
    if refusal.is_some() {
        let head = response.response_mut().head_mut();
        head.set_connection_type(ConnectionType::Close);
    }
    let occupied = Occupied::take_from(response.request());
    Ok(response.map_body(|_, body| LimitedBody::new(body, occupied, exchange)))
}

/// Returns what the client may still send, if its rate is limited. `refusal` is the limit that its connection has reached.
fn check(
    api: &Api,
    request: &ServiceRequest,
    refusal: Option<LimitReached>,
) -> Result<Option<Allowance>, LimitReached> {
    let path = request.path();
    if PROBES.contains(&path) {
        return Ok(None);
    }
    let is_metrics = path == METRICS;
    if let Some(refusal) = refusal.filter(|_| !is_metrics) {
        return Err(refusal);
    }
    let client = client(request, api.trust_proxy);
    let allowance = count(api, path, client.as_ref())?;
    if !is_metrics {
        let place = api.limits.begin_request(client.as_ref())?;
        place.assign_to(request);
    }
    if let Some(client) = client {
        // for the places of waits and streams
        request.extensions_mut().insert(client);
    }
    Ok(allowance)
}

/// Counts a request for the rate of its client. It happens before a token is looked up, so that nobody can try many. Files
/// don't count: the page consists of dozens, and they cost little.
fn count(
    api: &Api,
    path: &str,
    client: Option<&ClientKey>,
) -> Result<Option<Allowance>, LimitReached> {
    match client {
        Some(client) if !rules::is_static(path) => Ok(api.limits.rate.count(client)?),
        _ => Ok(None),
    }
}
