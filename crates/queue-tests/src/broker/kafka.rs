//! A topic of Kafka, with one for its dead letters.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use anyhow::{Context, bail};
use async_trait::async_trait;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::{ClientConfig, Message, Offset, TopicPartitionList};

use super::{Commands, Depth};
use crate::kafka::Kafka;

/// Enough for the workers of a test to share.
const PARTITIONS: i32 = 4;
/// How long Kafka may take to answer.
const LIMIT: Duration = Duration::from_secs(20);

#[derive(Debug)]
pub(super) struct Topic(Arc<State>);

struct State {
    name: String,
    settings: ClientConfig,
    sending: FutureProducer,
    /// How many dead letters have been taken.
    taken: AtomicI64,
}

/// A partition, from the offset to which everything is settled to the end.
struct Part {
    number: i32,
    settled: i64,
    end: i64,
}

impl Topic {
    /// The name of the group is that of the topic.
    pub(super) fn create(kafka: &Kafka) -> anyhow::Result<Self> {
        let name = kafka.create_topics(PARTITIONS)?;
        let mut settings = kafka.settings();
        settings
            .set("group.id", &name)
            // A server that is away is soon found again.
            .set("reconnect.backoff.max.ms", "1000");
        Ok(Self(Arc::new(State {
            name,
            sending: settings.create()?,
            settings,
            taken: AtomicI64::new(0),
        })))
    }

    pub(super) fn name(&self) -> &str {
        &self.0.name
    }

    /// The calls of librdkafka block the thread.
    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&State) -> anyhow::Result<T> + Send + 'static,
    ) -> anyhow::Result<T> {
        let state = Arc::clone(&self.0);
        tokio::task::spawn_blocking(move || question(&state)).await?
    }
}

impl State {
    fn dead_letters(&self) -> String {
        format!("{}.dead", self.name)
    }

    /// Returns a client of the group of the workers, which is no member of it. It serves for one question, because a server
    /// may have been away since the last one.
    fn client(&self) -> anyhow::Result<BaseConsumer> {
        Ok(self.settings.create()?)
    }

    /// The ends are asked for first: what is settled then was sent before.
    fn parts(&self) -> anyhow::Result<Vec<Part>> {
        let client = self.client()?;
        let mut list = TopicPartitionList::new();
        let mut ends = Vec::new();
        for number in 0..PARTITIONS {
            let (_, end) = client.fetch_watermarks(&self.name, number, LIMIT)?;
            ends.push(end);
            list.add_partition(&self.name, number);
        }
        let stored = client.committed_offsets(list, LIMIT)?;
        let parts = (0..PARTITIONS).zip(ends).map(|(number, end)| {
            let found = stored.find_partition(&self.name, number);
            let settled = match found.map(|found| found.offset()) {
                Some(Offset::Offset(offset)) => offset,
                _ => 0,
            };
            Part {
                number,
                settled,
                end,
            }
        });
        Ok(parts.collect())
    }

    /// Stores for the group that everything before these offsets is settled. Kafka refuses that while the group has a member.
    fn store(&self, offsets: impl IntoIterator<Item = (i32, i64)>) -> anyhow::Result<()> {
        let mut list = TopicPartitionList::new();
        for (number, offset) in offsets {
            list.add_partition_offset(&self.name, number, Offset::Offset(offset))?;
        }
        Ok(self.client()?.commit(&list, CommitMode::Sync)?)
    }

    fn take_dead_letters(&self) -> anyhow::Result<Vec<String>> {
        let topic = self.dead_letters();
        let client = self.client()?;
        let (_, end) = client.fetch_watermarks(&topic, 0, LIMIT)?;
        let begin = self.taken.swap(end, Ordering::Relaxed);
        let mut bodies = Vec::new();
        if begin == end {
            return Ok(bodies);
        }
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(&topic, 0, Offset::Offset(begin))?;
        client.assign(&list)?;
        for _ in begin..end {
            let message = client.poll(LIMIT).context("a dead letter is missing")??;
            let body = message.payload().unwrap_or_default();
            bodies.push(String::from_utf8(body.to_vec())?);
        }
        Ok(bodies)
    }
}

#[async_trait]
impl Commands for Topic {
    async fn send(&self, body: &str) -> anyhow::Result<()> {
        let record = FutureRecord::to(&self.0.name).key("").payload(body);
        let sent = self.0.sending.send(record, LIMIT).await;
        sent.map_err(|(error, _message)| error)?;
        Ok(())
    }

    async fn delete_one(&self) -> anyhow::Result<()> {
        self.ask(|state| {
            let parts = state.parts()?;
            let Some(part) = parts.iter().find(|part| part.settled < part.end) else {
                bail!("the topic is empty");
            };
            state.store([(part.number, part.settled + 1)])
        })
        .await
    }

    async fn purge(&self) -> anyhow::Result<()> {
        self.ask(|state| {
            let parts = state.parts()?;
            state.store(parts.iter().map(|part| (part.number, part.end)))
        })
        .await
    }

    async fn depth(&self) -> anyhow::Result<Depth> {
        let parts = self.ask(State::parts).await?;
        let left = parts.iter().map(|part| part.end - part.settled);
        Ok(Depth {
            waiting: u32::try_from(left.sum::<i64>())?,
            in_flight: 0,
        })
    }

    async fn take_dead_letters(&self) -> anyhow::Result<Vec<String>> {
        self.ask(State::take_dead_letters).await
    }
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
