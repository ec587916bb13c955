//! The queue's settings, which are the same for both services.

use std::sync::Arc;

use shared_model::database::Pool;
use shared_model::notifier::Notifier;
use shared_model::processes::ThisProcess;

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
        help = "The queue: postgres:, sqs://NAME, sqs://NAME.fifo, or a full SQS queue URL. For SQS, the credentials, \
        region and endpoint are read from the environment and the AWS configuration files, as by every AWS tool"
    )]
    pub queue_url: QueueUrl,
    /// On a FIFO queue: one message group for all jobs, which are then processed strictly one after the other [default:
    /// one group per job, so that jobs run in parallel]. On a standard SQS queue: the tenant, for fair queues
    #[arg(long, env, value_name = "NAME")]
    pub queue_group: Option<GroupId>,
}

impl QueueConfig {
    /// Returns how the settings contradict each other; empty if they do not.
    pub fn problems(&self) -> Vec<String> {
        match (&self.queue_url, &self.queue_group) {
            (QueueUrl::Postgres, Some(_)) => {
                vec![
                    "QUEUE_GROUP applies only to an SQS queue, but QUEUE_URL is postgres:"
                        .to_owned(),
                ]
            }
            _ => Vec::new(),
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
        }
    }

    /// Returns whether the queue delivers one message at a time: a FIFO queue with a single message group.
    pub fn is_serial(&self) -> bool {
        match &self.queue_url {
            QueueUrl::Postgres => false,
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
        }
    }
}
