//! Who is told when a new job ends.

use std::collections::HashSet;

use shared_model::event_deliveries::{OWN, TOPIC};

use crate::events::settings::EventSettings;
use crate::events::webhook_hosts::WebhookHosts;
use crate::events::webhook_url::{self, InvalidWebhookUrl, WebhookUrl};

/// The destinations of every job, and which others a client may name.
#[derive(Debug, Clone)]
pub struct Destinations {
    own: Vec<String>,
    has_webhooks: bool,
    allowed_hosts: WebhookHosts,
}

/// Returns a destination as operators may see it: [`TOPIC`], or a URL without what may be a secret.
pub fn shown(destination: &str) -> String {
    webhook_url::redacted(destination.strip_prefix(OWN).unwrap_or(destination))
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
        let urls = urls.iter().map(|url| format!("{OWN}{}", url.as_str()));
        let mut seen = HashSet::new();
        let own = topic.into_iter().chain(urls);
        Self {
            own: own.filter(|one| seen.insert(one.clone())).collect(),
            has_webhooks: settings.has_webhooks(),
            allowed_hosts: settings.webhook_allowed_hosts.clone(),
        }
    }

    /// Returns the destinations that the settings name, each once.
    pub fn own(&self) -> &[String] {
        &self.own
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
        let is_own = |url: &str| {
            self.own
                .iter()
                .any(|own| own.strip_prefix(OWN) == Some(url))
        };
        let named = callback_url.filter(|url| !is_own(url));
        let named = named.map(str::to_owned);
        self.own.iter().cloned().chain(named).collect()
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
    fn operators_see_neither_paths_nor_whose_a_url_is() {
        for (destination, seen) in [
            ("sns", "sns"),
            ("own:https://a.example/x", "https://a.example/…"),
            ("https://a.example:1/x", "https://a.example:1/…"),
        ] {
            assert_eq!(shown(destination), seen);
        }
    }

    #[test]
    fn each_destination_is_told_once() {
        let some = destinations(&[
            "--events-url=sns://ends",
            "--webhook-urls=https://A.example https://b.example/ https://b.example/",
            "--webhook-secret=whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        ]);
        let own = ["sns", "own:https://a.example/", "own:https://b.example/"];
        assert_eq!(some.of_job(None), own);
        let url = some.callback("https://a.EXAMPLE").unwrap();
        assert_eq!(some.of_job(Some(url.as_str())), own);
        let other = some.of_job(Some("https://c.example/"));
        assert_eq!(other.last().unwrap(), "https://c.example/");
        assert!(some.callback("http://c.example/").is_err());
    }
}
