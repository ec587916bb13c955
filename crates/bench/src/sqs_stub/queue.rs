//! One queue of the stub.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::pin::pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

/// How long a FIFO queue remembers a deduplication id.
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/using-messagededuplicationid-property.html>
const DEDUPLICATION: Duration = Duration::from_mins(5);

/// A queue.
#[derive(Debug)]
pub(super) struct Queue {
    is_fifo: bool,
    messages: Mutex<Messages>,
    sent: Notify,
}

/// A message that was delivered.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Delivered {
    pub(super) id: u64,
    pub(super) receipt: String,
    pub(super) body: String,
    pub(super) group: Option<String>,
    pub(super) receives: u32,
}

#[derive(Debug, Default)]
struct Messages {
    sent: u64,
    /// Visible messages, oldest first.
    visible: BTreeMap<u64, Message>,
    /// Hidden messages, by the time when they become visible again.
    hidden: BTreeMap<(Instant, u64), Message>,
    /// For each hidden message, that time.
    until: HashMap<u64, Instant>,
    /// The groups of a FIFO queue that have a hidden message. Their other messages have to wait.
    busy_groups: HashSet<String>,
    recent: HashMap<String, u64>,
    forget: VecDeque<(Instant, String)>,
}

#[derive(Debug)]
struct Message {
    body: String,
    group: Option<String>,
    receives: u32,
}

impl Queue {
    pub(super) fn new(is_fifo: bool) -> Self {
        Self {
            is_fifo,
            messages: Mutex::default(),
            sent: Notify::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Messages> {
        self.messages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns how many messages are visible and how many are hidden.
    pub(super) fn depth(&self, now: Instant) -> (usize, usize) {
        let mut messages = self.lock();
        messages.show_due(now);
        (messages.visible.len(), messages.hidden.len())
    }

    /// Returns the id of the new message, or of the message that was sent with the same deduplication id.
    pub(super) fn send(
        &self,
        body: &str,
        group: Option<&str>,
        deduplication_id: Option<&str>,
        now: Instant,
    ) -> u64 {
        let mut messages = self.lock();
        messages.sent += 1;
        let id = messages.sent;
        if let Some(key) = deduplication_id.filter(|_| self.is_fifo) {
            messages.forget_old(now);
            if let Some(earlier) = messages.recent.get(key) {
                return *earlier;
            }
            messages.recent.insert(key.to_owned(), id);
            messages
                .forget
                .push_back((now + DEDUPLICATION, key.to_owned()));
        }
        let message = Message {
            body: body.to_owned(),
            group: group.map(str::to_owned),
            receives: 0,
        };
        messages.visible.insert(id, message);
        id
    }

    /// Makes the calls that wait for messages look again.
    pub(super) fn wake_receivers(&self) {
        self.sent.notify_waiters();
    }

    /// Returns at most `max` messages and hides them. Waits until `deadline` while there are none.
    pub(super) async fn receive(
        &self,
        max: usize,
        visibility: Duration,
        deadline: Instant,
    ) -> Vec<Delivered> {
        loop {
            let mut sent = pin!(self.sent.notified());
            // A message that is sent from here on ends the wait below.
            sent.as_mut().enable();
            let now = Instant::now();
            let (delivered, next) = {
                let mut messages = self.lock();
                let delivered = messages.deliver(max, self.is_fifo, now, now + visibility);
                (delivered, messages.hidden.keys().next().map(|(at, _)| *at))
            };
            if !delivered.is_empty() || now >= deadline {
                return delivered;
            }
            let until = next.map_or(deadline, |next| next.min(deadline));
            tokio::select! {
                () = sent => {}
                () = tokio::time::sleep_until(until.into()) => {}
            }
        }
    }

    /// Returns false if the receipt is not one of this queue. To delete a message again is no error.
    pub(super) fn delete(&self, receipt: &str) -> bool {
        let Some((id, receives)) = parse(receipt) else {
            return false;
        };
        let mut messages = self.lock();
        if let Some(key) = messages.hidden_key(id, receives) {
            messages.unhide(key);
        } else if messages
            .visible
            .get(&id)
            .is_some_and(|message| message.receives == receives)
        {
            messages.visible.remove(&id);
        }
        drop(messages);
        if self.is_fifo {
            self.wake_receivers();
        }
        true
    }

    /// Hides a message for another duration from now. Returns false if the receipt is no longer valid.
    pub(super) fn hide(&self, receipt: &str, visibility: Duration, now: Instant) -> bool {
        let mut messages = self.lock();
        messages.show_due(now);
        let key = parse(receipt).and_then(|(id, receives)| messages.hidden_key(id, receives));
        let Some(key) = key else { return false };
        if let Some(message) = messages.unhide(key) {
            messages.hide(key.1, message, now + visibility, self.is_fifo);
        }
        drop(messages);
        self.wake_receivers();
        true
    }
}

impl Messages {
    fn deliver(
        &mut self,
        max: usize,
        is_fifo: bool,
        now: Instant,
        until: Instant,
    ) -> Vec<Delivered> {
        self.show_due(now);
        let mut delivered = Vec::new();
        let mut skip_to = 0;
        while delivered.len() < max {
            let next = self.visible.range(skip_to..).find(|(_, message)| {
                let group = message.group.as_ref().filter(|_| is_fifo);
                group.is_none_or(|group| !self.busy_groups.contains(group))
            });
            let Some(id) = next.map(|(id, _)| *id) else {
                break;
            };
            skip_to = id + 1;
            let Some(mut message) = self.visible.remove(&id) else {
                break;
            };
            message.receives += 1;
            delivered.push(Delivered {
                id,
                receipt: format!("{id}-{}", message.receives),
                body: message.body.clone(),
                group: message.group.clone(),
                receives: message.receives,
            });
            self.hide(id, message, until, is_fifo);
        }
        delivered
    }

    fn hide(&mut self, id: u64, message: Message, until: Instant, is_fifo: bool) {
        if let Some(group) = message.group.as_ref().filter(|_| is_fifo) {
            self.busy_groups.insert(group.clone());
        }
        self.until.insert(id, until);
        self.hidden.insert((until, id), message);
    }

    fn unhide(&mut self, key: (Instant, u64)) -> Option<Message> {
        self.until.remove(&key.1);
        let message = self.hidden.remove(&key)?;
        if let Some(group) = &message.group {
            self.busy_groups.remove(group);
        }
        Some(message)
    }

    fn hidden_key(&self, id: u64, receives: u32) -> Option<(Instant, u64)> {
        let key = (*self.until.get(&id)?, id);
        let message = self.hidden.get(&key)?;
        (message.receives == receives).then_some(key)
    }

    fn show_due(&mut self, now: Instant) {
        while let Some(key) = self
            .hidden
            .keys()
            .next()
            .copied()
            .filter(|(at, _)| *at <= now)
        {
            if let Some(message) = self.unhide(key) {
                self.visible.insert(key.1, message);
            }
        }
    }

    fn forget_old(&mut self, now: Instant) {
        while self.forget.front().is_some_and(|(at, _)| *at <= now) {
            if let Some((_, key)) = self.forget.pop_front() {
                self.recent.remove(&key);
            }
        }
    }
}

/// Returns a message's id and the number of its receive.
fn parse(receipt: &str) -> Option<(u64, u32)> {
    let (id, receives) = receipt.split_once('-')?;
    Some((id.parse().ok()?, receives.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const VISIBILITY: Duration = Duration::from_secs(30);

    fn deliver(queue: &Queue, now: Instant) -> Vec<Delivered> {
        queue
            .lock()
            .deliver(10, queue.is_fifo, now, now + VISIBILITY)
    }

    #[test]
    fn a_delivered_message_stays_hidden_until_its_visibility_ends() {
        let (queue, now) = (Queue::new(false), Instant::now());
        queue.send("body", None, None, now);
        assert_eq!(deliver(&queue, now).len(), 1);
        assert_eq!(deliver(&queue, now).len(), 0);
        let again = deliver(&queue, now + VISIBILITY);
        assert_eq!(again[0].receives, 2);
        assert!(
            !queue.hide("1-1", VISIBILITY, now + VISIBILITY),
            "an old receipt"
        );
        assert!(queue.hide("1-2", Duration::ZERO, now + VISIBILITY));
        assert_eq!(deliver(&queue, now + VISIBILITY)[0].receives, 3);
    }

    #[test]
    fn a_deleted_message_is_not_delivered_again() {
        let (queue, now) = (Queue::new(false), Instant::now());
        queue.send("body", None, None, now);
        let receipt = &deliver(&queue, now)[0].receipt;
        assert!(queue.delete(receipt));
        assert!(queue.delete(receipt), "twice");
        assert_eq!(queue.depth(now + VISIBILITY), (0, 0));
    }

    #[test]
    fn a_group_of_a_fifo_queue_has_one_message_in_flight() {
        let (queue, now) = (Queue::new(true), Instant::now());
        for (body, group) in [("first", "a"), ("second", "a"), ("other", "b")] {
            queue.send(body, Some(group), Some(body), now);
        }
        let delivered = deliver(&queue, now);
        let bodies: Vec<_> = delivered
            .iter()
            .map(|message| message.body.as_str())
            .collect();
        assert_eq!(bodies, ["first", "other"]);
        queue.delete(&delivered[0].receipt);
        assert_eq!(deliver(&queue, now)[0].body, "second");
    }

    #[test]
    fn a_fifo_queue_accepts_a_deduplication_id_once_in_five_minutes() {
        let (queue, now) = (Queue::new(true), Instant::now());
        let first = queue.send("body", Some("a"), Some("key"), now);
        assert_eq!(queue.send("body", Some("a"), Some("key"), now), first);
        assert_eq!(queue.depth(now), (1, 0));
        queue.send("body", Some("a"), Some("key"), now + DEDUPLICATION);
        assert_eq!(queue.depth(now), (2, 0));
    }

    #[tokio::test]
    async fn a_message_ends_a_long_poll() {
        let queue = Queue::new(false);
        let deadline = Instant::now() + Duration::from_mins(1);
        let (delivered, ()) = tokio::join!(queue.receive(1, VISIBILITY, deadline), async {
            queue.send("body", None, None, Instant::now());
            queue.wake_receivers();
        });
        assert_eq!(delivered.len(), 1);
    }
}
