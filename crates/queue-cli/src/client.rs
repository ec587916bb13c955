//! The SDK's client: credentials, region and endpoint as every AWS tool finds them, and times within which SQS answers.

use std::time::Duration;

use aws_config::BehaviorVersion;
use aws_config::environment::EnvironmentVariableRegionProvider;
use aws_config::meta::region::RegionProviderChain;
use aws_config::profile::ProfileFileRegionProvider;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_sqs::Client;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};

/// Where the practical's queues are.
const DEFAULT_REGION: &str = "us-east-1";

const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// Of one try. The SDK waits for ever by default.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(10);
/// Of one call with its retries.
const OPERATION_TIMEOUT: Duration = Duration::from_secs(30);

/// A client and the region that it calls.
pub(crate) async fn connect() -> (Client, String) {
    // ring: the SDK's default TLS takes minutes longer to build
    let https = aws_smithy_http_client::Builder::new()
        .tls_provider(Provider::Rustls(CryptoMode::Ring))
        .build_https();
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .operation_attempt_timeout(ATTEMPT_TIMEOUT)
        .operation_timeout(OPERATION_TIMEOUT)
        .build();
    // not of the machine's metadata service, which a laptop waits seconds for
    let region = RegionProviderChain::first_try(EnvironmentVariableRegionProvider::new())
        .or_else(ProfileFileRegionProvider::new())
        .or_else(DEFAULT_REGION);
    let config = aws_config::defaults(BehaviorVersion::v2026_01_12())
        .http_client(https)
        .region(region)
        .retry_config(RetryConfig::standard())
        .timeout_config(timeouts)
        .load()
        .await;
    let region = config
        .region()
        .map_or_else(|| DEFAULT_REGION.to_owned(), ToString::to_string);
    (Client::new(&config), region)
}
