//! How to connect to a queue that is compared.

use std::collections::BTreeMap;

use aws_sdk_sqs::config::{Credentials, Region, SharedCredentialsProvider};
use broker_address::BrokerAccess;
use sqs_client::{QueueAddress, SdkConfig};

use super::topic::Topic;
use crate::broker::{self, BrokerUrl, Role};
use crate::error::Error;
use crate::queue::Queue;
use crate::target::Target;
use crate::transport::Transport;

/// The region and the keys of a local endpoint, which accepts any.
const REGION: &str = "us-east-1";
const LOCAL: &str = "local";

/// A queue, or a topic of SNS.
#[derive(Debug, Clone)]
pub(super) enum Address {
    /// A queue of SQS: at this local endpoint, or else where the environment says.
    Sqs {
        address: QueueAddress,
        endpoint: Option<String>,
    },
    /// A topic of SNS, by its ARN, at this local endpoint.
    Topic {
        arn: String,
        endpoint: String,
    },
    Broker(BrokerUrl),
}

impl From<Target> for Address {
    fn from(target: Target) -> Self {
        match target {
            Target::Sqs(address) => Self::Sqs {
                address,
                endpoint: None,
            },
            Target::Broker(url) => Self::Broker(url),
        }
    }
}

impl Address {
    /// Connects.
    pub(super) async fn open(&self, role: Role) -> Result<Box<dyn Transport>, Error> {
        match self {
            Self::Sqs {
                address,
                endpoint: None,
            } => Ok(Box::new(Queue::open(address).await?)),
            Self::Sqs {
                address,
                endpoint: Some(endpoint),
            } => {
                let config = local_config(endpoint).await;
                Ok(Box::new(Queue::open_with(&config, address).await?))
            }
            Self::Topic { arn, endpoint } => {
                let config = local_config(endpoint).await;
                Ok(Box::new(Topic::new(&config, arn.clone())))
            }
            Self::Broker(url) => broker::open(url, role).await,
        }
    }

    pub(super) fn is_fifo(&self) -> bool {
        matches!(self, Self::Sqs { address, .. } if address.is_fifo())
    }

    /// Returns the text from which another process parses a `Target`. It contains the password.
    pub(super) fn to_secret_url(&self) -> String {
        match self {
            Self::Sqs { address, .. } => address.to_string(),
            Self::Topic { arn, .. } => arn.clone(),
            Self::Broker(url) => url.with_password(),
        }
    }

    /// Returns the files that another process needs to connect.
    pub(super) fn access(&self) -> BrokerAccess {
        match self {
            Self::Sqs { .. } | Self::Topic { .. } => BrokerAccess::default(),
            Self::Broker(url) => url.access.clone(),
        }
    }

    /// Returns the environment variables with which another process finds the local endpoint.
    pub(super) fn environment(&self) -> BTreeMap<&'static str, String> {
        let Self::Sqs {
            endpoint: Some(endpoint),
            ..
        } = self
        else {
            return BTreeMap::new();
        };
        BTreeMap::from([
            ("AWS_ENDPOINT_URL_SQS", endpoint.clone()),
            ("AWS_REGION", REGION.to_owned()),
            ("AWS_ACCESS_KEY_ID", LOCAL.to_owned()),
            ("AWS_SECRET_ACCESS_KEY", LOCAL.to_owned()),
        ])
    }
}

/// Returns the configuration for a local endpoint. Its keys are worthless, so that a comparison never costs money unless
/// the user names a queue of AWS.
pub(super) async fn local_config(endpoint: &str) -> SdkConfig {
    let keys = Credentials::new(LOCAL, LOCAL, None, None, LOCAL);
    sqs_client::config::load(Some(REGION))
        .await
        .into_builder()
        .endpoint_url(endpoint)
        .region(Region::new(REGION))
        .credentials_provider(SharedCredentialsProvider::new(keys))
        .build()
}
