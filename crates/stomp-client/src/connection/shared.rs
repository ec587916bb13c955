//! What the commands of a connection and the task that reads its answers share.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

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
            awaited.answers.push((id, receiver));
        }
        drop(receipts);
        Ok(awaited)
    }

    /// Passes on the server's answer to a command. Returns false if nobody has expected it.
    pub(super) fn answer(&self, receipt: &str, answer: Answer) -> bool {
        let expected = lock(&self.receipts).remove(receipt);
        // The command may have been abandoned.
        expected.map(|sender| sender.send(answer)).is_some()
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
    answers: Vec<(String, oneshot::Receiver<Answer>)>,
}

impl Awaited<'_> {
    pub(super) fn count(&self) -> usize {
        self.answers.len()
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = String> + use<> {
        let ids: Vec<String> = self.answers.iter().map(|(id, _)| id.clone()).collect();
        ids.into_iter()
    }

    /// Waits for all of them.
    pub(super) async fn answers(&mut self) -> Vec<Answer> {
        let mut answers = Vec::with_capacity(self.answers.len());
        for (_, receiver) in &mut self.answers {
            let answer = receiver.await;
            answers.push(answer.unwrap_or_else(|_ended| Err(self.shared.ended())));
        }
        answers
    }
}

impl Drop for Awaited<'_> {
    fn drop(&mut self) {
        let mut receipts = lock(&self.shared.receipts);
        for (id, _) in &self.answers {
            receipts.remove(id);
        }
    }
}

/// No code panics while it holds one of these locks.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
