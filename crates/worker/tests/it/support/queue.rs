//! A queue in memory, which answers when the test lets it.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use job_queue::{
    BatchOutcome, Deletion, Delivery, Findings, QueueError, Receipt, Received, Rejection, Release,
    Subscription, WorkerNeeds,
};
use shared_model::job::Job;
use shared_model::message::{JobMessage, MESSAGE_VERSION};
use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::CancellationToken;

/// A queue whose deletes and releases wait until [`StubQueue::answer`] is called.
#[derive(Debug)]
pub(crate) struct StubQueue {
    messages: Mutex<VecDeque<Delivery>>,
    arrived: Notify,
    answers: Semaphore,
    deletes: AtomicUsize,
    releases: AtomicUsize,
    rejects: AtomicUsize,
    closes: AtomicUsize,
    /// How long a look takes, and what it finds.
    look: Mutex<(Duration, Findings)>,
    /// How many workers the last look was for.
    workers: AtomicU32,
}

impl StubQueue {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            messages: Mutex::default(),
            arrived: Notify::new(),
            answers: Semaphore::new(0),
            deletes: AtomicUsize::new(0),
            releases: AtomicUsize::new(0),
            rejects: AtomicUsize::new(0),
            closes: AtomicUsize::new(0),
            look: Mutex::default(),
            workers: AtomicU32::new(0),
        })
    }

    /// Delivers a job's message next.
    pub(crate) fn deliver(&self, job: &Job) {
        let message = JobMessage {
            v: MESSAGE_VERSION,
            job_id: job.id,
            generation: 1,
            enqueued_at: job.created_at,
            traceparent: None,
        };
        self.deliver_body(&message.encode().unwrap());
    }

    /// Delivers a message with this body next.
    pub(crate) fn deliver_body(&self, body: &str) {
        let delivery = Delivery {
            message: JobMessage::decode(body),
            message_id: body.to_owned(),
            receive_count: 1,
            group: None,
            receipt: Receipt::new(body),
        };
        self.messages.lock().unwrap().push_back(delivery);
        self.arrived.notify_one();
    }

    /// Sets how long a look takes, and what it finds.
    pub(crate) fn set_look(&self, takes: Duration, findings: Findings) {
        *self.look.lock().unwrap() = (takes, findings);
    }

    /// Returns how many workers the last look was for.
    pub(crate) fn workers(&self) -> u32 {
        self.workers.load(Ordering::SeqCst)
    }

    /// Returns how many messages were rejected.
    pub(crate) fn rejected(&self) -> usize {
        self.rejects.load(Ordering::SeqCst)
    }

    /// Returns how often the queue was closed.
    pub(crate) fn closed(&self) -> usize {
        self.closes.load(Ordering::SeqCst)
    }

    /// Answers the calls that wait, and all later ones.
    pub(crate) fn answer(&self) {
        self.answers.add_permits(1000);
    }

    /// Returns how many deletes and how many releases wait for an answer.
    pub(crate) fn waiting(&self) -> (usize, usize) {
        (
            self.deletes.load(Ordering::SeqCst),
            self.releases.load(Ordering::SeqCst),
        )
    }

    async fn answered(&self, waiting: &AtomicUsize, count: usize) -> Vec<BatchOutcome> {
        waiting.fetch_add(1, Ordering::SeqCst);
        drop(self.answers.acquire().await.unwrap());
        waiting.fetch_sub(1, Ordering::SeqCst);
        vec![BatchOutcome::Done; count]
    }
}

#[async_trait]
impl Subscription for StubQueue {
    async fn receive(
        &self,
        max: usize,
        stop: &CancellationToken,
    ) -> Result<Vec<Received>, QueueError> {
        for _ in 0..2 {
            let mut messages = std::mem::take(&mut *self.messages.lock().unwrap());
            let later = messages.split_off(max.min(messages.len()));
            self.messages.lock().unwrap().extend(later);
            if !messages.is_empty() {
                return Ok(messages.into_iter().map(Received::Message).collect());
            }
            tokio::select! {
                () = self.arrived.notified() => {}
                () = stop.cancelled() => return Ok(Vec::new()),
                () = tokio::time::sleep(Duration::from_secs(1)) => {}
            }
        }
        Ok(Vec::new())
    }

    async fn extend(&self, receipts: &[Receipt]) -> Vec<BatchOutcome> {
        vec![BatchOutcome::Done; receipts.len()]
    }

    async fn delete(&self, deletions: &[Deletion]) -> Vec<BatchOutcome> {
        self.answered(&self.deletes, deletions.len()).await
    }

    async fn release(&self, releases: &[Release]) -> Vec<BatchOutcome> {
        self.answered(&self.releases, releases.len()).await
    }

    async fn reject(&self, rejections: &[Rejection]) -> Vec<BatchOutcome> {
        self.rejects.fetch_add(rejections.len(), Ordering::SeqCst);
        vec![BatchOutcome::Done; rejections.len()]
    }

    async fn dead_letters(&self) -> Result<Option<Arc<dyn Subscription>>, QueueError> {
        Ok(None)
    }

    async fn inspect(&self, worker: WorkerNeeds) -> Result<Findings, QueueError> {
        let (takes, findings) = self.look.lock().unwrap().clone();
        tokio::time::sleep(takes).await;
        self.workers.store(worker.workers, Ordering::SeqCst);
        Ok(findings)
    }

    async fn close(&self) {
        assert_eq!(
            self.waiting(),
            (0, 0),
            "nothing is being settled when the queue is closed"
        );
        self.closes.fetch_add(1, Ordering::SeqCst);
    }
}
