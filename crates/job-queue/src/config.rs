//! The queue's settings, which are the same for both services.

use std::path::PathBuf;
use std::sync::Arc;

use shared_model::database::Pool;
use shared_model::notifier::Notifier;
use shared_model::processes::ThisProcess;

use crate::broker_access::BrokerAccess;
use crate::broker_address::{BrokerAddress, BrokerKind};
use crate::group_id::GroupId;
use crate::postgres::PostgresSubscription;
use crate::publisher::Publisher;
use crate::queue_url::QueueUrl;
use crate::sqs::{SqsPublisher, SqsSubscription};
use crate::subscription::{Subscription, SubscriptionOptions};

/// Which queue carries the jobs.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Queue")]
pub struct QueueConfig {
    /// The queue.
    #[arg(
        long,
        env,
        value_name = "URL",
        hide_env_values = true,
        help = "The queue: postgres:, sqs://NAME, sqs://NAME.fifo, or a full SQS queue URL; or, in a program that was built \
        for it, redis://HOST/STREAM, amqp://HOST/QUEUE, stomp://HOST/QUEUE or kafka://HOST/TOPIC. For SQS, the \
        credentials, region and endpoint are read from the environment and the AWS configuration files, as by every AWS tool"
    )]
    pub queue_url: QueueUrl,
    /// On a FIFO queue: one message group for all jobs, which are then processed strictly one after the other [default:
    /// one group per job, so that jobs run in parallel]. On a standard SQS queue: the tenant, for fair queues
    #[arg(long, env, value_name = "NAME")]
    pub queue_group: Option<GroupId>,
    /// A file that contains the password of the user in the URL of a broker, and nothing else. It is read for every new
    /// connection, so a changed password needs no restart. It also replaces the password of the URL
    #[arg(long, env, value_name = "FILE")]
    pub queue_password_file: Option<PathBuf>,
    /// A file with the certificates of the authorities that a broker's certificate may come from, in PEM [default: those of
    /// the system]
    #[arg(long, env, value_name = "FILE")]
    pub queue_ca_file: Option<PathBuf>,
}

impl QueueConfig {
    /// Returns how the settings contradict each other; empty if they do not.
    pub fn problems(&self) -> Vec<String> {
        let url = &self.queue_url;
        let mut problems = Vec::new();
        if self.queue_group.is_some() && !matches!(url, QueueUrl::Sqs(_)) {
            problems.push(format!(
                "QUEUE_GROUP applies only to an SQS queue, but QUEUE_URL is {url}"
            ));
        }
        match url {
            QueueUrl::Postgres | QueueUrl::Sqs(_) => problems.extend(
                [
                    ("QUEUE_PASSWORD_FILE", &self.queue_password_file),
                    ("QUEUE_CA_FILE", &self.queue_ca_file),
                ]
                .into_iter()
                .filter(|(_, file)| file.is_some())
                .map(|(setting, _)| {
                    format!("{setting} applies only to a broker, but QUEUE_URL is {url}")
                }),
            ),
            QueueUrl::Broker(broker) => problems.extend(self.broker_problems(broker.address())),
        }
        problems
    }

    /// Returns how the files do not suit this address.
    fn broker_problems(&self, address: &BrokerAddress) -> Vec<String> {
        let mut problems = Vec::new();
        if self.queue_password_file.is_some()
            && address.user.is_none()
            && address.kind != BrokerKind::Redis
        {
            problems.push(format!(
                "QUEUE_PASSWORD_FILE needs a user in QUEUE_URL, which is {address}"
            ));
        }
        if self.queue_ca_file.is_some() && !address.is_tls {
            let kind = address.kind;
            problems.push(format!(
                "QUEUE_CA_FILE applies only to TLS, but QUEUE_URL begins with {}://; write {}://",
                kind.scheme(false),
                kind.scheme(true)
            ));
        }
        problems
    }

    /// Returns a warning if a password and all messages go over a network without TLS.
    pub fn warning(&self) -> Option<String> {
        match &self.queue_url {
            QueueUrl::Postgres | QueueUrl::Sqs(_) => None,
            QueueUrl::Broker(broker) => self.broker_warning(broker.address()),
        }
    }

    fn broker_warning(&self, address: &BrokerAddress) -> Option<String> {
        let has_password = address.password.is_some() || self.queue_password_file.is_some();
        let host = address.remote_host()?;
        (has_password && !address.is_tls).then(|| {
            format!(
                "the connection to the broker on {host} is not encrypted, so others in its network may read the password: \
                 let QUEUE_URL begin with {}://",
                address.kind.scheme(true)
            )
        })
    }

    fn access(&self) -> BrokerAccess {
        BrokerAccess {
            password_file: self.queue_password_file.clone(),
            ca_file: self.queue_ca_file.clone(),
        }
    }

    /// Returns the sending half of the queue, or `None` if the queue is the table of jobs, to which nothing is sent.
    /// Makes no call to the queue, which may be unreachable.
    pub async fn connect_publisher(&self) -> Option<Arc<dyn Publisher>> {
        match &self.queue_url {
            QueueUrl::Postgres => None,
            QueueUrl::Sqs(address) => Some(Arc::new(SqsPublisher::new(
                &sqs_client::config::load(None).await,
                address.clone(),
                self.queue_group.clone(),
            ))),
            QueueUrl::Broker(broker) => Some(broker.publisher(&self.access())),
        }
    }

    /// Returns whether the queue delivers one message at a time: a FIFO queue with a single message group.
    pub fn is_serial(&self) -> bool {
        match &self.queue_url {
            QueueUrl::Postgres | QueueUrl::Broker(_) => false,
            QueueUrl::Sqs(address) => address.is_fifo() && self.queue_group.is_some(),
        }
    }

    /// Returns the receiving half of the queue. Makes no call to the queue, which may be unreachable.
    pub async fn connect_subscription(
        &self,
        pool: &Pool,
        notifier: &Notifier,
        process: &ThisProcess,
        options: SubscriptionOptions,
    ) -> Arc<dyn Subscription> {
        match &self.queue_url {
            QueueUrl::Postgres => Arc::new(PostgresSubscription::new(
                pool.clone(),
                notifier.clone(),
                process.clone(),
                options,
            )),
            QueueUrl::Sqs(address) => Arc::new(SqsSubscription::new(
                &sqs_client::config::load(None).await,
                address.clone(),
                self.queue_group.as_ref(),
                options,
            )),
            QueueUrl::Broker(broker) => broker.subscription(&self.access(), pool, options),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Cli {
        #[command(flatten)]
        queue: QueueConfig,
    }

    fn config(flags: &[&str]) -> QueueConfig {
        Cli::parse_from([&["x"], flags].concat()).queue
    }

    #[test]
    fn settings_that_do_not_suit_the_queue_are_refused() {
        let files = ["--queue-password-file=p", "--queue-ca-file=c"];
        for url in ["--queue-url=postgres:", "--queue-url=sqs://ical"] {
            assert_eq!(config(&[url]).problems(), [""; 0]);
            let problems = config(&[&[url], &files[..]].concat()).problems();
            assert_eq!(problems.len(), 2, "{problems:?}");
            assert!(
                problems[0].starts_with("QUEUE_PASSWORD_FILE"),
                "{problems:?}"
            );
            assert!(problems[1].starts_with("QUEUE_CA_FILE"), "{problems:?}");
        }
        let problems = config(&["--queue-url=postgres:", "--queue-group=g"]).problems();
        assert!(
            problems.len() == 1 && problems[0].starts_with("QUEUE_GROUP"),
            "{problems:?}"
        );
        assert_eq!(
            config(&["--queue-url=sqs://q.fifo", "--queue-group=g"]).problems(),
            [""; 0]
        );
    }

    #[test]
    fn files_that_do_not_suit_the_broker_are_refused() {
        let config = config(&[
            "--queue-url=postgres:",
            "--queue-password-file=p",
            "--queue-ca-file=c",
        ]);
        let problems = |url: &str| config.broker_problems(&url.parse().unwrap());
        assert_eq!(problems("rediss://h/q"), [""; 0]);
        assert_eq!(problems("amqps://me:pw@h/q"), [""; 0]);
        let both = problems("amqp://h/q");
        assert_eq!(both.len(), 2, "{both:?}");
        assert!(both[0].contains("needs a user"), "{both:?}");
        assert!(both[1].ends_with("write amqps://"), "{both:?}");
    }

    #[test]
    fn a_password_that_goes_over_a_network_without_tls_causes_a_warning() {
        let with_file = config(&["--queue-url=postgres:", "--queue-password-file=p"]);
        let without = config(&["--queue-url=postgres:"]);
        let warning =
            |config: &QueueConfig, url: &str| config.broker_warning(&url.parse().unwrap());
        for (config, url) in [
            (&without, "redis://:s3cret@redis/q"),
            (&with_file, "redis://redis/q"),
        ] {
            let warning = warning(config, url).unwrap();
            assert!(warning.contains("on redis is not encrypted"), "{warning}");
            assert!(
                warning.contains("rediss://") && !warning.contains("s3cret"),
                "{warning}"
            );
        }
        for url in [
            "redis://redis/q",
            "rediss://:pw@redis/q",
            "redis://:pw@localhost/q",
        ] {
            assert_eq!(warning(&without, url), None, "{url}");
        }
    }
}
