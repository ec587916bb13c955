//! AWS credentials that follow their file.
//!
//! The SDK reads the credentials file once. Session tokens in a mounted file rotate, so here the file's time of change
//! is looked at before each use, and a change makes the SDK's default chain read everything again.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_config::default_provider::credentials::DefaultCredentialsChain;
use aws_config::provider_config::ProviderConfig;
use aws_credential_types::Credentials;
use aws_credential_types::provider::{self, ProvideCredentials};
use aws_sdk_sqs::config::{Region, SharedHttpClient};
use tokio::sync::Mutex;

/// Credentials that end are asked for again this long before.
const REFRESH_BEFORE_END: Duration = Duration::from_mins(5);

/// The default chain, read again when the credentials file changes.
#[derive(Debug, Clone)]
pub(super) struct FollowingCredentials {
    file: Option<PathBuf>,
    region: Option<Region>,
    http: SharedHttpClient,
    current: Arc<Mutex<Option<Current>>>,
}

#[derive(Debug)]
struct Current {
    file_changed_at: Option<SystemTime>,
    chain: Arc<DefaultCredentialsChain>,
    credentials: Credentials,
}

impl FollowingCredentials {
    pub(super) fn new(region: Option<Region>, http: SharedHttpClient) -> Self {
        Self {
            file: credentials_file(),
            region,
            http,
            current: Arc::default(),
        }
    }

    async fn provide(&self) -> provider::Result {
        let file_changed_at = self
            .file
            .as_ref()
            .and_then(|file| file.metadata().ok()?.modified().ok());
        let mut current = self.current.lock().await;
        let chain = match current.as_ref() {
            Some(current) if current.file_changed_at == file_changed_at => {
                if is_fresh(&current.credentials) {
                    return Ok(current.credentials.clone());
                }
                Arc::clone(&current.chain)
            }
            known => {
                if known.is_some() {
                    log::info!("the AWS credentials file changed; reading it again");
                }
                // a new one each time: its clones share the files as they were first read
                let provider_config = ProviderConfig::without_region()
                    .with_region(self.region.clone())
                    .with_http_client(self.http.clone());
                let builder = DefaultCredentialsChain::builder().configure(provider_config);
                Arc::new(builder.build().await)
            }
        };
        let credentials = chain.provide_credentials().await?;
        *current = Some(Current {
            file_changed_at,
            chain,
            credentials: credentials.clone(),
        });
        Ok(credentials)
    }
}

impl ProvideCredentials for FollowingCredentials {
    fn provide_credentials<'a>(&'a self) -> provider::future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        provider::future::ProvideCredentials::new(self.provide())
    }
}

/// A folder in the place of the credentials file.
pub(super) fn folder() -> Option<PathBuf> {
    credentials_file().filter(|file| file.is_dir())
}

fn is_fresh(credentials: &Credentials) -> bool {
    credentials
        .expiry()
        .is_none_or(|end| end > SystemTime::now() + REFRESH_BEFORE_END)
}

/// Where every AWS tool looks: <https://docs.aws.amazon.com/sdkref/latest/guide/file-location.html>
fn credentials_file() -> Option<PathBuf> {
    #[expect(
        clippy::disallowed_methods,
        reason = "AWS's own variables, which the SDK reads too"
    )]
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    variable("AWS_SHARED_CREDENTIALS_FILE")
        .map(PathBuf::from)
        .or_else(|| variable("HOME").map(|home| PathBuf::from(home).join(".aws/credentials")))
}
