//! The routes: every call of the API.

mod calendar_download;
mod docs;
mod feed_calendar;
mod feeds;
mod health;
mod job_events;
mod job_list;
mod job_result;
mod jobs;
mod operations;
mod path;
mod session;
mod todo_list;
mod todos;

use actix_web::guard::{Any, Get, Head};
use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpResponse, Resource, Route};

use crate::page;
use crate::response::links::API_PREFIX;
use crate::response::problem::ApiError;

/// Returns the description of the API: OpenAPI 3.1, as JSON.
pub fn openapi_document() -> String {
    docs::description()
}

/// Adds every route. They are tried in this order, and comparing a path with a pattern takes as long as answering a request
/// from memory. So what clients call most comes first.
pub fn configure(config: &mut ServiceConfig) {
    config
        .service(web::scope(API_PREFIX).configure(configure_api))
        .service(resource("/", "GET, HEAD").route(get().to(page::index)))
        .service(resource("/operations", "GET, HEAD").route(get().to(page::operations)))
        .service(resource("/service-worker.js", "GET, HEAD").route(get().to(page::service_worker)))
        .service(resource("/assets/{version}/{name:.*}", "GET, HEAD").route(get().to(page::asset)))
        .service(resource("/docs", "GET, HEAD").route(get().to(docs::index)))
        .service(resource("/docs/{name}", "GET, HEAD").route(get().to(docs::file)))
        .service(resource("/livez", "GET, HEAD").route(get().to(health::livez)))
        .service(resource("/readyz", "GET, HEAD").route(get().to(health::readyz)))
        .service(resource("/startedz", "GET, HEAD").route(get().to(health::startedz)))
        .service(resource("/metrics", "GET, HEAD").route(get().to(health::metrics)))
        .service(
            resource("/calendar/{token}.ics", "GET, HEAD").route(get().to(feed_calendar::calendar)),
        )
        .default_service(web::to(no_such_route));
}

fn configure_api(config: &mut ServiceConfig) {
    config
        .service(resource("/openapi.json", "GET, HEAD").route(get().to(docs::openapi)))
        .service(resource("/health", "GET, HEAD").route(get().to(health::health)))
        .service(
            resource("/todos", "GET, HEAD, POST")
                .route(get().to(todo_list::list))
                .route(web::post().to(todos::create)),
        )
        .service(resource("/todos/ical/{id}/status", "GET, HEAD").route(get().to(jobs::status)))
        // before /todos/{id}, which would match it too
        .service(
            resource("/todos/ical", "GET, HEAD, POST")
                .route(get().to(job_list::list))
                .route(web::post().to(jobs::create)),
        )
        .service(
            resource("/todos/{id}", "GET, HEAD, PUT, PATCH, DELETE")
                .route(get().to(todos::find))
                .route(web::put().to(todos::update))
                .route(web::patch().to(todos::update))
                .route(web::delete().to(todos::delete)),
        )
        .service(
            resource("/calendar/feeds", "GET, HEAD, POST")
                .route(get().to(feeds::list))
                .route(web::post().to(feeds::create)),
        )
        .service(resource("/calendar/feeds/{id}", "DELETE").route(web::delete().to(feeds::delete)))
        .service(
            resource("/session", "POST, DELETE")
                .app_data(session::BODY_LIMITS)
                .route(web::post().to(session::sign_in))
                .route(web::delete().to(session::sign_out)),
        )
        .service(resource("/todos/ical/{id}", "DELETE").route(web::delete().to(jobs::cancel)))
        .service(
            resource("/todos/ical/{id}/events", "GET, HEAD").route(get().to(job_events::events)),
        )
        .service(
            resource("/todos/ical/{id}/result", "GET, HEAD").route(get().to(job_result::result)),
        )
        .service(web::scope("/operations").configure(operations::configure));
}

/// A resource. Methods without a route get a 405 with `allowed`.
fn resource(path: &str, allowed: &'static str) -> Resource {
    web::resource(path).default_service(web::to(move || async move {
        Err::<HttpResponse, _>(ApiError::MethodNotAllowed(allowed))
    }))
}

/// A route for GET and HEAD. The server omits the body of the response to HEAD.
fn get() -> Route {
    web::route().guard(Any(Get()).or(Head()))
}

async fn no_such_route() -> Result<HttpResponse, ApiError> {
    Err(ApiError::NoSuchRoute)
}
