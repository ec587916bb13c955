//! Resolves the host of a webhook, and refuses it if one of its addresses is not public.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::Arc;

use tokio::sync::Semaphore;

use crate::events::addresses::is_public;
use crate::events::send_error::SendError;
use crate::events::webhook_url::WebhookUrl;

/// The most lookups at the same time. Each blocks a thread until the system gives up, which may be long after the attempt
/// has, and the queries of requests need threads of the same kind.
const LOOKUPS: usize = 64;
/// The most addresses of a host that are tried.
const ADDRESSES: usize = 4;

/// Looks up hosts.
#[derive(Debug, Clone)]
pub(super) struct Resolver {
    lookups: Arc<Semaphore>,
}

impl Resolver {
    pub(super) fn new() -> Self {
        Self {
            lookups: Arc::new(Semaphore::new(LOOKUPS)),
        }
    }

    /// Returns the addresses of a webhook. All of them are public, unless the operators allow the host.
    pub(super) async fn resolve(&self, url: &WebhookUrl) -> Result<Vec<SocketAddr>, SendError> {
        let failed = |reason: String| {
            SendError::Failed(format!("{} can't be resolved: {reason}", url.host()))
        };
        let addresses = match url.host().parse::<IpAddr>() {
            Ok(address) => vec![SocketAddr::new(address, url.port())],
            Err(_) => self
                .look_up(url.host().to_owned(), url.port())
                .await
                .map_err(failed)?,
        };
        if addresses.is_empty() {
            return Err(failed("it has no address".to_owned()));
        }
        if !url.may_be_private()
            && let Some(private) = addresses.iter().find(|address| !is_public(address.ip()))
        {
            return Err(SendError::Failed(format!(
                "{} has the address {}, which is no address on the Internet; if it is yours, add the host to \
                 WEBHOOK_ALLOWED_HOSTS",
                url.host(),
                private.ip()
            )));
        }
        Ok(addresses.into_iter().take(ADDRESSES).collect())
    }

    async fn look_up(&self, host: String, port: u16) -> Result<Vec<SocketAddr>, String> {
        let permit = Arc::clone(&self.lookups).acquire_owned().await;
        let permit = permit.map_err(|error| error.to_string())?;
        let lookup = tokio::task::spawn_blocking(move || {
            // until the lookup has ended, even if nobody waits for it any more
            let _permit = permit;
            (host.as_str(), port)
                .to_socket_addrs()
                .map(Vec::from_iter)
                .map_err(|error| error.to_string())
        });
        lookup.await.unwrap_or_else(|error| Err(error.to_string()))
    }
}
