//! Adding messages to the stream.

use std::sync::Arc;

use async_trait::async_trait;
use redis::{RedisResult, Value, from_redis_value, pipe};
use shared_model::message::OutboundMessage;

use super::address::Address;
use super::connection::Connection;
use super::entries::BODY;
use super::error::{explain, missing};
use super::{GROUP, LATER, inspect, subscription};
use crate::error::QueueError;
use crate::findings::Findings;
use crate::limits::{CallLimits, MAX_VISIBILITY};
use crate::publisher::{Published, Publisher, QueueDepth};

/// How many released messages are looked at to count those that are due. More are due only if no worker runs.
const COUNTED: usize = 1000;

/// The sending half of a stream.
#[derive(Debug)]
pub(super) struct RedisPublisher {
    connection: Connection,
}

impl RedisPublisher {
    /// Makes no call yet.
    pub(super) fn new(address: Arc<Address>) -> Self {
        Self {
            connection: Connection::new(address),
        }
    }

    fn address(&self) -> &Address {
        &self.connection.address
    }
}

#[async_trait]
impl Publisher for RedisPublisher {
    async fn publish(&self, messages: &[OutboundMessage]) -> Result<Published, QueueError> {
        let mut adding = pipe();
        adding.ignore_errors();
        for outbound in messages {
            let body = outbound
                .message
                .encode()
                .map_err(|error| QueueError::Unavailable(error.to_string()))?;
            // Without NOMKSTREAM, a stream that was lost would be created without its group. The stream is never trimmed.
            adding
                .cmd("XADD")
                .arg(self.address().stream())
                .arg("NOMKSTREAM")
                .arg("*")
                .arg(BODY)
                .arg(body);
        }
        let answers = self.connection.call_all(&adding).await?;
        let mut published = Published::default();
        for (message, answer) in messages.iter().zip(answers) {
            match answer {
                Ok(Value::Nil) => return Err(missing(self.address())),
                Ok(_) => published.sent.push(message.into()),
                Err(error) => {
                    let reason = explain(&error, self.address()).to_string();
                    published.failed.push((message.into(), reason));
                }
            }
        }
        Ok(published)
    }

    fn limits(&self) -> CallLimits {
        CallLimits::FREE
    }

    async fn inspect(&self) -> Result<Findings, QueueError> {
        inspect::look(&self.connection).await
    }

    async fn depth(&self) -> Result<QueueDepth, QueueError> {
        let stream = self.address().stream();
        let mut counting = pipe();
        counting.ignore_errors();
        counting.cmd("XLEN").arg(stream);
        counting.cmd("XPENDING").arg(stream).arg(GROUP);
        counting
            .cmd("XPENDING")
            .arg(stream)
            .arg(GROUP)
            .arg("IDLE")
            .arg(subscription::milliseconds(MAX_VISIBILITY))
            .arg("-")
            .arg("+")
            .arg(COUNTED)
            .arg(LATER);
        counting.cmd("XLEN").arg(self.address().dead_letters());
        let answers = self.connection.call_all(&counting).await?;
        let answers: RedisResult<Vec<Value>> = answers.into_iter().collect();
        let (length, pending, due, dead_letters): (u64, Pending, Vec<Value>, u64) = answers
            .and_then(|answers| Ok(from_redis_value(Value::Array(answers))?))
            .map_err(|error| explain(&error, self.address()))?;
        let (pending, _, _, holders) = pending;
        let released = holders
            .unwrap_or_default()
            .into_iter()
            .find_map(|(name, count)| (name == LATER).then_some(count))
            .unwrap_or_default();
        let due = due.len() as u64;
        Ok(QueueDepth {
            visible: length.saturating_sub(pending) + due,
            in_flight: Some(pending.saturating_sub(released)),
            delayed: released.saturating_sub(due),
            dead_letters: Ok(Some(dead_letters)),
        })
    }
}

/// How many entries are pending, the first and the last of them, and how many each consumer holds.
type Pending = (u64, Value, Value, Option<Vec<(String, u64)>>);
