//! What the commands of a connection and the task that reads its answers share.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use super::ANSWER_LIMIT;
use crate::error::CommandError;
use crate::frame::Frame;

type Answer = Result<(), CommandError>;

/// Where the messages of a subscription go.
#[derive(Debug)]
pub(super) enum Sink {
    /// To the subscriber.
    Messages(mpsc::Sender<Frame>),
    /// They are only counted. The channel gets the number when the server says that these are all.
    Counter {
        count: u64,
        done: Option<oneshot::Sender<u64>>,
    },
}

/// What is expected from the server.
#[derive(Debug, Default)]
pub(super) struct Shared {
    next_id: AtomicU64,
    receipts: Mutex<HashMap<String, oneshot::Sender<Answer>>>,
    /// When the server last answered a command.
    answered_at: Mutex<Option<Instant>>,
    subscriptions: Mutex<HashMap<String, Sink>>,
    /// Why the connection has ended.
    end: OnceLock<String>,
    over: CancellationToken,
}

impl Shared {
    pub(super) fn over(&self) -> &CancellationToken {
        &self.over
    }

    pub(super) fn end_reason(&self) -> Option<&str> {
        self.end.get().map(String::as_str)
    }

    /// Returns the error of a command whose connection has ended.
    pub(super) fn ended(&self) -> CommandError {
        let reason = self.end_reason().unwrap_or("it was cut");
        CommandError::Ended(reason.to_owned())
    }

    /// Ends the connection: every waiting command and subscriber learns it. The first reason counts.
    pub(super) fn finish(&self, reason: &str) {
        // An error only says that there is a reason already.
        let _ = self.end.set(reason.to_owned());
        self.over.cancel();
        lock(&self.receipts).clear();
        lock(&self.subscriptions).clear();
    }

    /// Prepares for the receipts of `count` commands.
    pub(super) fn expect_receipts(&self, count: usize) -> Result<Awaited<'_>, CommandError> {
        let mut awaited = Awaited {
            shared: self,
            receivers: Vec::with_capacity(count),
            answers: Vec::with_capacity(count),
        };
        let mut receipts = lock(&self.receipts);
        // Under the lock: what is added after the end would never be removed.
        if self.end.get().is_some() {
            return Err(self.ended());
        }
        for _ in 0..count {
            let id = self.new_id();
            let (sender, receiver) = oneshot::channel();
            receipts.insert(id.clone(), sender);
            awaited.receivers.push((id, receiver));
        }
        drop(receipts);
        Ok(awaited)
    }

    /// Passes on the server's answer to a command. Returns false if nobody has expected it.
    pub(super) fn answer(&self, receipt: &str, answer: Answer) -> bool {
        let Some(sender) = lock(&self.receipts).remove(receipt) else {
            return false;
        };
        *lock(&self.answered_at) = Some(Instant::now());
        // The command may have been abandoned just now.
        let _ = sender.send(answer);
        true
    }

    /// Waits for `future`, for as long as the server answers commands: whichever they are, because it carries them out one
    /// after the other. Returns `None` if it has answered none for [`ANSWER_LIMIT`].
    pub(super) async fn while_answering<T>(&self, future: impl Future<Output = T>) -> Option<T> {
        let mut future = pin!(future);
        let mut deadline = Instant::now() + ANSWER_LIMIT;
        loop {
            if let Ok(output) = timeout_at(deadline, &mut future).await {
                return Some(output);
            }
            let answered_at = *lock(&self.answered_at);
            deadline = answered_at
                .map(|at| at + ANSWER_LIMIT)
                .filter(|at| *at > deadline)?;
        }
    }

    /// Adds a subscription and returns its id, which no other subscription of this connection has had.
    pub(super) fn add_subscription(&self, sink: Sink) -> Result<String, CommandError> {
        let mut subscriptions = lock(&self.subscriptions);
        if self.end.get().is_some() {
            return Err(self.ended());
        }
        let id = self.new_id();
        subscriptions.insert(id.clone(), sink);
        Ok(id)
    }

    pub(super) fn remove_subscription(&self, id: &str) {
        lock(&self.subscriptions).remove(id);
    }

    /// Passes on a message. One of a subscription that has ended is dropped: the server has it again. Returns false if
    /// the server has sent many more than it was asked for.
    pub(super) fn deliver(&self, message: Frame) -> bool {
        let mut subscriptions = lock(&self.subscriptions);
        let id = message.header("subscription").unwrap_or_default();
        match subscriptions.get_mut(id) {
            None => true,
            Some(Sink::Messages(sender)) => {
                let sent = sender.try_send(message);
                !matches!(sent, Err(mpsc::error::TrySendError::Full(_)))
            }
            Some(Sink::Counter { count, done }) => {
                if message.header("browser") == Some("end") {
                    // The count may have been abandoned.
                    let _ = done.take().map(|done| done.send(*count));
                } else {
                    *count = count.saturating_add(1);
                }
                true
            }
        }
    }

    #[cfg(test)]
    pub(super) fn expects_nothing(&self) -> bool {
        lock(&self.receipts).is_empty() && lock(&self.subscriptions).is_empty()
    }

    fn new_id(&self) -> String {
        self.next_id.fetch_add(1, Ordering::Relaxed).to_string()
    }
}

/// The receipts that commands wait for. Dropping it forgets them.
#[derive(Debug)]
pub(super) struct Awaited<'a> {
    shared: &'a Shared,
    receivers: Vec<(String, oneshot::Receiver<Answer>)>,
    /// Those of the first commands.
    answers: Vec<Answer>,
}

impl Awaited<'_> {
    pub(super) fn ids(&self) -> impl Iterator<Item = String> + use<> {
        let ids: Vec<String> = self.receivers.iter().map(|(id, _)| id.clone()).collect();
        ids.into_iter()
    }

    /// Waits for all of them. If this is abandoned, what has arrived is kept.
    pub(super) async fn wait(&mut self) {
        while let Some((_, receiver)) = self.receivers.get_mut(self.answers.len()) {
            let answer = receiver.await;
            self.answers
                .push(answer.unwrap_or_else(|_ended| Err(self.shared.ended())));
        }
    }

    /// Waits for all of them, and returns them. After the end of the connection, it does not wait: those that had not
    /// arrived are errors.
    pub(super) async fn into_answers(mut self) -> Vec<Answer> {
        self.wait().await;
        std::mem::take(&mut self.answers)
    }
}

impl Drop for Awaited<'_> {
    fn drop(&mut self) {
        let mut receipts = lock(&self.shared.receipts);
        for (id, _) in &self.receivers {
            receipts.remove(id);
        }
    }
}

/// No code panics while it holds one of these locks.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
