//! The command `sustained`: clients post at a constant rate for minutes, and at the end of each minute the run looks at
//! what could grow.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use diesel::PgConnection;
use serde::Serialize;

mod minute;
mod snapshot;
mod stored;

pub use minute::{Index, Listing, Minute, Table};

use crate::load::{Load, Posted, Until};
use crate::measure::{Counted, Meter};
use crate::options::{Rate, SustainedOptions};
use crate::progress;
use crate::system::{System, connect};
use crate::timeline::{Phases, Timeline, epoch};

/// How long the maximum rate is measured.
const CALIBRATION: Duration = Duration::from_secs(30);
/// Its first part does not count.
const WARM_UP: Duration = Duration::from_secs(10);
/// While the maximum is measured, clients pause when this many jobs wait.
const MAX_WAITING: u64 = 1000;
/// How often they are counted.
const COUNT_INTERVAL: Duration = Duration::from_millis(50);
const MINUTE: Duration = Duration::from_mins(1);

/// What a run measured.
#[derive(Debug, Serialize)]
pub struct Results {
    /// How the run was started.
    pub options: SustainedOptions,
    /// Jobs accepted and completed per second, with at most 1,000 waiting, if that was measured.
    pub maximum: Option<f64>,
    /// The rate that the clients kept, in jobs per second.
    pub rate: f64,
    /// What the clients saw.
    pub posted: Posted,
    /// Every minute.
    pub minutes: Vec<Minute>,
    /// What it cost.
    pub counted: Counted,
    /// Every second of the run.
    pub timeline: Timeline,
}

/// Measures a constant rate.
///
/// # Errors
/// Returns an error if a process does not start, or if a request is refused.
pub async fn run(executable: &Path, options: &SustainedOptions) -> anyhow::Result<Results> {
    let mut system = System::start(executable, &options.system).await?;
    stored::insert(&mut connect(&system.cluster)?, options.stored_jobs)?;
    system.start_workers().await?;
    let mut database = connect(&system.cluster)?;
    let mut meter = Meter::new(&system, options.system.settle)?;
    let mut phases = Phases::default();
    let (maximum, rate) = match options.rate {
        Rate::PerSecond(rate) => (None, rate),
        Rate::OfMaximum(part) => {
            phases.begin(&mut database, "maximum")?;
            let maximum = maximum(&system, options).await?;
            (Some(maximum), maximum * part)
        }
    };
    meter.settle().await;
    phases.begin(&mut database, "constant rate")?;
    let start = meter.start(&system).await?;
    let (posted, minutes) = post(&system, options, rate).await?;
    let counted = meter.end(&system, &start).await?;
    let timeline = phases.read(&mut database)?;
    system.stop_processes().await?;
    Ok(Results {
        options: options.clone(),
        maximum,
        rate,
        posted,
        minutes,
        counted,
        timeline,
    })
}

/// Returns how many jobs per second are both accepted and completed while the clients post as fast as they can, with few
/// jobs waiting.
async fn maximum(system: &System, options: &SustainedOptions) -> anyhow::Result<f64> {
    let end = Instant::now() + CALIBRATION;
    let is_paused = Arc::new(AtomicBool::new(false));
    let mut load = Load::new(
        system.addresses(),
        options.system.clients,
        "maximum",
        Until::Time(end),
    );
    load.is_paused = Arc::clone(&is_paused);
    let bar = progress::bar("the maximum rate is measured", 0);
    let first = system.completed().await?;
    let control = async {
        let mut warm = None;
        loop {
            tokio::time::sleep(COUNT_INTERVAL).await;
            let now = Instant::now();
            let completed = system.completed().await?;
            let waiting = bar.position().saturating_sub(completed - first);
            is_paused.store(waiting >= MAX_WAITING, Ordering::Relaxed);
            if warm.is_none() && now + CALIBRATION >= end + WARM_UP {
                warm = Some((now, completed));
            }
            if let Some((since, before)) = warm
                && now >= end
            {
                let seconds = (now - since).as_secs_f64();
                return anyhow::Ok(crate::load::per_second(completed - before, seconds));
            }
        }
    };
    let (posted, maximum) = tokio::join!(load.post(&bar), control);
    posted?;
    maximum
}

async fn post(
    system: &System,
    options: &SustainedOptions,
    rate: f64,
) -> anyhow::Result<(Posted, Vec<Minute>)> {
    let time = MINUTE * options.minutes.get();
    let mut load = Load::new(
        system.addresses(),
        options.system.clients,
        "sustained",
        Until::Time(Instant::now() + time),
    );
    load.rate = Some(rate);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the length of a progress bar"
    )]
    let bar = progress::bar("constant rate", (rate * time.as_secs_f64()) as u64);
    let observe = observe(system, options);
    let snapshot = snapshot::hold(system, options.held_snapshot, 2 * MINUTE);
    let (posted, minutes, held) = tokio::join!(load.post(&bar), observe, snapshot);
    held?;
    Ok((posted?, minutes?))
}

/// Looks at the system at the end of each minute.
async fn observe(system: &System, options: &SustainedOptions) -> anyhow::Result<Vec<Minute>> {
    let mut database: PgConnection = connect(&system.cluster)?;
    let start = Instant::now();
    let mut since = epoch(&mut database)?;
    let mut minutes = Vec::new();
    for number in 1..=options.minutes.get() {
        tokio::time::sleep_until((start + MINUTE * number).into()).await;
        let now = epoch(&mut database)?;
        minutes.push(minute::read(system, &mut database, since, now).await?);
        since = now;
    }
    Ok(minutes)
}
