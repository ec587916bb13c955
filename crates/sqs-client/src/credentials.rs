//! AWS credentials that follow their file.
//!
//! The SDK reads the credentials file only once, so it would never see the session tokens that rotate in a mounted file.
//! This provider checks the file's modification time before each use. If it changed, the SDK's default chain reads
//! everything again.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_config::default_provider::credentials::DefaultCredentialsChain;
use aws_config::provider_config::ProviderConfig;
use aws_credential_types::Credentials;
use aws_credential_types::provider::{self, ProvideCredentials};
use aws_sdk_sqs::config::{Region, SharedHttpClient};
use tokio::sync::Mutex;

/// Credentials are renewed this long before they expire.
const RENEWAL_MARGIN: Duration = Duration::from_mins(5);

/// The default chain, read again when the credentials file changes.
#[derive(Debug, Clone)]
pub(crate) struct FileFollowingCredentials {
    file: Option<PathBuf>,
    region: Option<Region>,
    http: SharedHttpClient,
    current: Arc<Mutex<Option<Current>>>,
}

#[derive(Debug)]
struct Current {
    file_modified_at: Option<SystemTime>,
    chain: Arc<DefaultCredentialsChain>,
    credentials: Credentials,
}

impl FileFollowingCredentials {
    pub(crate) fn new(region: Option<Region>, http: SharedHttpClient) -> Self {
        Self {
            file: credentials_file(),
            region,
            http,
            current: Arc::default(),
        }
    }

    async fn provide(&self) -> provider::Result {
        let file_modified_at = self
            .file
            .as_ref()
            .and_then(|file| file.metadata().ok()?.modified().ok());
        let mut current = self.current.lock().await;
        let chain = match current.as_ref() {
            Some(current) if current.file_modified_at == file_modified_at => {
                if is_fresh(&current.credentials) {
                    return Ok(current.credentials.clone());
                }
                Arc::clone(&current.chain)
            }
            outdated => {
                if outdated.is_some() {
                    log::info!("the AWS credentials file changed; reading it again");
                }
                Arc::new(self.new_chain().await)
            }
        };
        let credentials = chain.provide_credentials().await?;
        *current = Some(Current {
            file_modified_at,
            chain,
            credentials: credentials.clone(),
        });
        Ok(credentials)
    }

    /// Built anew for each version of the file: a clone would share the files as they were first read.
    async fn new_chain(&self) -> DefaultCredentialsChain {
        let config = ProviderConfig::without_region()
            .with_region(self.region.clone())
            .with_http_client(self.http.clone());
        let builder = DefaultCredentialsChain::builder().configure(config);
        builder.build().await
    }
}

impl ProvideCredentials for FileFollowingCredentials {
    fn provide_credentials<'a>(&'a self) -> provider::future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        provider::future::ProvideCredentials::new(self.provide())
    }
}

/// Returns the path of the credentials file if there is a folder in its place.
pub(crate) fn folder_in_place_of_file() -> Option<PathBuf> {
    credentials_file().filter(|file| file.is_dir())
}

fn is_fresh(credentials: &Credentials) -> bool {
    credentials
        .expiry()
        .is_none_or(|expiry| expiry > SystemTime::now() + RENEWAL_MARGIN)
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
