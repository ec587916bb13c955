//! Sends events to their destinations.

use std::time::Duration;

use futures_util::future::join_all;
use shared_model::event_deliveries::{Delivery, TOPIC};
use sns_client::{MAX_BATCH, Message, Topic};

use crate::events::destinations::Destinations;
use crate::events::payload::Payload;
use crate::events::receiver_kind::ReceiverKind;
use crate::events::send_error::SendError;
use crate::events::settings::EventSettings;
use crate::events::topic;
use crate::events::webhook::Webhooks;

/// How long one attempt may take, from the resolution of the host's name to the head of the response.
pub const TIMEOUT: Duration = Duration::from_secs(15);

/// The connections to all destinations.
#[derive(Debug)]
pub struct Transport {
    topic: Option<Topic>,
    webhooks: Option<Webhooks>,
    own: Vec<String>,
}

impl Transport {
    /// Returns the transport to the destinations in the settings, or `None` if they name none. Makes no call yet.
    pub async fn connect(settings: &EventSettings) -> Option<Self> {
        let topic = match &settings.events_url {
            Some(address) => {
                let config = sns_client::load_config().await;
                Some(Topic::new(&config, address.clone(), TIMEOUT))
            }
            None => None,
        };
        let webhooks = Webhooks::new(settings, TIMEOUT);
        let own = Destinations::new(settings).own().to_vec();
        (topic.is_some() || webhooks.is_some()).then_some(Self {
            topic,
            webhooks,
            own,
        })
    }

    /// Returns the receivers that the settings name, as [`Delivery::receiver`] does: this process can send to them.
    pub fn own(&self) -> &[String] {
        &self.own
    }

    /// Returns whether this process can send to clients' receivers.
    pub fn has_webhooks(&self) -> bool {
        self.webhooks.is_some()
    }

    /// Divides deliveries into groups, each for one call of [`Self::send`]: up to ten for the topic, which gets them in one
    /// request, and one for a webhook.
    pub fn groups(deliveries: Vec<Delivery>) -> Vec<Vec<Delivery>> {
        let (to_topic, to_webhooks): (Vec<_>, Vec<_>) =
            deliveries.into_iter().partition(is_to_topic);
        let to_topic = to_topic.chunks(MAX_BATCH).map(<[_]>::to_vec);
        let to_webhooks = to_webhooks.into_iter().map(|delivery| vec![delivery]);
        to_topic.chain(to_webhooks).collect()
    }

    /// Makes one attempt to deliver the events of a group, which ends after [`TIMEOUT`]. `kind` is that of their receiver.
    /// Returns one result for each, in the same order: an error if the destination did not confirm that it accepts the event.
    /// It may have received it all the same.
    pub async fn send(&self, group: &[Delivery], kind: ReceiverKind) -> Vec<Result<(), SendError>> {
        // the lease of the deliveries must outlast the attempt, whatever its parts wait for
        let sent = tokio::time::timeout(TIMEOUT, self.send_whenever(group, kind)).await;
        sent.unwrap_or_else(|_elapsed| vec![Err(SendError::timed_out(TIMEOUT)); group.len()])
    }

    async fn send_whenever(
        &self,
        group: &[Delivery],
        kind: ReceiverKind,
    ) -> Vec<Result<(), SendError>> {
        if group.iter().all(is_to_topic) {
            return self.publish(group).await;
        }
        let requests = group.iter().map(|delivery| self.post(delivery, kind));
        join_all(requests).await
    }

    async fn publish(&self, group: &[Delivery]) -> Vec<Result<(), SendError>> {
        let Some(topic) = &self.topic else {
            return vec![Err(not_configured("EVENTS_URL")); group.len()];
        };
        let messages: Vec<_> = group.iter().map(message).collect();
        let readable = messages.iter().flatten().cloned().collect();
        let mut published = topic.publish(readable).await.into_iter();
        let results = messages.into_iter().map(|message| {
            message?;
            match published.next() {
                Some(result) => result.map_err(|error| SendError::Failed(error.to_string())),
                None => Err(SendError::Failed("there is no result".to_owned())),
            }
        });
        results.collect()
    }

    async fn post(&self, delivery: &Delivery, kind: ReceiverKind) -> Result<(), SendError> {
        let (payload, body) = encode(delivery)?;
        match &self.webhooks {
            Some(webhooks) => {
                webhooks
                    .send(&delivery.destination, kind, &payload, body)
                    .await
            }
            None => Err(not_configured("WEBHOOK_SECRET")),
        }
    }
}

fn is_to_topic(delivery: &Delivery) -> bool {
    delivery.destination == TOPIC
}

fn message(delivery: &Delivery) -> Result<Message, SendError> {
    let (payload, body) = encode(delivery)?;
    Ok(topic::message(delivery, &payload, body))
}

/// Returns what a delivery says, and its JSON.
fn encode(delivery: &Delivery) -> Result<(Payload, String), SendError> {
    let encoded = Payload::of(delivery).and_then(|payload| {
        let body = serde_json::to_string(&payload)?;
        Ok((payload, body))
    });
    encoded.map_err(|error| SendError::Local(format!("this release can't read the event: {error}")))
}

fn not_configured(setting: &str) -> SendError {
    SendError::Local(format!(
        "{setting} is not set any more: set it again, or wait until the event is given up"
    ))
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use serde_json::json;
    use shared_model::job::JobId;

    use super::*;

    #[derive(Debug, Parser)]
    struct Cli {
        #[command(flatten)]
        events: EventSettings,
    }

    async fn connect(flags: &[&str]) -> Option<Transport> {
        let Cli { events } = Cli::parse_from(["test"].iter().chain(flags));
        Transport::connect(&events).await
    }

    fn to(destination: &str) -> Delivery {
        Delivery {
            id: 1,
            job_id: JobId::new(),
            event_id: "1".to_owned(),
            destination: destination.to_owned(),
            receiver: destination.to_owned(),
            event: json!({}),
            attempt: 1,
            tried_for: std::time::Duration::ZERO,
            version: 1,
        }
    }

    #[tokio::test]
    async fn without_a_destination_nothing_is_connected_and_so_nothing_looks_for_events() {
        assert!(connect(&[]).await.is_none());
    }

    #[test]
    fn the_topic_gets_up_to_ten_events_at_a_time_and_a_webhook_one() {
        let (one, other) = ("https://a.example/", "https://b.example/");
        let deliveries = [
            vec![to(TOPIC); 3],
            vec![to(one), to(other), to(one)],
            vec![to(TOPIC); MAX_BATCH - 1],
        ]
        .concat();
        let groups = Transport::groups(deliveries);
        let groups: Vec<_> = groups
            .iter()
            .map(|group| (group[0].destination.as_str(), group.len()))
            .collect();
        assert_eq!(
            groups,
            [
                (TOPIC, MAX_BATCH),
                (TOPIC, 2),
                (one, 1),
                (other, 1),
                (one, 1)
            ]
        );
        assert!(Transport::groups(Vec::new()).is_empty());
    }

    #[tokio::test]
    async fn each_event_of_a_group_has_a_result_of_its_own() {
        const SECRET: &str = "--webhook-secret=whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        let without_topic = connect(&[SECRET]).await.unwrap();
        let results = without_topic
            .send(&[to(TOPIC), to(TOPIC)], ReceiverKind::Own)
            .await;
        assert_eq!(results, vec![Err(not_configured("EVENTS_URL")); 2]);
        // unreadable events are not published, so the topic is not called
        let with_topic = connect(&["--events-url=sns://ends"]).await.unwrap();
        let results = with_topic
            .send(&[to(TOPIC), to(TOPIC)], ReceiverKind::Own)
            .await;
        assert_eq!(results.len(), 2);
        for result in results {
            let reason = result.unwrap_err().to_string();
            assert!(reason.contains("can't read the event"), "{reason}");
        }
    }
}
