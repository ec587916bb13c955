//! Hands the latest snapshot to everybody who watches.

use std::time::Duration;

use actix_web::web::Bytes;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep_until};

/// The time between two snapshots, at least.
pub const INTERVAL: Duration = Duration::from_millis(500);

/// The latest snapshot as JSON, and those who wait for the next one.
#[derive(Debug, Default)]
pub struct Watchers {
    latest: watch::Sender<Option<Bytes>>,
    arrived: Notify,
}

/// One who watches. Dropping this ends the watch.
#[derive(Debug)]
pub struct Watching {
    latest: watch::Receiver<Option<Bytes>>,
    not_before: Option<Instant>,
}

impl Watchers {
    /// Watches, from the latest snapshot on.
    pub fn watch(&self) -> Watching {
        let mut latest = self.latest.subscribe();
        latest.mark_changed();
        self.arrived.notify_one();
        Watching {
            latest,
            not_before: None,
        }
    }

    /// Waits until somebody watches. Only one task may call this.
    pub(super) async fn arrive(&self) {
        while !self.are_there() {
            self.arrived.notified().await;
        }
    }

    pub(super) fn are_there(&self) -> bool {
        self.latest.receiver_count() > 0
    }

    /// Shows a snapshot to everybody, or forgets the latest.
    pub(super) fn show(&self, snapshot: Option<Bytes>) {
        self.latest.send_replace(snapshot);
    }
}

impl Watching {
    /// Waits for the next snapshot and returns it: the latest at first, and later those that differ, two a second at most.
    /// If there were several meanwhile, this skips to the latest.
    pub async fn next(&mut self) -> Bytes {
        if let Some(time) = self.not_before {
            sleep_until(time).await;
        }
        loop {
            if self.latest.changed().await.is_err() {
                // the process ends, and this wait with it
                std::future::pending::<()>().await;
            }
            if let Some(snapshot) = self.latest.borrow_and_update().clone() {
                self.not_before = Some(Instant::now() + INTERVAL);
                return snapshot;
            }
        }
    }
}
