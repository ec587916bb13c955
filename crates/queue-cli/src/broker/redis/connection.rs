//! Connections to Redis, and their errors in words.

use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, ErrorKind, IntoConnectionInfo,
    RedisConnectionInfo, RedisError, TlsCertificates,
};

use crate::broker::{BrokerUrl, create_command};
use crate::error::Error;

pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Longer than any command waits.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(15);

/// Returns a client, which has not connected yet.
pub(super) fn client(url: &BrokerUrl) -> Result<Client, Error> {
    let from = &url.address;
    let (host, port) = (from.host().to_owned(), from.port());
    let address = if from.is_tls {
        ConnectionAddr::TcpTls {
            host,
            port,
            insecure: false,
            tls_params: None,
        }
    } else {
        ConnectionAddr::Tcp(host, port)
    };
    let database = from.option("db").and_then(|number| number.parse().ok());
    let mut account = RedisConnectionInfo::default().set_db(database.unwrap_or_default());
    if let Some(user) = &from.user {
        account = account.set_username(user);
    }
    if let Some(password) = url.password()? {
        account = account.set_password(password.expose());
    }
    let certificates = url.authorities()?.map(|authorities| TlsCertificates {
        client_tls: None,
        root_cert: Some(authorities),
    });
    address
        .into_connection_info()
        .map(|info| info.set_redis_settings(account))
        .and_then(|info| match certificates {
            Some(certificates) => Client::build_with_tls(info, certificates),
            None => Client::open(info),
        })
        .map_err(|error| explain("CONNECT", url, &error))
}

/// Connects, and logs in if the URL has a user or a password.
pub(super) async fn connect(url: &BrokerUrl) -> Result<MultiplexedConnection, Error> {
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(CONNECT_TIMEOUT))
        .set_response_timeout(Some(RESPONSE_TIMEOUT));
    let connection = client(url)?
        .get_multiplexed_async_connection_with_config(&config)
        .await;
    connection.map_err(|error| explain("CONNECT", url, &error))
}

/// Explains why a command failed, and what a person can do about it.
pub(super) fn explain(action: &'static str, url: &BrokerUrl, error: &RedisError) -> Error {
    match error.code() {
        _ if error.kind() == ErrorKind::AuthenticationFailed => refused(url, error),
        Some("WRONGPASS" | "NOAUTH" | "NOPERM") => refused(url, error),
        Some("NOGROUP") => missing(url),
        Some("WRONGTYPE") => Error::Setup(format!(
            "{} contains something else than a stream: choose another name",
            url.name()
        )),
        _ => Error::Failed(format!("{action} on {url} failed: {error}")),
    }
}

fn refused(url: &BrokerUrl, error: &RedisError) -> Error {
    Error::Setup(format!(
        "Redis refuses the user or password, or the command, for {url}: {error}"
    ))
}

/// The error for a stream, or a group, that does not exist.
pub(super) fn missing(url: &BrokerUrl) -> Error {
    Error::Setup(format!(
        "there is no stream {} with a group of this program: check the URL, or create it with: {}",
        url.name(),
        create_command(url)
    ))
}
