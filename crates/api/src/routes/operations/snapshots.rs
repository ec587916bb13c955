//! What the service does now, once or as a stream.

use std::convert::Infallible;
use std::time::Duration;

use actix_web::http::header::ContentType;
use actix_web::web::{Bytes, Data};
use actix_web::{HttpRequest, HttpResponse};
use futures_util::{Stream, stream};
use shared_model::database::DatabaseError;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};

use crate::access::Authority;
use crate::authentication::cache::MAX_AGE;
use crate::authentication::scope::Action;
use crate::operations::snapshot::Snapshot;
use crate::operations::watchers::Watching;
use crate::response::event_stream::{self, COMMENT};
use crate::response::openapi::problems::ServerFault;
use crate::response::problem::ApiError;
use crate::state::Api;

/// How long a request waits for a snapshot. There is one after a few seconds even if the database does not answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// Also shows when the database or the queue does not answer. The counts have limits, because counting takes time.
#[utoipa::path(
    get,
    path = "/api/v1/operations",
    operation_id = "operations",
    tag = "Operations",
    summary = "Read what the service does now",
    responses(
        (status = 200, description = "A snapshot of the service", body = Snapshot),
        ServerFault,
    ),
)]
pub(in crate::routes) async fn snapshot(api: Data<Api>) -> Result<HttpResponse, ApiError> {
    check_started(&api)?;
    let mut watching = api.operations.watch();
    let snapshot = tokio::time::timeout(PATIENCE, watching.next());
    let snapshot = snapshot.await.map_err(|_elapsed| {
        ApiError::Database(DatabaseError::Unavailable("no snapshot in time".to_owned()))
    })?;
    Ok(HttpResponse::Ok()
        .insert_header(ContentType::json())
        .body(snapshot))
}

/// The first snapshot comes immediately. Later ones come when something has changed, at most two a second. A client that
/// reads slowly skips some. The stream ends when the process stops, or the token is not valid any more.
#[utoipa::path(
    get,
    path = "/api/v1/operations/live",
    operation_id = "live_operations",
    tag = "Operations",
    summary = "Follow what the service does",
    responses(
        (
            status = 200,
            description = "Events with the name `snapshot`",
            body = Snapshot,
            content_type = "text/event-stream",
        ),
        ServerFault,
    ),
)]
pub(in crate::routes) async fn live(
    request: HttpRequest,
    api: Data<Api>,
) -> Result<HttpResponse, ApiError> {
    check_started(&api)?;
    api.limits.begin_stream(&request)?.assign_to(&request);
    let mut checks = interval_at(Instant::now() + MAX_AGE, MAX_AGE);
    checks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let source = SnapshotSource {
        watching: api.operations.watch(),
        comments: event_stream::comments(),
        checks,
        authority: Authority::of(&request, Action::Operate),
        api,
    };
    Ok(event_stream::respond(&request, events(source)))
}

fn check_started(api: &Api) -> Result<(), ApiError> {
    if api.has_started() {
        Ok(())
    } else {
        Err(ApiError::Starting)
    }
}

struct SnapshotSource {
    watching: Watching,
    comments: Interval,
    /// When to check whether the client still may watch: tokens that are revoked must not be of use for longer.
    checks: Interval,
    authority: Authority,
    api: Data<Api>,
}

fn events(source: SnapshotSource) -> impl Stream<Item = Result<Bytes, Infallible>> {
    stream::unfold(source, async |mut source| {
        loop {
            let event = tokio::select! {
                biased;
                // the client reconnects, to another process
                () = source.api.stopping.cancelled() => return None,
                _ = source.checks.tick() => {
                    if source.authority.is_valid(&source.api).await {
                        continue;
                    }
                    return None;
                }
                snapshot = source.watching.next() => event(&snapshot),
                _ = source.comments.tick() => COMMENT,
            };
            return Some((Ok(event), source));
        }
    })
}

fn event(snapshot: &[u8]) -> Bytes {
    [b"event: snapshot\ndata: ", snapshot, b"\n\n"]
        .concat()
        .into()
}
