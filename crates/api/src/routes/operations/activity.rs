//! What the processes did in the last hour.

use actix_web::web::{Data, Json};
use chrono::{DateTime, Utc};
use serde::Serialize;
use shared_model::activity::{Histogram, PERIOD, Point};
use utoipa::ToSchema;

use crate::operations::snapshot::CountsView;
use crate::response::openapi::problems::ServerFault;
use crate::response::problem::ApiError;
use crate::state::Api;

/// What all processes together did.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Activity)]
pub(in crate::routes) struct ActivityView {
    /// Periods, in order of time. Those in which nothing happened are missing.
    points: Vec<PointView>,
}

/// What all processes together did in one period.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ActivityPoint)]
struct PointView {
    /// When the period began.
    at: DateTime<Utc>,
    /// How long it lasts. The last one may not be over.
    #[schema(example = 10)]
    seconds: u64,
    #[serde(flatten)]
    counts: CountsView,
    /// How long jobs waited for their first attempt.
    wait_seconds: QuantilesView,
    /// How long attempts took.
    run_seconds: QuantilesView,
}

/// Estimates of durations, in seconds. Null if there was none.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Quantiles)]
struct QuantilesView {
    /// Half of them took no longer.
    p50: Option<f64>,
    /// 95 of 100 took no longer.
    p95: Option<f64>,
    /// 99 of 100 took no longer.
    p99: Option<f64>,
}

impl From<&Point> for PointView {
    fn from(Point { at, tally }: &Point) -> Self {
        Self {
            at: *at,
            seconds: PERIOD.as_secs(),
            counts: CountsView::from(tally),
            wait_seconds: QuantilesView::from(&tally.wait),
            run_seconds: QuantilesView::from(&tally.run),
        }
    }
}

impl From<&Histogram> for QuantilesView {
    fn from(histogram: &Histogram) -> Self {
        Self {
            p50: histogram.quantile(0.5),
            p95: histogram.quantile(0.95),
            p99: histogram.quantile(0.99),
        }
    }
}

/// For plots. A process that crashes loses its last second.
#[utoipa::path(
    get,
    path = "/api/v1/operations/activity",
    operation_id = "activity",
    tag = "Operations",
    summary = "Read what happened in the last hour, and how long it took",
    responses(
        (status = 200, description = "The activity in periods of ten seconds", body = ActivityView),
        ServerFault,
    ),
)]
pub(in crate::routes) async fn activity(api: Data<Api>) -> Result<Json<ActivityView>, ApiError> {
    let points = api.activity().await?;
    Ok(Json(ActivityView {
        points: points.iter().map(PointView::from).collect(),
    }))
}
