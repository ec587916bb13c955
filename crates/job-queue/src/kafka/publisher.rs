//! The sending half of a queue in Kafka.

use async_trait::async_trait;
use shared_model::message::OutboundMessage;

use super::client::Place;
use super::dead_letters;
use super::error;
use super::inspect;
use super::lookup::Lookup;
use super::sender::{Record, Sender};
use crate::broker_access::BrokerAccess;
use crate::broker_address::BrokerAddress;
use crate::error::QueueError;
use crate::findings::Findings;
use crate::limits::CallLimits;
use crate::publisher::{Published, Publisher, QueueDepth};

/// The sending half of a queue in Kafka.
#[derive(Debug)]
pub(super) struct KafkaPublisher {
    place: Place,
    sender: Sender,
    lookup: Lookup,
}

impl KafkaPublisher {
    pub(super) fn new(address: &BrokerAddress, access: &BrokerAccess) -> Self {
        let place = Place::new(address, access);
        Self {
            sender: Sender::new(place.clone()),
            lookup: Lookup::new(place.clone()),
            place,
        }
    }
}

#[async_trait]
impl Publisher for KafkaPublisher {
    async fn publish(&self, messages: &[OutboundMessage]) -> Result<Published, QueueError> {
        let encoded = messages.iter().map(|outbound| {
            let body = outbound.message.encode()?;
            Ok((outbound.message.job_id.to_string(), body))
        });
        let encoded: Result<Vec<_>, shared_model::message::MessageError> = encoded.collect();
        let encoded = encoded.map_err(|error| QueueError::Unavailable(error.to_string()))?;
        let records = encoded.iter().map(|(job, body)| Record {
            key: job,
            body: body.as_bytes(),
        });
        let records: Vec<_> = records.collect();
        let outcomes = self.sender.send(self.place.topic(), &records).await?;
        let mut published = Published::default();
        for (outbound, outcome) in messages.iter().zip(outcomes) {
            match outcome {
                Ok(()) => published.sent.push(outbound.into()),
                Err(why) => published.failed.push((outbound.into(), why.to_string())),
            }
        }
        Ok(published)
    }

    fn limits(&self) -> CallLimits {
        CallLimits::FREE
    }

    async fn inspect(&self) -> Result<Findings, QueueError> {
        inspect::topic(&self.lookup, &self.place, None).await
    }

    async fn depth(&self) -> Result<QueueDepth, QueueError> {
        let topic = self.place.topic();
        let missing = || QueueError::Refused(error::missing(topic));
        let visible = self.lookup.unsettled(topic).await?.ok_or_else(missing)?;
        Ok(QueueDepth {
            visible,
            in_flight: None,
            delayed: 0,
            dead_letters: self.lookup.length(&dead_letters(topic)).await,
        })
    }
}
