//! The settings of completion events.

use sns_client::TopicAddress;

use crate::events::secret_settings::SecretSettings;
use crate::events::webhook_hosts::WebhookHosts;
use crate::events::webhook_url::{self, InvalidWebhookUrl, WebhookUrl};

/// Who is told when a job ends.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Completion events")]
pub struct EventSettings {
    /// The SNS topic that gets an event when a job ends.
    #[arg(
        long,
        env,
        value_name = "TOPIC",
        help = "The SNS topic that gets an event when a job ends: sns://NAME, sns://NAME.fifo or its ARN. The credentials, \
        region and endpoint are read from the environment and the AWS configuration files, as by every AWS tool"
    )]
    pub events_url: Option<TopicAddress>,
    /// The webhooks that are told of every job.
    #[arg(
        long,
        env,
        value_name = "URLS",
        default_value = "",
        hide_default_value = true,
        hide_env_values = true,
        help = "URLs that get a signed request when a job ends, separated by spaces. They may use http and private \
        addresses. Clients may name more, with callback_url"
    )]
    pub webhook_urls: String,
    /// The secret that signs for the webhooks.
    #[command(flatten)]
    pub secrets: SecretSettings,
    /// Hosts of clients' URLs that may have private addresses and use http, separated by commas: names, addresses, or
    /// .example.org for example.org and all names below it. Each opens one port: the one behind it, as in 10.0.0.7:8080, or
    /// else the default port of the scheme
    #[arg(
        long,
        env,
        value_name = "HOSTS",
        default_value = "",
        hide_default_value = true
    )]
    pub webhook_allowed_hosts: WebhookHosts,
}

impl EventSettings {
    /// Returns the problems of settings that were parsed without an error. Empty if there are none.
    pub fn problems(&self) -> Vec<String> {
        let mut problems: Vec<_> = self
            .parse_urls()
            .filter_map(|(text, url)| {
                let error = url.err()?;
                Some(format!(
                    "WEBHOOK_URLS: {:?} {error}",
                    webhook_url::redacted(text)
                ))
            })
            .collect();
        if !self.has_webhooks() && self.parse_urls().next().is_some() {
            problems.push(
                "WEBHOOK_URLS needs WEBHOOK_SECRET or WEBHOOK_SECRET_FILE, which signs the requests"
                    .to_owned(),
            );
        }
        if self.has_webhooks() {
            problems.extend(self.secrets.read().err());
        }
        problems
    }

    /// Returns whether requests can be signed, so that there can be webhooks.
    pub fn has_webhooks(&self) -> bool {
        self.secrets.is_set()
    }

    /// Returns the URLs that are told of every job.
    pub fn urls(&self) -> Vec<WebhookUrl> {
        self.parse_urls().filter_map(|(_, url)| url.ok()).collect()
    }

    fn parse_urls(&self) -> impl Iterator<Item = (&str, Result<WebhookUrl, InvalidWebhookUrl>)> {
        let texts = self.webhook_urls.split_whitespace();
        texts.map(|text| (text, WebhookUrl::of_operators(text)))
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

    const SECRET: &str = "--webhook-secret=whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    fn parse(flags: &[&str]) -> EventSettings {
        Cli::try_parse_from(["test"].iter().chain(flags))
            .unwrap()
            .events
    }

    #[test]
    fn nothing_is_told_unless_it_is_configured() {
        let settings = parse(&[]);
        assert!(!settings.has_webhooks() && settings.events_url.is_none());
        assert_eq!(settings.problems(), [""; 0]);
    }

    #[test]
    fn urls_are_separated_by_spaces_and_may_be_private() {
        let urls = "--webhook-urls=https://a.example/x,y  http://hooks:8080/ http://127.0.0.1:1/";
        let settings = parse(&[SECRET, urls]);
        assert_eq!(settings.problems(), [""; 0]);
        let urls = settings.urls();
        let texts: Vec<_> = urls.iter().map(WebhookUrl::as_str).collect();
        assert_eq!(
            texts,
            [
                "https://a.example/x,y",
                "http://hooks:8080/",
                "http://127.0.0.1:1/"
            ]
        );
        assert!(urls.iter().all(WebhookUrl::may_be_private));
    }

    #[test]
    fn problems_name_the_setting_and_repeat_no_secret() {
        for (flags, words) in [
            (
                vec!["--webhook-urls=https://a.example/"],
                "needs WEBHOOK_SECRET",
            ),
            (
                vec![
                    SECRET,
                    "--webhook-urls=https://a.example/ ftp://b.example/token",
                ],
                "WEBHOOK_URLS: \"ftp://b.example/…\" must begin with https://, or with http://",
            ),
            (
                vec![SECRET, "--webhook-urls=https://me:token@b.example/"],
                "WEBHOOK_URLS: \"https://b.example/\" must not contain a user name",
            ),
            (
                vec!["--webhook-secret-file=/nonexistent"],
                "WEBHOOK_SECRET_FILE: /nonexistent: No such file",
            ),
        ] {
            let problems = parse(&flags).problems().join("\n");
            assert!(problems.contains(words), "{problems}");
            assert!(!problems.contains("token"), "{problems}");
        }
        let both = [SECRET, "--webhook-secret-file=/x"];
        assert!(Cli::try_parse_from(["test"].iter().chain(&both)).is_err());
    }
}
