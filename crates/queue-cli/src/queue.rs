//! A queue of SQS and the calls to it, which are counted.

mod creating;
mod explain;
mod receiving;
mod sending;
mod transport;

use aws_sdk_sqs::error::{ProvideErrorMetadata, SdkError};
use sqs_client::{Client, QueueAddress, QueueArn, QueueAttributes, SdkConfig};

use crate::error::Error;
use crate::transport::Calls;

pub(crate) use creating::{create, create_with};

use explain::{Target, explain};

/// The region of the practical's queues.
const DEFAULT_REGION: &str = "us-east-1";
/// Attempts per call: the SDK's default.
const MAX_ATTEMPTS: u32 = 3;

/// A queue that exists.
#[derive(Debug)]
pub(crate) struct Queue {
    pub(crate) name: String,
    pub(crate) is_fifo: bool,
    pub(crate) region: String,
    pub(crate) calls: Calls,
    client: Client,
    url: String,
}

/// Returns a client and the region that it calls.
pub(crate) async fn connect() -> (Client, String) {
    connect_with(&sqs_client::config::load(Some(DEFAULT_REGION)).await)
}

/// Returns a client with this configuration, and the region that it calls.
fn connect_with(config: &SdkConfig) -> (Client, String) {
    let region = config
        .region()
        .map_or_else(|| DEFAULT_REGION.to_owned(), ToString::to_string);
    (sqs_client::config::client(config, MAX_ATTEMPTS), region)
}

impl Queue {
    /// Looks up the queue.
    pub(crate) async fn open(address: &QueueAddress) -> Result<Self, Error> {
        let (client, region) = connect().await;
        Self::find(client, region, address, None).await
    }

    /// Looks up the queue with this configuration instead of the environment's.
    pub(crate) async fn open_with(
        config: &SdkConfig,
        address: &QueueAddress,
    ) -> Result<Self, Error> {
        let (client, region) = connect_with(config);
        Self::find(client, region, address, None).await
    }

    /// Looks up another queue with the same client.
    pub(crate) async fn sibling(&self, address: &QueueAddress) -> Result<Self, Error> {
        Self::find(self.client.clone(), self.region.clone(), address, None).await
    }

    /// Looks up the queue with this ARN, with the same client.
    pub(crate) async fn by_arn(&self, arn: &str) -> Result<Self, Error> {
        let arn: QueueArn = arn
            .parse()
            .map_err(|error: sqs_client::arn::InvalidQueueArn| Error::Failed(error.to_string()))?;
        let (client, region) = (self.client.clone(), self.region.clone());
        Self::find(client, region, arn.address(), Some(arn.account())).await
    }

    async fn find(
        client: Client,
        region: String,
        address: &QueueAddress,
        account: Option<&str>,
    ) -> Result<Self, Error> {
        let mut queue = Self {
            name: address.name().to_owned(),
            is_fifo: address.is_fifo(),
            region,
            calls: Calls::default(),
            client,
            url: address.url().unwrap_or_default().to_owned(),
        };
        if address.url().is_none() {
            let call = queue.client.get_queue_url().queue_name(&queue.name);
            let call = call.set_queue_owner_aws_account_id(account.map(str::to_owned));
            queue.calls.count("GetQueueUrl", 0);
            let answer = call.send().await;
            let answer = answer.map_err(|error| queue.explain("GetQueueUrl", &error))?;
            queue.url = answer.queue_url.unwrap_or_default();
        }
        Ok(queue)
    }

    /// Returns all attributes of the queue.
    pub(crate) async fn attributes(&mut self) -> Result<QueueAttributes, Error> {
        self.calls.count("GetQueueAttributes", 0);
        let attributes = QueueAttributes::read(&self.client, &self.url).await;
        attributes.map_err(|error| self.explain("GetQueueAttributes", &error))
    }

    /// Returns the client and the queue's URL, for calls that only one command makes.
    pub(crate) fn client_and_url(&self) -> (&Client, &str) {
        (&self.client, &self.url)
    }

    /// Explains why a call to this queue failed.
    pub(crate) fn explain<E, R>(&self, action: &'static str, error: &SdkError<E, R>) -> Error
    where
        E: std::error::Error + ProvideErrorMetadata + Send + Sync + 'static,
        R: std::fmt::Debug + Send + Sync + 'static,
    {
        let target = Target {
            queue: &self.name,
            region: &self.region,
        };
        explain(action, &target, error)
    }
}
