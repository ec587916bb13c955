//! The completion events that have not been delivered: list them, and retry those that were given up.

use std::str::FromStr;

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use shared_model::database::{self, DatabaseError};
use shared_model::event_deliveries::operate::{self, Filter, OpenDelivery, Retried};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::access;
use crate::events::destinations;
use crate::request::input_error::InputError;
use crate::request::json_body::JsonBody;
use crate::request::members::{self, ALL};
use crate::request::openapi::{DeliveriesToRetry, DeliveryPath, EventHost, Page};
use crate::request::query::Query;
use crate::response::links::Links;
use crate::response::list_page::ListPage;
use crate::response::openapi::problems::{BadBody, BadInput, NotFound, NotGivenUp, ServerFault};
use crate::response::problem::ApiError;
use crate::routes::path::DeliveryId;
use crate::state::Api;

/// How many deliveries a page has if the request has no `limit`.
const DEFAULT_PAGE: u16 = 100;
/// How many deliveries one request retries at most.
const RETRIED_AT_ONCE: i64 = 500;

/// Whether the service still tries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(in crate::routes) enum DeliveryState {
    Waiting,
    GivenUp,
}

impl FromStr for DeliveryState {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "waiting" => Ok(Self::Waiting),
            "given-up" => Ok(Self::GivenUp),
            _ => Err(()),
        }
    }
}

/// A completion event that has not been delivered.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Delivery)]
pub(in crate::routes) struct DeliveryView<'a> {
    id: i64,
    /// The job that ended.
    task_id: Uuid,
    event_id: &'a str,
    /// `sns`, or the URL of a webhook without its path and query, which may contain a secret.
    #[schema(example = "https://example.org/…")]
    destination: String,
    /// When the job ended.
    created_at: DateTime<Utc>,
    attempts: i32,
    /// When the next attempt may begin; null if the delivery was given up.
    due_at: Option<DateTime<Utc>>,
    /// Why the last attempt failed.
    last_error: Option<&'a str>,
}

impl<'a> From<&'a OpenDelivery> for DeliveryView<'a> {
    fn from(delivery: &'a OpenDelivery) -> Self {
        Self {
            id: delivery.id,
            task_id: delivery.job_id,
            event_id: &delivery.event_id,
            destination: destinations::shown(&delivery.destination),
            created_at: delivery.created_at,
            attempts: delivery.attempts,
            due_at: delivery.due_at,
            last_error: delivery.last_error.as_deref(),
        }
    }
}

/// How many deliveries are tried again.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::routes) struct RetriedDeliveries {
    retried: usize,
    /// Whether there may be more: send the request again.
    remaining: bool,
    /// When they were due. Snapshots with a later `at` count them as waiting, earlier ones may not.
    at: DateTime<Utc>,
}

/// Returns the name of a host in lower case, which is how the database stores it.
fn checked_host(host: Value) -> Result<String, InputError> {
    Ok(members::printable_text("host", host)?.to_ascii_lowercase())
}

/// If few deliveries match, a page may be shorter than `limit`, or empty, although there is a next one.
#[utoipa::path(
    get,
    path = "/api/v1/operations/deliveries",
    operation_id = "list_deliveries",
    tag = "Operations",
    summary = "List the completion events that have not been delivered, newest first",
    params(
        ("state" = Option<DeliveryState>, Query, description = "Only those that wait, or only those that were given up."),
        EventHost,
        Page,
    ),
    responses(
        (
            status = 200,
            description = "One page of deliveries",
            body = [DeliveryView],
            headers(("Link" = String, description = "The URL of the next page, if there is one")),
        ),
        BadInput,
        ServerFault,
    ),
)]
pub(in crate::routes) async fn list(
    request: HttpRequest,
    api: Data<Api>,
    query: Query,
) -> Result<HttpResponse, ApiError> {
    let state: Option<DeliveryState> = query.value("state", "waiting or given-up")?;
    let host = query.text("host").map(|host| checked_host(host.into()));
    let host = host.transpose()?;
    let before = query.after(|cursor| cursor.parse().ok())?;
    let limit = query.limit()?.unwrap_or(DEFAULT_PAGE);
    let filter = Filter {
        is_given_up: state.map(|state| state == DeliveryState::GivenUp),
        host: host.clone(),
    };
    let page = api
        .query(move |connection| operate::list(connection, &filter, before, limit.into()))
        .await?;
    let next = page.next.map(|id| id.to_string());
    let page = ListPage::with_next(page.deliveries, limit, next);
    let links = Links::new(&api.origin, &request);
    let state = state.map(|state| match state {
        DeliveryState::Waiting => "waiting".to_owned(),
        DeliveryState::GivenUp => "given-up".to_owned(),
    });
    let filters = [("state", state), ("host", host)];
    Ok(
        page.respond(&links, "/operations/deliveries", filters, |delivery| {
            DeliveryView::from(delivery)
        }),
    )
}

#[utoipa::path(
    post,
    path = "/api/v1/operations/deliveries/{id}/retry",
    operation_id = "retry_delivery",
    tag = "Operations",
    summary = "Try again to deliver a completion event that was given up",
    params(DeliveryPath),
    responses(
        (status = 202, description = "The delivery is due now, with all its attempts left", body = RetriedDeliveries),
        NotFound,
        NotGivenUp,
        ServerFault,
    ),
)]
pub(in crate::routes) async fn retry(
    api: Data<Api>,
    DeliveryId(id): DeliveryId,
) -> Result<HttpResponse, ApiError> {
    let retry = move |connection: &mut _| -> Result<_, DatabaseError> {
        let retried = operate::retry(connection, id)?;
        Ok((retried, database::now(connection)?))
    };
    let (retried, at) = api.query(retry).await?;
    match retried {
        Retried::Due => Ok(HttpResponse::Accepted().json(RetriedDeliveries {
            retried: 1,
            remaining: false,
            at,
        })),
        Retried::NotGivenUp => Err(ApiError::DeliveryNotGivenUp),
        Retried::Unknown => Err(ApiError::DeliveryNotFound),
    }
}

#[utoipa::path(
    post,
    path = "/api/v1/operations/deliveries/retry",
    operation_id = "retry_deliveries",
    tag = "Operations",
    summary = "Try again to deliver the completion events that were given up",
    request_body = DeliveriesToRetry,
    responses(
        (
            status = 200,
            description = "How many are due now. A request retries at most 500, the oldest first",
            body = RetriedDeliveries,
        ),
        BadInput,
        BadBody,
        ServerFault,
    ),
)]
pub(in crate::routes) async fn retry_all(
    request: HttpRequest,
    api: Data<Api>,
    body: JsonBody,
) -> Result<HttpResponse, ApiError> {
    let mut members = body.members()?.unwrap_or_default();
    members.allow_only(&["host", ALL])?;
    let is_all = members::is_all(&mut members)?;
    let host = members.take("host").filter(|host| !host.is_null());
    let host = host.map(checked_host).transpose()?;
    members::check_choice(is_all, host.is_some(), "host")?;
    let retry = move |connection: &mut _| -> Result<_, DatabaseError> {
        let retried = operate::retry_given_up(connection, host.as_deref(), RETRIED_AT_ONCE)?;
        Ok((retried, database::now(connection)?))
    };
    let (retried, at) = api.query(retry).await?;
    log::info!(by:? = access::token_name(&request), events = retried; "an operator has retried completion events");
    Ok(HttpResponse::Ok().json(RetriedDeliveries {
        retried,
        remaining: i64::try_from(retried).is_ok_and(|retried| retried >= RETRIED_AT_ONCE),
        at,
    }))
}
