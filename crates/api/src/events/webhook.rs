//! The request to a webhook.
//!
//! # Layout
//! - `resolver`: the addresses of a host, if all of them are allowed
//! - `connection`: TCP and TLS, to exactly these addresses
//! - `exchange`: one request, and the head of its response

mod connection;
mod exchange;
mod resolver;

use std::time::{Duration, SystemTime};

use http_body_util::Full;
use hyper::Request;
use hyper::body::Bytes;
use hyper::header::{CONNECTION, CONTENT_TYPE, HOST, HeaderValue, USER_AGENT};
use shared_model::event_deliveries::OWN;

use crate::events::payload::Payload;
use crate::events::receiver_kind::ReceiverKind;
use crate::events::secret_settings::SecretSettings;
use crate::events::send_error::SendError;
use crate::events::settings::EventSettings;
use crate::events::signature::WebhookSecrets;
use crate::events::webhook_hosts::WebhookHosts;
use crate::events::webhook_url::WebhookUrl;
use connection::Connector;

const AGENT: &str = concat!("TaskOverflow/", env!("CARGO_PKG_VERSION"));

/// Sends signed requests to webhooks.
#[derive(Debug)]
pub struct Webhooks {
    secrets: SecretSettings,
    /// Those in the settings.
    own: Vec<WebhookUrl>,
    allowed_hosts: WebhookHosts,
    connector: Connector,
    timeout: Duration,
}

impl Webhooks {
    /// Returns `None` if no secret is configured. An attempt fails after `timeout`.
    pub fn new(settings: &EventSettings, timeout: Duration) -> Option<Self> {
        settings.has_webhooks().then(|| Self {
            secrets: settings.secrets.clone(),
            own: settings.urls(),
            allowed_hosts: settings.webhook_allowed_hosts.clone(),
            connector: Connector::new(),
            timeout,
        })
    }

    /// Sends an event to a destination, which is checked again, because the settings may have changed since it was stored.
    ///
    /// # Errors
    /// Returns an error if the destination is not in the settings any more, if a client's URL or one of its addresses is
    /// not allowed, or if the receiver did not answer with a status of success in time.
    pub async fn send(
        &self,
        destination: &str,
        kind: ReceiverKind,
        payload: &Payload,
        body: String,
    ) -> Result<(), SendError> {
        let attempt = async {
            let url = self.check(destination)?;
            let request = self.request(&url, payload, body).await?;
            let addresses = self.connector.resolve(&url, kind).await?;
            let stream = self.connector.connect(&url, &addresses).await?;
            exchange::exchange(stream, request).await
        };
        tokio::time::timeout(self.timeout, attempt)
            .await
            .unwrap_or_else(|_elapsed| Err(SendError::timed_out(self.timeout)))
    }

    /// Only what was stored as an operators' destination, and is still in the settings, may have any address. A client's URL
    /// may not, even if the settings name the same.
    fn check(&self, destination: &str) -> Result<WebhookUrl, SendError> {
        let Some(url) = destination.strip_prefix(OWN) else {
            let url = WebhookUrl::of_client(destination, &self.allowed_hosts);
            return url.map_err(|error| SendError::Local(format!("the URL {error}")));
        };
        let own = self.own.iter().find(|own| own.as_str() == url);
        own.cloned()
            .ok_or_else(|| SendError::Local("the URL is not in WEBHOOK_URLS any more".to_owned()))
    }

    async fn secrets(&self) -> Result<WebhookSecrets, SendError> {
        let settings = self.secrets.clone();
        let read = tokio::task::spawn_blocking(move || settings.read());
        let read = read.await.unwrap_or_else(|error| Err(error.to_string()));
        read.map_err(SendError::Local)
    }

    async fn request(
        &self,
        url: &WebhookUrl,
        payload: &Payload,
        body: String,
    ) -> Result<Request<Full<Bytes>>, SendError> {
        let secrets = self.secrets().await?.of_receiver(&url.origin());
        let timestamp = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .map_or(0, |age| age.as_secs());
        let mut request = Request::post(url.path_and_query())
            .header(HOST, url.authority())
            .header(USER_AGENT, AGENT)
            .header(CONTENT_TYPE, "application/json")
            .header(CONNECTION, "close")
            .header("webhook-id", &payload.id)
            .header("webhook-timestamp", timestamp)
            .header(
                "webhook-signature",
                secrets.sign(&payload.id, timestamp, body.as_bytes()),
            );
        let trace = payload.traceparent.as_deref().map(HeaderValue::from_str);
        if let Some(Ok(trace)) = trace {
            request = request.header("traceparent", trace);
        }
        request
            .body(Full::from(body))
            .map_err(|error| SendError::Local(error.to_string()))
    }
}
