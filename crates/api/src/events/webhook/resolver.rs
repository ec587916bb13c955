//! Resolves the host of a webhook, and refuses it if one of its addresses is not public.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::Arc;

use tokio::sync::Semaphore;

use crate::events::addresses::is_public;
use crate::events::receiver_kind::ReceiverKind;
use crate::events::send_error::SendError;
use crate::events::webhook_url::WebhookUrl;

/// The most lookups at the same time for each kind of receivers. Each blocks a thread until the system
/// gives up, which may be long after the attempt has, and the queries of requests need threads of the same kind.
const LOOKUPS: usize = 64;
/// The most addresses of a host that are tried.
const ADDRESSES: usize = 4;

/// Looks up hosts. The lookups of hosts that clients have invented can hang, and other kinds of receivers must not wait for
/// them.
#[derive(Debug, Clone)]
pub(super) struct Resolver {
    own: Arc<Semaphore>,
    proven: Arc<Semaphore>,
    others: Arc<Semaphore>,
}

impl Resolver {
    pub(super) fn new() -> Self {
        Self {
            own: Arc::new(Semaphore::new(LOOKUPS)),
            proven: Arc::new(Semaphore::new(LOOKUPS)),
            others: Arc::new(Semaphore::new(LOOKUPS)),
        }
    }

    /// Returns the addresses of a webhook. All of them are public, unless they may be private.
    pub(super) async fn resolve(
        &self,
        url: &WebhookUrl,
        kind: ReceiverKind,
    ) -> Result<Vec<SocketAddr>, SendError> {
        let lookups = match kind {
            ReceiverKind::Own => &self.own,
            ReceiverKind::Proven => &self.proven,
            ReceiverKind::Other => &self.others,
        };
        find(lookups, url.host(), url.port(), url.may_be_private()).await
    }
}

async fn find(
    lookups: &Arc<Semaphore>,
    host: &str,
    port: u16,
    may_be_private: bool,
) -> Result<Vec<SocketAddr>, SendError> {
    let failed = |reason: String| SendError::Failed(format!("{host} can't be resolved: {reason}"));
    let addresses = match host.parse::<IpAddr>() {
        Ok(address) => vec![SocketAddr::new(address, port)],
        Err(_) => look_up(lookups, host.to_owned(), port)
            .await
            .map_err(failed)?,
    };
    if addresses.is_empty() {
        return Err(failed("it has no address".to_owned()));
    }
    if !may_be_private {
        check(host, &addresses)?;
    }
    Ok(addresses.into_iter().take(ADDRESSES).collect())
}

async fn look_up(
    lookups: &Arc<Semaphore>,
    host: String,
    port: u16,
) -> Result<Vec<SocketAddr>, String> {
    let permit = Arc::clone(lookups).acquire_owned().await;
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

fn check(host: &str, addresses: &[SocketAddr]) -> Result<(), SendError> {
    match addresses.iter().find(|address| !is_public(address.ip())) {
        None => Ok(()),
        Some(private) => Err(SendError::Failed(format!(
            "{host} has the address {}, which is no address on the Internet; if it is yours, add the host and its port to \
             WEBHOOK_ALLOWED_HOSTS",
            private.ip()
        ))),
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn names_for_private_addresses_are_refused_after_their_resolution() {
        let lookups = Resolver::new().others;
        for (name, address) in [
            ("127.1", "127.0.0.1"),
            ("2130706433", "127.0.0.1"),
            ("0x7f000001", "127.0.0.1"),
            ("0177.0.0.1", "127.0.0.1"),
            ("0", "0.0.0.0"),
            ("0xa9fea9fe", "169.254.169.254"),
            ("10.1", "10.0.0.1"),
        ] {
            let error = find(&lookups, name, 80, false).await.unwrap_err();
            let error = error.to_string();
            let words = format!("{name} has the address {address}, which is no address");
            assert!(error.contains(&words), "{error}");
        }
        assert!(find(&lookups, "localhost", 80, false).await.is_err());
        let addresses = find(&lookups, "localhost", 80, true).await.unwrap();
        assert!(addresses.iter().all(|one| one.ip().is_loopback()));
    }

    #[tokio::test]
    async fn lookups_that_hang_delay_no_other_kind_of_receivers() {
        let resolver = Resolver::new();
        let url = WebhookUrl::of_operators("http://localhost/").unwrap();
        let all = u32::try_from(LOOKUPS).unwrap();
        let others = resolver.others.acquire_many(all).await.unwrap();
        let resolve = |kind| resolver.resolve(&url, kind);
        assert!(resolve(ReceiverKind::Other).now_or_never().is_none());
        resolve(ReceiverKind::Proven).await.unwrap();
        let proven = resolver.proven.acquire_many(all).await.unwrap();
        assert!(resolve(ReceiverKind::Proven).now_or_never().is_none());
        resolve(ReceiverKind::Own).await.unwrap();
        drop((others, proven));
        resolve(ReceiverKind::Other).await.unwrap();
    }

    #[test]
    fn one_private_address_among_public_ones_is_enough_to_refuse_a_name() {
        let addresses =
            ["192.0.2.1", "1.1.1.1"].map(|ip| SocketAddr::new(ip.parse().unwrap(), 443));
        for private in [[addresses[0], addresses[1]], [addresses[1], addresses[0]]] {
            assert!(check("mixed.example", &private).is_err());
        }
        assert_eq!(check("public.example", &addresses[1..]), Ok(()));
    }
}
