//! A consumer in this process.

use std::sync::Arc;
use std::time::Duration;

use job_queue::postgres::PostgresSubscription;
use job_queue::{Subscription, SubscriptionOptions};
use shared_model::shutdown::Shutdown;
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;
use worker::consumer::{Consumer, ConsumerOptions, Ended, STOP_GRACE};
use worker::handler::{Handler, HandlerOptions};
use worker::health::Health;
use worker::pause::Pause;
use worker::render::{self, Render};

use super::{CLAIM, Database};

pub(crate) const VISIBILITY: Duration = CLAIM.lease;

/// What differs between the consumers of the tests.
#[derive(Clone, Copy)]
pub(crate) struct Setup {
    pub(crate) concurrency: usize,
    pub(crate) render_delay: Duration,
    pub(crate) drain_timeout: Duration,
    pub(crate) render: Render,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            concurrency: 2,
            render_delay: Duration::ZERO,
            drain_timeout: Duration::from_secs(20),
            render: render::render,
        }
    }
}

/// A consumer that runs. It is aborted when dropped.
pub(crate) struct Running {
    pub(crate) shutdown: Shutdown,
    consumer: AbortOnDropHandle<Ended>,
}

impl Running {
    pub(crate) fn start(
        database: &Database,
        subscription: Arc<dyn Subscription>,
        setup: Setup,
    ) -> Self {
        Self::start_with(database, subscription, setup, Shutdown::default())
    }

    pub(crate) fn start_with(
        database: &Database,
        subscription: Arc<dyn Subscription>,
        setup: Setup,
        shutdown: Shutdown,
    ) -> Self {
        let handler = HandlerOptions {
            calendar_host: "taskoverflow".into(),
            claim: CLAIM,
            job_timeout: Duration::from_mins(10),
            render_delay: setup.render_delay,
            render: setup.render,
        };
        let options = ConsumerOptions {
            concurrency: setup.concurrency,
            visibility: VISIBILITY,
            drain_timeout: setup.drain_timeout,
            stop_grace: STOP_GRACE,
            max_abandoned: 1,
        };
        let consumer = Consumer::new(
            subscription,
            Handler::new(database.of_worker(), handler),
            options,
            shutdown.clone(),
            Pause::never(),
            Health::new(VISIBILITY),
        );
        Self {
            shutdown,
            consumer: AbortOnDropHandle::new(tokio::spawn(consumer.run())),
        }
    }

    /// Waits until the consumer has ended, and returns how long that took.
    pub(crate) async fn stopped(&mut self) -> Duration {
        let began = Instant::now();
        assert_eq!((&mut self.consumer).await.unwrap(), Ended::Drained);
        began.elapsed()
    }
}

impl Database {
    /// Returns a subscription to the table of jobs.
    pub(crate) fn subscription(&self) -> PostgresSubscription {
        let options = SubscriptionOptions {
            visibility: VISIBILITY,
            wait: Duration::from_secs(1),
            max_attempts: CLAIM.max_attempts,
            slots: 100,
        };
        let worker = self.of_worker();
        PostgresSubscription::new(self.pool.clone(), worker.notifier, worker.process, options)
    }
}
