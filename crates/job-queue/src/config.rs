//! The queue's settings, the same for both processes.

use std::str::FromStr;
use std::sync::Arc;

use shared_model::database::Pool;

use crate::error::QueueError;
use crate::postgres::{PostgresPublisher, PostgresSubscription};
use crate::publisher::Publisher;
use crate::queue_url::QueueUrl;
use crate::sqs::{self, SqsPublisher, SqsSubscription};
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
        help = "The queue: postgres:, sqs://NAME, sqs://NAME.fifo, or a full SQS queue URL. \
        For SQS, credentials, region and endpoint are found as every AWS tool finds them"
    )]
    pub queue_url: QueueUrl,
    /// On a FIFO queue: one group for all jobs, which are then done strictly in turn [default: a group a job, in parallel].
    /// On a standard SQS queue: the tenant, for fair queues
    #[arg(long, env, value_name = "NAME")]
    pub queue_group: Option<GroupId>,
}

/// A message group's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupId(String);

impl GroupId {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A text that SQS does not take as a group's name.
#[derive(Debug, thiserror::Error)]
#[error("a group's name has 1 to 128 printable ASCII characters without spaces")]
pub struct InvalidGroupId;

impl FromStr for GroupId {
    type Err = InvalidGroupId;

    // https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html
    fn from_str(name: &str) -> Result<Self, InvalidGroupId> {
        let fits =
            (1..=128).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_graphic());
        if fits {
            Ok(Self(name.to_owned()))
        } else {
            Err(InvalidGroupId)
        }
    }
}

impl QueueConfig {
    /// What is wrong with the settings together; empty when nothing is.
    pub fn problems(&self) -> Vec<String> {
        match (&self.queue_url, &self.queue_group) {
            (QueueUrl::Postgres, Some(_)) => {
                vec![
                    "QUEUE_GROUP has a meaning only for an SQS queue, and QUEUE_URL is postgres:"
                        .to_owned(),
                ]
            }
            _ => Vec::new(),
        }
    }

    /// The sending half. Nothing is asked of the queue yet, which may be down.
    pub async fn connect_publisher(&self, pool: &Pool) -> Arc<dyn Publisher> {
        match &self.queue_url {
            QueueUrl::Postgres => Arc::new(PostgresPublisher::new(pool.clone())),
            url => Arc::new(SqsPublisher::new(
                &sqs::load_config().await,
                url.clone(),
                self.queue_group.clone(),
            )),
        }
    }

    /// The receiving half. Nothing is asked of the queue yet, which may be down.
    pub async fn connect_subscription(
        &self,
        pool: &Pool,
        options: SubscriptionOptions,
    ) -> Arc<dyn Subscription> {
        match &self.queue_url {
            QueueUrl::Postgres => Arc::new(PostgresSubscription::new(pool.clone(), options)),
            url => Arc::new(SqsSubscription::new(
                &sqs::load_config().await,
                url.clone(),
                self.queue_group.as_ref(),
                options,
            )),
        }
    }
}

impl From<shared_model::database::DatabaseError> for QueueError {
    fn from(error: shared_model::database::DatabaseError) -> Self {
        Self::Unavailable(error.to_string())
    }
}
