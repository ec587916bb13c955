//! Sends events to their destinations.

use std::time::Duration;

use shared_model::event_deliveries::Delivery;
use sns_client::Topic;

use crate::events::destinations::{Destinations, TOPIC};
use crate::events::payload::Payload;
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
    own_hosts: Vec<String>,
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
        let own_hosts = Destinations::new(settings).hosts();
        (topic.is_some() || webhooks.is_some()).then_some(Self {
            topic,
            webhooks,
            own_hosts,
        })
    }

    /// Returns the hosts that the settings name, as [`Delivery::host`] does.
    pub fn own_hosts(&self) -> &[String] {
        &self.own_hosts
    }

    /// Makes one attempt to deliver an event, which ends after [`TIMEOUT`]. `is_known` says whether its host is known to
    /// accept events.
    ///
    /// # Errors
    /// Returns an error if the destination did not confirm that it accepts the event. It may have received it all the
    /// same.
    pub async fn send(&self, delivery: &Delivery, is_known: bool) -> Result<(), SendError> {
        // the lease of the delivery must outlast the attempt, whatever its parts wait for
        let sent = tokio::time::timeout(TIMEOUT, self.send_whenever(delivery, is_known)).await;
        sent.unwrap_or_else(|_elapsed| Err(SendError::timed_out(TIMEOUT)))
    }

    async fn send_whenever(&self, delivery: &Delivery, is_known: bool) -> Result<(), SendError> {
        let unreadable = |error: serde_json::Error| {
            SendError::Failed(format!("this release can't read the event: {error}"))
        };
        let payload = Payload::of(delivery).map_err(unreadable)?;
        let body = serde_json::to_string(&payload).map_err(unreadable)?;
        if delivery.destination == TOPIC {
            let Some(topic) = &self.topic else {
                return Err(not_configured("EVENTS_URL"));
            };
            let message = topic::message(delivery, &payload, body);
            let published = topic.publish(message).await;
            return published.map_err(|error| SendError::Failed(error.to_string()));
        }
        match &self.webhooks {
            Some(webhooks) => {
                webhooks
                    .send(&delivery.destination, is_known, &payload, body)
                    .await
            }
            None => Err(not_configured("WEBHOOK_SECRET")),
        }
    }
}

fn not_configured(setting: &str) -> SendError {
    SendError::Failed(format!(
        "{setting} is not set any more: set it again, or wait until the event is given up"
    ))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Cli {
        #[command(flatten)]
        events: EventSettings,
    }

    #[tokio::test]
    async fn without_a_destination_nothing_is_connected_and_so_nothing_looks_for_events() {
        let Cli { events } = Cli::parse_from(["test"]);
        assert!(Transport::connect(&events).await.is_none());
    }
}
