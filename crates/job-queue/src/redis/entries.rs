//! Entries as they are read.

use redis::{FromRedisValue, ParsingError, Value, from_redis_value};
use shared_model::message::JobMessage;

use crate::subscription::{Delivery, Receipt, Received};

/// The field that contains the body of a message.
pub(super) const BODY: &str = "m";

/// An entry of the stream that was delivered.
#[derive(Debug)]
pub(super) struct Entry {
    id: String,
    /// Field, value, field, value, and so on.
    fields: Vec<Vec<u8>>,
    deliveries: u32,
}

impl FromRedisValue for Entry {
    /// Reads `[id, fields]`, or `[id, fields, deliveries]`.
    fn from_redis_value(value: Value) -> Result<Self, ParsingError> {
        if let Value::Array(parts) = &value
            && parts.len() == 2
        {
            let (id, fields) = from_redis_value(value)?;
            return Ok(Self {
                id,
                fields,
                deliveries: 1,
            });
        }
        let (id, fields, deliveries) = from_redis_value(value)?;
        Ok(Self {
            id,
            fields,
            deliveries,
        })
    }
}

impl Entry {
    /// Returns what identifies the delivery to the worker.
    pub(super) fn receipt(&self) -> Receipt {
        Receipt::new(self.id.as_str())
    }

    /// Returns the entry as a worker receives it. An entry without a body has an empty one, which can't be read.
    pub(super) fn received(self) -> Received {
        let mut pairs = self.fields.chunks_exact(2);
        let body = pairs.find_map(|pair| match pair {
            [name, value] if name == BODY.as_bytes() => Some(String::from_utf8_lossy(value)),
            _ => None,
        });
        Received::Message(Delivery {
            message: JobMessage::decode(&body.unwrap_or_default()),
            receipt: self.receipt(),
            message_id: self.id,
            receive_count: self.deliveries,
            group: None,
        })
    }
}

/// What `XREADGROUP` answers: nothing if no entry arrived, otherwise the streams that it read with their entries.
#[derive(Debug, Default)]
pub(super) struct Arrived(pub(super) Vec<Entry>);

impl FromRedisValue for Arrived {
    fn from_redis_value(value: Value) -> Result<Self, ParsingError> {
        let streams: Option<Vec<(String, Vec<Entry>)>> = from_redis_value(value)?;
        let streams = streams.unwrap_or_default();
        let entries = streams.into_iter().flat_map(|(_, entries)| entries);
        Ok(Self(entries.collect()))
    }
}
