//! Connecting to a server.

use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, IntoConnectionInfo, RedisConnectionInfo,
    TlsCertificates,
};
use tokio::time::timeout;

use super::address::Address;
use super::error::{explain, explain_refusal, no_connection, wrong_authorities};
use crate::error::QueueError;

/// How long connecting may take, with TLS and the password.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Connects to the server or, if the stream has moved, to the node `moved_to`. The connection has no time limit for an
/// answer.
pub(super) async fn connect(
    address: &Address,
    moved_to: Option<&(String, u16)>,
) -> Result<MultiplexedConnection, QueueError> {
    let client = client(address, moved_to)?;
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(None)
        .set_response_timeout(None);
    let connecting = client.get_multiplexed_async_connection_with_config(&config);
    match timeout(CONNECT_TIMEOUT, connecting).await {
        Ok(connected) => connected.map_err(|error| explain_refusal(&error, address)),
        Err(_elapsed) => Err(no_connection(address)),
    }
}

fn client(to: &Address, moved_to: Option<&(String, u16)>) -> Result<Client, QueueError> {
    let (host, port) = match moved_to {
        Some((host, port)) => (host.clone(), *port),
        None => (to.host().to_owned(), to.address.port()),
    };
    let address = if to.address.is_tls {
        ConnectionAddr::TcpTls {
            host,
            port,
            insecure: false,
            tls_params: None,
        }
    } else {
        ConnectionAddr::Tcp(host, port)
    };
    let connection = address
        .into_connection_info()
        .map_err(|error| explain(&error, to))?
        .set_redis_settings(login(to)?);
    let authorities = to.access.authorities()?.filter(|_| to.address.is_tls);
    let Some(authorities) = authorities else {
        return Client::open(connection).map_err(|error| explain(&error, to));
    };
    let certificates = TlsCertificates {
        client_tls: None,
        root_cert: Some(authorities),
    };
    Client::build_with_tls(connection, certificates).map_err(|error| wrong_authorities(&error))
}

/// Returns what the client says first.
fn login(to: &Address) -> Result<RedisConnectionInfo, QueueError> {
    let database = to
        .address
        .option("db")
        .and_then(|number| number.parse().ok());
    let mut login = RedisConnectionInfo::default()
        .set_db(database.unwrap_or_default())
        .set_lib_name("taskoverflow", env!("CARGO_PKG_VERSION"));
    if let Some(user) = &to.address.user {
        login = login.set_username(user);
    }
    if let Some(password) = to.access.password(&to.address)? {
        login = login.set_password(password.expose());
    }
    Ok(login)
}
