//! Who is told when a new job ends.

use crate::events::settings::EventSettings;
use crate::events::webhook_hosts::WebhookHosts;
use crate::events::webhook_url::{self, InvalidWebhookUrl, WebhookUrl};

/// The destination that stands for the topic.
pub const TOPIC: &str = "sns";

/// The destinations of every job, and which others a client may name.
#[derive(Debug, Clone)]
pub struct Destinations {
    configured: Vec<String>,
    has_webhooks: bool,
    allowed_hosts: WebhookHosts,
}

/// Returns a destination as operators may see it: [`TOPIC`], or a URL without what may be a secret.
pub fn shown(destination: &str) -> String {
    if destination == TOPIC {
        TOPIC.to_owned()
    } else {
        webhook_url::redacted(destination)
    }
}

/// The URL that a client wants to be told at was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallbackError {
    /// This service sends no requests to webhooks.
    #[error(
        "callback_url can't be used, because this service sends no webhooks: its operators enable them with WEBHOOK_SECRET. \
         Poll the status of the job, or wait with Prefer: wait=N"
    )]
    Disabled,
    /// It is not the URL of a webhook.
    #[error("callback_url {0}")]
    Invalid(#[from] InvalidWebhookUrl),
}

impl Destinations {
    /// Returns the destinations that the settings name.
    pub fn new(settings: &EventSettings) -> Self {
        let topic = settings.events_url.as_ref().map(|_| TOPIC.to_owned());
        let urls = settings.urls();
        let urls = urls.iter().map(|url| url.as_str().to_owned());
        Self {
            configured: topic.into_iter().chain(urls).collect(),
            has_webhooks: settings.has_webhooks(),
            allowed_hosts: settings.webhook_allowed_hosts.clone(),
        }
    }

    /// Returns the hosts of the destinations that the settings name, as the database stores them.
    pub fn hosts(&self) -> Vec<String> {
        let hosts = self.configured.iter().map(|destination| {
            let (_, rest) = destination.split_once("://").unwrap_or(("", destination));
            let authority = rest.split(['/', '?']).next().unwrap_or(rest);
            let end_of_address = authority.find(']').map_or(0, |end| end + 1);
            let port = authority
                .get(end_of_address..)
                .and_then(|rest| rest.find(':'));
            let end = port.map_or(authority.len(), |port| end_of_address + port);
            authority.get(..end).unwrap_or(authority).to_owned()
        });
        hosts.collect()
    }

    /// Reads the URL at which a client wants to be told of the end of its job. Whether the settings name the same URL makes
    /// no difference, so that no client learns which they name.
    ///
    /// # Errors
    /// Returns an error if webhooks are not configured, or if the URL can't be one of a webhook.
    pub fn callback(&self, url: &str) -> Result<WebhookUrl, CallbackError> {
        if !self.has_webhooks {
            return Err(CallbackError::Disabled);
        }
        Ok(WebhookUrl::of_client(url, &self.allowed_hosts)?)
    }

    /// Returns who is told when a job ends, each once.
    pub fn of_job(&self, callback_url: Option<&str>) -> Vec<String> {
        let mut all = self.configured.clone();
        all.extend(callback_url.map(str::to_owned));
        let mut seen = std::collections::HashSet::new();
        all.retain(|destination| seen.insert(destination.clone()));
        all
    }
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

    fn destinations(flags: &[&str]) -> Destinations {
        let cli = Cli::try_parse_from(["test"].iter().chain(flags)).unwrap();
        Destinations::new(&cli.events)
    }

    #[test]
    fn by_default_nobody_is_told_and_nobody_can_ask_to_be() {
        let none = destinations(&[]);
        assert_eq!(none.of_job(None), [""; 0]);
        assert_eq!(
            none.callback("https://a.example/"),
            Err(CallbackError::Disabled)
        );
    }

    #[test]
    fn the_hosts_are_those_that_the_database_stores() {
        let some = destinations(&[
            "--events-url=sns://ends",
            "--webhook-urls=https://A.example https://b.example:8443/x:y https://[2606:4700::1]:1/ https://[2606:4700::2]",
            "--webhook-secret=whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        ]);
        let hosts = [
            "sns",
            "a.example",
            "b.example",
            "[2606:4700::1]",
            "[2606:4700::2]",
        ];
        assert_eq!(some.hosts(), hosts);
    }

    #[test]
    fn each_destination_is_told_once() {
        let some = destinations(&[
            "--events-url=sns://ends",
            "--webhook-urls=https://A.example https://b.example/ https://b.example/",
            "--webhook-secret=whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        ]);
        let configured = ["sns", "https://a.example/", "https://b.example/"];
        assert_eq!(some.of_job(None), configured);
        let url = some.callback("https://a.EXAMPLE").unwrap();
        assert_eq!(some.of_job(Some(url.as_str())), configured);
        let other = some.of_job(Some("https://c.example/"));
        assert_eq!(other.last().unwrap(), "https://c.example/");
        assert!(some.callback("http://c.example/").is_err());
    }
}
