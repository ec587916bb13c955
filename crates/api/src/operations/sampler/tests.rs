use std::cell::{Cell, RefCell};

use chrono::DateTime;
use job_queue::QueueDepth;
use serde_json::Value;
use shared_model::event_deliveries::operate::DeliveryCounts;
use shared_model::job_store::outbox::Backlog;
use shared_model::processing::Processing;

use super::super::watchers::Watching;
use super::*;
use crate::store::job_counts::JobCounts;

const SECOND: Duration = Duration::from_secs(1);

/// A service in which jobs arrive. Reading it takes a while, or fails.
#[derive(Debug)]
struct Service {
    begun: Instant,
    jobs: Cell<i64>,
    reading_takes: Cell<Duration>,
    is_available: Cell<bool>,
    read_at: RefCell<Vec<Duration>>,
    counted_at: RefCell<Vec<Duration>>,
}

impl Service {
    fn new() -> Self {
        Self {
            begun: Instant::now(),
            jobs: Cell::new(0),
            reading_takes: Cell::new(Duration::from_millis(2)),
            is_available: Cell::new(true),
            read_at: RefCell::default(),
            counted_at: RefCell::default(),
        }
    }

    /// Runs the sampler while `watching` lasts.
    async fn watched<T>(&self, watching: impl AsyncFnOnce(&Watchers) -> T) -> T {
        let watchers = Watchers::default();
        let sampler = Sampler::new(self, &watchers, "sqs://ical".to_owned());
        tokio::select! {
            () = sampler.run() => unreachable!("it runs forever"),
            result = watching(&watchers) => result,
        }
    }
}

impl Source for Service {
    async fn read(&self) -> Result<Reading, DatabaseError> {
        self.read_at.borrow_mut().push(self.begun.elapsed());
        sleep(self.reading_takes.get()).await;
        if !self.is_available.get() {
            return Err(DatabaseError::Unavailable("too slow".to_owned()));
        }
        Ok(Reading {
            at: DateTime::UNIX_EPOCH + self.begun.elapsed(),
            processing: Processing::default(),
            jobs: JobCounts {
                pending: self.jobs.get(),
                ..JobCounts::default()
            },
            outbox: Backlog {
                jobs: 0,
                oldest_age_seconds: 0.0,
            },
            points: Vec::new(),
            processes: Vec::new(),
            deliveries: DeliveryCounts {
                waiting: 0,
                given_up: 0,
            },
        })
    }

    async fn count_messages(&self) -> Option<Counted> {
        self.counted_at.borrow_mut().push(self.begun.elapsed());
        Some(Ok(QueueDepth {
            visible: 7,
            in_flight: Some(0),
            delayed: 0,
            dead_letters: Err(QueueError::Refused(
                "the credentials do not allow it".into(),
            )),
        }))
    }

    fn is_table(&self) -> bool {
        false
    }
}

/// Returns the snapshots of the next seconds, and when each arrived.
async fn collect(watching: &mut Watching, time: Duration) -> Vec<(Duration, Value)> {
    let begun = Instant::now();
    let mut all = Vec::new();
    let collecting = async {
        loop {
            let json = watching.next().await;
            all.push((begun.elapsed(), serde_json::from_slice(&json).unwrap()));
        }
    };
    let _: Result<(), _> = timeout(time, collecting).await;
    all
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_changes_a_second_cause_at_most_two_snapshots_a_second() {
    let service = Service::new();
    let changing = async {
        loop {
            sleep(Duration::from_millis(1)).await;
            service.jobs.update(|jobs| jobs + 10);
        }
    };
    let watched = service.watched(async |watchers| {
        // somebody else comes and goes all the time
        let others = async {
            loop {
                watchers.watch().next().await;
                sleep(Duration::from_millis(10)).await;
            }
        };
        let mut watching = watchers.watch();
        tokio::select! {
            all = collect(&mut watching, 10 * SECOND) => all,
            () = others => unreachable!("it goes on"),
        }
    });
    let all = tokio::select! {
        all = watched => all,
        () = changing => unreachable!("it goes on"),
    };
    assert!(service.jobs.get() > 90_000, "{}", service.jobs.get());
    assert!(all.len() >= 15, "{}", all.len());
    let times: Vec<Duration> = all.iter().map(|(time, _)| *time).collect();
    // of any three in a row, the third comes a second after the first
    for three in times.windows(3) {
        assert!(three[2] >= three[0] + SECOND, "{times:?}");
    }
    let read_at = service.read_at.borrow();
    assert!(read_at.len() <= 21, "{read_at:?}");
    let newest = all.last().unwrap().1["jobs"]["pending"].as_i64().unwrap();
    assert!(newest > 90_000, "{newest}");
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_is_sent_only_if_something_has_changed() {
    let service = Service::new();
    let all = service.watched(async |watchers| {
        let mut watching = watchers.watch();
        let before = collect(&mut watching, 60 * SECOND).await;
        service.jobs.set(1);
        (before, collect(&mut watching, 60 * SECOND).await)
    });
    let (before, after) = all.await;
    assert_eq!(before.len(), 1, "{before:?}");
    assert_eq!(after.len(), 1, "{after:?}");
    assert_eq!(after[0].1["jobs"]["pending"], 1);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_read_while_nobody_watches_and_nobody_gets_an_old_snapshot() {
    let service = Service::new();
    let seen = service.watched(async |watchers| {
        sleep(60 * SECOND).await;
        assert_eq!(service.read_at.borrow().len(), 0);
        watchers.watch().next().await;
        sleep(60 * SECOND).await;
        assert_eq!(service.read_at.borrow().len(), 1);
        service.jobs.set(1);
        watchers.watch().next().await
    });
    let seen: Value = serde_json::from_slice(&seen.await).unwrap();
    assert_eq!(seen["jobs"]["pending"], 1);
}

#[tokio::test(start_paused = true)]
async fn reading_takes_an_eleventh_of_the_time_and_the_queue_is_asked_every_five_seconds() {
    let service = Service::new();
    service.reading_takes.set(Duration::from_millis(200));
    service
        .watched(async |watchers| collect(&mut watchers.watch(), 22 * SECOND).await)
        .await;
    let read_at = service.read_at.borrow();
    assert!((10..=11).contains(&read_at.len()), "{read_at:?}");
    let counted_at = service.counted_at.borrow();
    for two in counted_at.windows(2) {
        assert!(two[1] >= two[0] + QUEUE_INTERVAL, "{counted_at:?}");
    }
    assert!(counted_at.len() >= 3, "{counted_at:?}");
}

#[tokio::test(start_paused = true)]
async fn all_who_watch_share_the_readings() {
    let service = Service::new();
    service
        .watched(async |watchers| {
            let watching = (0..100).map(|_| async {
                collect(&mut watchers.watch(), 10 * SECOND).await;
            });
            futures_util::future::join_all(watching).await;
        })
        .await;
    assert!(service.read_at.borrow().len() <= 20);
}

#[tokio::test(start_paused = true)]
async fn a_slow_reader_skips_to_the_latest_snapshot() {
    let service = Service::new();
    let watched = service.watched(async |watchers| {
        let mut watching = watchers.watch();
        watching.next().await;
        for jobs in 1..=20 {
            service.jobs.set(jobs);
            sleep(SECOND).await;
        }
        collect(&mut watching, 10 * SECOND).await
    });
    let all = watched.await;
    assert_eq!(all.len(), 1, "{all:?}");
    assert_eq!(all[0].1["jobs"]["pending"], 20);
}

#[tokio::test(start_paused = true)]
async fn a_database_that_fails_or_hangs_is_reported_with_the_last_numbers_until_it_answers() {
    let service = Service::new();
    service.jobs.set(3);
    let watched = service.watched(async |watchers| {
        let mut watching = watchers.watch();
        let mut all = collect(&mut watching, SECOND).await;
        service.is_available.set(false);
        all.extend(collect(&mut watching, 60 * SECOND).await);
        service.is_available.set(true);
        all.extend(collect(&mut watching, 10 * SECOND).await);
        service.reading_takes.set(15 * SECOND);
        all.extend(collect(&mut watching, 10 * SECOND).await);
        service.reading_takes.set(Duration::ZERO);
        all.extend(collect(&mut watching, 20 * SECOND).await);
        all
    });
    let all = watched.await;
    let errors: Vec<bool> = all
        .iter()
        .map(|(_, one)| one["error"].is_string())
        .collect();
    assert_eq!(errors, [false, true, false, true, false], "{all:?}");
    assert!(all.iter().all(|(_, one)| one["jobs"]["pending"] == 3));
    // when the database failed
    let at = all[1].1["at"].as_str().unwrap();
    assert!(at < "1970-01-01T00:00:01.1", "{at}");
}

#[tokio::test(start_paused = true)]
async fn what_the_queue_refuses_is_in_the_snapshot_beside_what_it_allows() {
    let service = Service::new();
    let json = service
        .watched(async |watchers| watchers.watch().next().await)
        .await;
    let snapshot: Value = serde_json::from_slice(&json).unwrap();
    let depth = &snapshot["queue_depth"];
    assert_eq!(depth["visible"], 7);
    assert_eq!(depth["dead_letters"], Value::Null);
    assert_eq!(
        depth["error"],
        "dead letters can't be counted: the credentials do not allow it"
    );
}
