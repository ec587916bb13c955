//! The middleware that protects the API from pages of other sites.

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::middleware::Next;
use actix_web::web::Data;

use crate::request::origin::Origin;
use crate::response::problem::ApiError;
use crate::state::Api;

/// What load balancers and orchestrators request, often by an address that only they know. It shows nothing that is
/// worth protecting.
pub const PROBES: [&str; 4] = ["/livez", "/readyz", "/startedz", "/api/v1/health"];

/// Handles a request with `next`, unless it names a host that is not one of this service, or comes from a page of
/// another site and may change something.
///
/// # Errors
/// Returns the error of `next`.
pub async fn protect(
    api: Data<Api>,
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    match check(&api.origin, &request) {
        Ok(()) => {
            let response = next.call(request).await?;
            Ok(response.map_into_left_body())
        }
        Err(error) => Ok(request.error_response(error).map_into_right_body()),
    }
}

fn check(origin: &Origin, request: &ServiceRequest) -> Result<(), ApiError> {
    if !PROBES.contains(&request.path()) {
        origin.check_host(request.request())?;
    }
    origin.check_page(request.request())?;
    Ok(())
}
