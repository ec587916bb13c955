//! The SDK's configuration and client, with the timeouts that the SDK does not set by default.

use std::time::Duration;

use aws_config::environment::EnvironmentVariableRegionProvider;
use aws_config::meta::region::RegionProviderChain;
use aws_config::profile::ProfileFileRegionProvider;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, SdkConfig};
use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::{IdentityCache, SharedCredentialsProvider, SharedHttpClient};
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};

use crate::credentials::FileFollowingCredentials;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// The time limit for one attempt. By default the SDK waits forever, and a worker whose poll never ends does nothing.
pub const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(10);
/// The time limit for one call, including its retries.
const CALL_TIMEOUT: Duration = Duration::from_secs(25);

/// Loads region, endpoint and credentials from where every AWS tool looks for them: the environment, the configuration
/// files and the machine's role. The credentials are read again when their file changes.
///
/// `default_region` is used if neither the environment nor a profile names a region. With a default, the machine's
/// metadata service is never asked for the region: a laptop, which has none, would wait for seconds.
pub async fn load(default_region: Option<&'static str>) -> SdkConfig {
    let http = https();
    let mut loader = aws_config::defaults(BehaviorVersion::v2026_01_12())
        .http_client(http.clone())
        // our provider caches the credentials, and knows when they change
        .identity_cache(IdentityCache::no_cache());
    if let Some(default_region) = default_region {
        let region = RegionProviderChain::first_try(EnvironmentVariableRegionProvider::new())
            .or_else(ProfileFileRegionProvider::new())
            .or_else(default_region);
        loader = loader.region(region);
    }
    let config = loader.load().await;
    let credentials = FileFollowingCredentials::new(config.region().cloned(), http);
    config
        .into_builder()
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .build()
}

/// Builds a client with timeouts. A call is attempted at most `max_attempts` times.
pub fn client(config: &SdkConfig, max_attempts: u32) -> Client {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .operation_attempt_timeout(ATTEMPT_TIMEOUT)
        .operation_timeout(CALL_TIMEOUT)
        .build();
    let config = aws_sdk_sqs::config::Builder::from(config)
        .http_client(config.http_client().unwrap_or_else(https))
        .retry_config(RetryConfig::standard().with_max_attempts(max_attempts))
        .timeout_config(timeouts)
        .build();
    Client::from_conf(config)
}

/// For a call that the caller itself repeats: one attempt, which may take as long as `timeout`.
pub(crate) fn single_attempt(timeout: Duration) -> aws_sdk_sqs::config::Builder {
    let timeouts = TimeoutConfig::builder()
        .operation_attempt_timeout(timeout)
        .operation_timeout(timeout)
        .build();
    aws_sdk_sqs::Config::builder()
        .timeout_config(timeouts)
        .retry_config(RetryConfig::disabled())
}

/// Returns an HTTPS client. Uses ring for TLS, because the SDK's default takes minutes longer to compile.
pub fn https() -> SharedHttpClient {
    let ring = Provider::Rustls(CryptoMode::Ring);
    let builder = aws_smithy_http_client::Builder::new();
    SharedHttpClient::new(builder.tls_provider(ring).build_https())
}
