//! Redis: a stream with a consumer group, as a queue.
//!
//! An entry that was delivered and not acknowledged stays in the group's pending list with the time since its delivery.
//! A subscriber claims entries that have been there for longer than the visibility timeout.

mod connection;
mod operate;
mod pubsub;

use std::collections::HashMap;
use std::fmt;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use redis::aio::MultiplexedConnection;
use redis::streams::{StreamAutoClaimReply, StreamId, StreamPendingCountReply, StreamReadReply};
use redis::{FromRedisValue, Pipeline, cmd, from_redis_value_ref, pipe};
use sqs_client::EntryError;
use sqs_client::batch::Outcomes;

use super::BrokerUrl;
use crate::error::Error;
use crate::message::{CLIENT_ATTRIBUTE, NO_CLIENT, Outgoing, Received};
use crate::transport::{Calls, ReceiveRequest, Sent, Transport};

use connection::{connect, explain};

pub(super) use operate::{create, delete, depth, purge};
pub(super) use pubsub::PubSub;

/// The consumer group of this program. Other groups of the stream keep their own position.
const GROUP: &str = "queue";
/// The field of an entry that contains the body.
const BODY: &str = "body";
/// The default of SQS.
const VISIBILITY: Duration = Duration::from_secs(30);
/// How long one command waits in Redis, and how often entries of other subscribers are looked for.
const SLICE: Duration = Duration::from_secs(1);
/// The idle time of an entry that was released: longer than any visibility timeout.
const RELEASED: Duration = Duration::from_hours(24);

/// A publisher to a stream, or a subscriber.
pub(super) struct Stream {
    url: BrokerUrl,
    connection: MultiplexedConnection,
    consumer: String,
    calls: Calls,
    /// Where the next search for forgotten entries begins, and when.
    cursor: String,
    next_search: Instant,
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream")
            .field("url", &self.url)
            .field("consumer", &self.consumer)
            .finish_non_exhaustive()
    }
}

impl Stream {
    pub(super) async fn open(url: &BrokerUrl) -> Result<Self, Error> {
        let mut stream = Self {
            connection: connect(url).await?,
            url: url.clone(),
            consumer: format!("{}-{}", std::process::id(), nanoseconds()),
            calls: Calls::default(),
            cursor: "0-0".to_owned(),
            next_search: Instant::now(),
        };
        // so that a stream that does not exist is reported at once
        let mut exists = cmd("EXISTS");
        exists.arg(stream.url.name());
        if stream.run::<u64>("EXISTS", &exists).await? == 0 {
            return Err(connection::missing(&stream.url));
        }
        Ok(stream)
    }

    async fn run<T: FromRedisValue>(
        &mut self,
        action: &'static str,
        command: &redis::Cmd,
    ) -> Result<T, Error> {
        self.calls.count(action, 0);
        let answer = command.query_async(&mut self.connection).await;
        answer.map_err(|error| explain(action, &self.url, &error))
    }

    /// Runs a transaction of `pairs` times these commands.
    async fn run_all<T: FromRedisValue>(
        &mut self,
        actions: &[&'static str],
        times: usize,
        pipeline: &Pipeline,
    ) -> Result<T, Error> {
        for action in actions {
            for _ in 0..times {
                self.calls.count(action, 0);
            }
        }
        let answer = pipeline.query_async(&mut self.connection).await;
        let action = actions.first().copied().unwrap_or_default();
        answer.map_err(|error| explain(action, &self.url, &error))
    }

    /// Claims entries that another subscriber, or this one, has not acknowledged for longer than `visibility`.
    async fn claim(&mut self, max: usize, visibility: Duration) -> Result<Vec<Received>, Error> {
        let mut command = cmd("XAUTOCLAIM");
        command
            .arg(self.url.name())
            .arg(GROUP)
            .arg(&self.consumer)
            .arg(milliseconds(visibility))
            .arg(&self.cursor)
            .arg("COUNT")
            .arg(max);
        let reply: StreamAutoClaimReply = self.run("XAUTOCLAIM", &command).await?;
        self.cursor = reply.next_stream_id;
        let is_done = reply.claimed.is_empty();
        if is_done && self.cursor == "0-0" {
            self.next_search = Instant::now() + SLICE.min(visibility);
        }
        let mut received = Vec::new();
        for entry in reply.claimed {
            let count = self.deliveries(&entry.id).await?;
            received.push(self.received(&entry, count));
        }
        Ok(received)
    }

    /// Returns how many times an entry was delivered.
    async fn deliveries(&mut self, id: &str) -> Result<u32, Error> {
        let mut command = cmd("XPENDING");
        command
            .arg(self.url.name())
            .arg(GROUP)
            .arg(id)
            .arg(id)
            .arg(1);
        let reply: StreamPendingCountReply = self.run("XPENDING", &command).await?;
        let count = reply.ids.first().map_or(1, |entry| entry.times_delivered);
        Ok(u32::try_from(count).unwrap_or(u32::MAX))
    }

    /// Reads new entries. Waits up to `wait`, or not at all if it is zero.
    async fn read(&mut self, max: usize, wait: Duration) -> Result<Vec<Received>, Error> {
        let mut command = cmd("XREADGROUP");
        command
            .arg("GROUP")
            .arg(GROUP)
            .arg(&self.consumer)
            .arg("COUNT")
            .arg(max);
        if milliseconds(wait) > 0 {
            command.arg("BLOCK").arg(milliseconds(wait));
        }
        command.arg("STREAMS").arg(self.url.name()).arg(">");
        let reply: Option<StreamReadReply> = self.run("XREADGROUP", &command).await?;
        let entries = reply.into_iter().flat_map(|reply| reply.keys);
        let entries = entries.flat_map(|stream| stream.ids);
        Ok(entries.map(|entry| self.received(&entry, 1)).collect())
    }

    fn received(&self, entry: &StreamId, receive_count: u32) -> Received {
        let fields: HashMap<&String, String> = entry
            .map
            .iter()
            .filter_map(|(name, value)| Some((name, from_redis_value_ref(value).ok()?)))
            .collect();
        let field = |name: &str| fields.get(&name.to_owned()).cloned();
        let system = [
            ("Consumer", self.consumer.clone()),
            ("DeliveryCount", receive_count.to_string()),
        ];
        Received {
            id: entry.id.clone(),
            receipt_handle: entry.id.clone(),
            body: field(BODY).unwrap_or_default(),
            client: field(CLIENT_ATTRIBUTE).unwrap_or_else(|| NO_CLIENT.to_owned()),
            arrived_at: SystemTime::now(),
            sent_at: sent_at(&entry.id),
            receive_count,
            group: None,
            dedup_id: None,
            sequence_number: None,
            system_attributes: system.map(|(name, value)| (name.to_owned(), value)).into(),
            attributes: fields
                .into_iter()
                .filter(|(name, _)| name.as_str() != BODY)
                .map(|(name, value)| (name.clone(), value))
                .collect(),
        }
    }
}

#[async_trait]
impl Transport for Stream {
    fn name(&self) -> &str {
        self.url.name()
    }

    fn calls(&self) -> &Calls {
        &self.calls
    }

    async fn send(&mut self, message: &Outgoing) -> Result<Sent, Error> {
        let id: Option<String> = self.run("XADD", &add(self.url.name(), message)).await?;
        match id {
            Some(id) => Ok(sent(id)),
            None => Err(connection::missing(&self.url)),
        }
    }

    async fn send_batch(&mut self, messages: &[Outgoing]) -> Result<Outcomes<Sent>, Error> {
        let mut pipeline = pipe();
        for message in messages {
            pipeline.add_command(add(self.url.name(), message));
        }
        let ids: Vec<Option<String>> = self.run_all(&["XADD"], messages.len(), &pipeline).await?;
        ids.into_iter()
            .map(|id| match id {
                Some(id) => Ok(Ok(sent(id))),
                None => Err(connection::missing(&self.url)),
            })
            .collect()
    }

    async fn receive(&mut self, request: ReceiveRequest) -> Result<Vec<Received>, Error> {
        let deadline = Instant::now() + request.wait;
        let visibility = request.visibility.unwrap_or(VISIBILITY);
        loop {
            if Instant::now() >= self.next_search {
                let claimed = self.claim(request.max, visibility).await?;
                if !claimed.is_empty() {
                    return Ok(claimed);
                }
            }
            let left = deadline.saturating_duration_since(Instant::now());
            let read = self.read(request.max, left.min(SLICE)).await?;
            if !read.is_empty() {
                return Ok(read);
            }
            if Instant::now() >= deadline {
                self.calls.empty_receives += 1;
                return Ok(read);
            }
        }
    }

    /// Acknowledges the entries and deletes them from the stream.
    async fn delete(&mut self, handles: &[&str]) -> Result<Outcomes<()>, Error> {
        let mut pipeline = pipe();
        pipeline.atomic();
        for id in handles {
            pipeline.cmd("XACK").arg(self.url.name()).arg(GROUP).arg(id);
            pipeline.cmd("XDEL").arg(self.url.name()).arg(id).ignore();
        }
        let acknowledged: Vec<u64> = self
            .run_all(&["XACK", "XDEL"], handles.len(), &pipeline)
            .await?;
        Ok(acknowledged.into_iter().map(outcome).collect())
    }

    /// Sets the idle time of the entries so high that any subscriber claims them.
    async fn release(&mut self, handles: &[&str]) -> Result<Outcomes<()>, Error> {
        let mut pipeline = pipe();
        for id in handles {
            pipeline
                .cmd("XCLAIM")
                .arg(self.url.name())
                .arg(GROUP)
                .arg(&self.consumer)
                .arg(0)
                .arg(id)
                .arg("IDLE")
                .arg(milliseconds(RELEASED))
                .arg("JUSTID");
        }
        let claimed: Vec<Vec<String>> = self.run_all(&["XCLAIM"], handles.len(), &pipeline).await?;
        let claimed = claimed.into_iter().map(|ids| ids.len() as u64);
        Ok(claimed.map(outcome).collect())
    }

    fn hidden_until(&self) -> &'static str {
        "another subscriber claims them after its visibility timeout"
    }

    /// Removes the name of this subscriber from the group, unless entries are still pending under it.
    async fn close(&mut self) {
        let mut pending = cmd("XPENDING");
        pending.arg(self.url.name()).arg(GROUP);
        pending.arg("-").arg("+").arg(1).arg(&self.consumer);
        let reply: Result<StreamPendingCountReply, Error> = self.run("XPENDING", &pending).await;
        if reply.is_ok_and(|reply| reply.ids.is_empty()) {
            let mut leave = cmd("XGROUP");
            leave.arg("DELCONSUMER").arg(self.url.name());
            leave.arg(GROUP).arg(&self.consumer);
            // the process ends in any case
            let _: Result<u64, Error> = self.run("XGROUP", &leave).await;
        }
    }
}

fn add(stream: &str, message: &Outgoing) -> redis::Cmd {
    let mut command = cmd("XADD");
    command.arg(stream).arg("NOMKSTREAM").arg("*");
    command.arg(CLIENT_ATTRIBUTE).arg(&message.client);
    command.arg(BODY).arg(&message.body);
    command
}

fn sent(id: String) -> Sent {
    Sent {
        id,
        sequence_number: None,
    }
}

/// The outcome of a command that says how many entries it changed.
fn outcome(changed: u64) -> Result<(), EntryError> {
    if changed > 0 {
        return Ok(());
    }
    Err(EntryError {
        code: "NotPending".to_owned(),
        message: "the entry is not pending any more".to_owned(),
        sender_fault: true,
    })
}

/// The id of an entry begins with the milliseconds since 1970 at which Redis added it.
fn sent_at(id: &str) -> Option<SystemTime> {
    let (time, _) = id.split_once('-')?;
    UNIX_EPOCH.checked_add(Duration::from_millis(time.parse().ok()?))
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn nanoseconds() -> u128 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap_or_default().as_nanos()
}
