//! Completion events: who is told when a job ends, and how.
//!
//! # Layout, in the order an event travels
//! - [`settings`], [`secret_settings`]: the topic, the webhooks, and the secret that signs for them
//! - [`webhook_url`], [`webhook_hosts`]: the URL of a webhook, and which URLs are refused
//! - [`destinations`]: who is told of the end of a new job
//! - [`receiver_kind`]: the topic and the webhooks in the settings, and two kinds of clients' webhooks
//! - [`payload`]: what an event says
//! - [`transport`], [`send_error`]: sends an event to its destination, or says why that failed
//! - [`webhook`]: the request to a webhook; [`addresses`]: to which addresses it may go; [`signature`]: its signature
//! - [`secret_command`]: prints the secret of a receiver
//! - [`topic`]: the message to an SNS topic
//!
//! The rows of the events are in [`shared_model::event_deliveries`], and
//! [`background::event_sender`](crate::background::event_sender) sends them. Nothing here can delay or fail a job.

pub mod addresses;
pub mod destinations;
pub mod payload;
pub mod receiver_kind;
pub mod secret_command;
pub mod secret_settings;
pub mod send_error;
pub mod settings;
pub mod signature;
pub mod topic;
pub mod transport;
pub mod webhook;
pub mod webhook_hosts;
pub mod webhook_url;
