//! The subscription to a queue: begun when the worker asks for messages, ended when the worker has stopped asking.
//!
//! The broker pushes messages ahead, as many as the worker has free slots. A worker that does not ask for them (it is
//! paused, or waits for its database) must not keep them. STOMP can only return them together with all others of the
//! subscription, by ending it. The messages of running jobs are then delivered again too, and whoever receives them sees
//! that the jobs are claimed.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use stomp_client::{Command, CommandError, Frame, Incoming};
use tokio::sync::{Mutex as AsyncMutex, RwLock};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::link::{Link, Session, explain};
use crate::error::QueueError;
use crate::subscription::{BatchOutcome, Receipt};

/// How long a message may wait for the worker to ask for it. A worker with a free slot asks at once.
const PATIENCE: Duration = Duration::from_secs(1);

/// The subscription to a queue.
#[derive(Debug)]
pub(super) struct Intake {
    link: Link,
    destination: String,
    slots: usize,
    /// Locked while the worker waits for messages.
    incoming: AsyncMutex<Option<Incoming>>,
    /// Locked for reading while messages are settled, so that the subscription does not end at the same time.
    current: RwLock<Option<Current>>,
    /// Since when a message has been waiting for the worker, as far as is known.
    waiting_since: Mutex<Option<Instant>>,
}

#[derive(Debug)]
struct Current {
    session: Arc<Session>,
    id: String,
}

impl Current {
    /// Returns the beginning of the receipts of this subscription's messages.
    fn prefix(&self) -> String {
        format!("{}:{}:", self.session.number, self.id)
    }
}

/// A message, and what identifies it.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) receipt: Receipt,
    pub(super) frame: Frame,
}

impl Intake {
    pub(super) fn new(link: Link, destination: String, slots: usize) -> Self {
        Self {
            link,
            destination,
            slots: slots.max(1),
            incoming: AsyncMutex::default(),
            current: RwLock::default(),
            waiting_since: Mutex::default(),
        }
    }

    pub(super) fn link(&self) -> &Link {
        &self.link
    }

    /// Waits up to `wait` for messages, and returns at most `max`.
    pub(super) async fn take(
        &self,
        max: usize,
        wait: Duration,
        stop: &CancellationToken,
    ) -> Result<Vec<Message>, QueueError> {
        let mut incoming = self.incoming.lock().await;
        let taken = self.take_from(&mut incoming, max, wait, stop).await;
        *self.waiting_since() = None;
        taken
    }

    async fn take_from(
        &self,
        incoming: &mut Option<Incoming>,
        max: usize,
        wait: Duration,
        stop: &CancellationToken,
    ) -> Result<Vec<Message>, QueueError> {
        // What a connection that has ended has brought belongs to the broker again.
        if let Some(reason) = self.end().await {
            self.forget(incoming).await;
            return Err(QueueError::Unavailable(reason));
        }
        let messages = if let Some(messages) = incoming {
            messages
        } else {
            let session = tokio::select! {
                session = self.link.session() => session?,
                () = stop.cancelled() => return Ok(Vec::new()),
            };
            incoming.insert(self.subscribe(session).await?)
        };
        let mut frames = arrived(messages, max);
        if frames.is_empty() {
            tokio::select! {
                frame = messages.next() => {
                    let Some(frame) = frame else {
                        let reason = self.end().await;
                        self.forget(incoming).await;
                        return Err(QueueError::Unavailable(reason.unwrap_or_default()));
                    };
                    frames.push(frame);
                }
                () = sleep(wait) => {}
                () = stop.cancelled() => {}
            }
            frames.extend(arrived(messages, max.saturating_sub(frames.len())));
        }
        Ok(self.with_receipts(frames).await)
    }

    /// Settles messages with this command, `ACK` or `NACK`.
    pub(super) async fn settle(&self, command: Command, receipts: &[Receipt]) -> Vec<BatchOutcome> {
        let mut outcomes = vec![BatchOutcome::Lost; receipts.len()];
        let current = self.current.read().await;
        let Some(current) = current.as_ref() else {
            return outcomes;
        };
        let prefix = current.prefix();
        let (mut commands, mut answered) = (Vec::new(), Vec::new());
        for (receipt, outcome) in receipts.iter().zip(&mut outcomes) {
            if let Some(id) = receipt.as_str().strip_prefix(&prefix) {
                commands.push(Frame::new(command).with("id", id));
                answered.push(outcome);
            }
        }
        match current.session.connection.send_all(commands).await {
            Ok(()) => {}
            // The broker has carried out all before the last, which it does not know.
            Err(CommandError::Refused(_)) => {
                answered.pop();
            }
            // Whether it has carried them out is unknown. If not, it delivers them again.
            Err(CommandError::Ended(_)) => answered.clear(),
        }
        for outcome in answered {
            *outcome = BatchOutcome::Done;
        }
        outcomes
    }

    /// Ends the subscription if the worker has stopped asking for messages and there is one. Has to be called several
    /// times in [`PATIENCE`].
    pub(super) async fn end_if_abandoned(&self) {
        let Ok(mut incoming) = self.incoming.try_lock() else {
            // The worker is asking.
            return;
        };
        let has_message = incoming
            .as_ref()
            .is_some_and(|messages| !messages.is_empty());
        if !self.is_overdue(has_message) {
            return;
        }
        let ended = self.current.write().await.take();
        *incoming = None;
        if let Some(Current { session, id }) = ended
            && let Err(error) = session.connection.unsubscribe(&id).await
        {
            // The connection has ended, and the subscription with it.
            log::debug!(error:%; "could not end a subscription");
        }
    }

    /// Returns whether a message has been waiting for too long.
    fn is_overdue(&self, has_message: bool) -> bool {
        let mut since = self.waiting_since();
        if !has_message {
            *since = None;
            return false;
        }
        since.get_or_insert_with(Instant::now).elapsed() >= PATIENCE
    }

    fn waiting_since(&self) -> MutexGuard<'_, Option<Instant>> {
        self.waiting_since
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns why the connection of the subscription has ended.
    async fn end(&self) -> Option<String> {
        let current = self.current.read().await;
        let reason = current.as_ref()?.session.connection.end()?;
        Some(format!("the connection to ActiveMQ has ended: {reason}"))
    }

    async fn forget(&self, incoming: &mut Option<Incoming>) {
        *self.current.write().await = None;
        *incoming = None;
    }

    async fn subscribe(&self, session: Arc<Session>) -> Result<Incoming, QueueError> {
        let incoming = session
            .connection
            .subscribe(&self.destination, self.slots)
            .await
            .map_err(|error| explain(&error))?;
        *self.current.write().await = Some(Current {
            session,
            id: incoming.id().to_owned(),
        });
        Ok(incoming)
    }

    async fn with_receipts(&self, frames: Vec<Frame>) -> Vec<Message> {
        let current = self.current.read().await;
        let Some(current) = current.as_ref() else {
            return Vec::new();
        };
        let prefix = current.prefix();
        let with_receipt = |frame: Frame| Message {
            receipt: Receipt::new(format!(
                "{prefix}{}",
                frame.header("ack").unwrap_or_default()
            )),
            frame,
        };
        frames.into_iter().map(with_receipt).collect()
    }
}

/// Returns the messages that are there already, at most `max`.
fn arrived(messages: &mut Incoming, max: usize) -> Vec<Frame> {
    std::iter::from_fn(|| messages.try_next())
        .take(max)
        .collect()
}
