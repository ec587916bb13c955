//! What the program needs of a queue, whichever service it belongs to.

mod calls;

use std::fmt::Debug;
use std::time::Duration;

use async_trait::async_trait;
use sqs_client::batch::Outcomes;

use crate::error::Error;
use crate::message::{Outgoing, Received};

pub(crate) use calls::{Calls, Service};

/// What the service returns for a message that it accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sent {
    pub(crate) id: String,
    /// Only on a FIFO queue of SQS.
    pub(crate) sequence_number: Option<String>,
}

/// What to receive, and how.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ReceiveRequest {
    /// The maximum number of messages, 1 to 10.
    pub(crate) max: usize,
    /// How long to wait for a message.
    pub(crate) wait: Duration,
    /// How long the messages are hidden from other subscribers; if `None`, as long as the queue's attributes say.
    pub(crate) visibility: Option<Duration>,
}

/// A connection to one queue, for a publisher or a subscriber. A subscriber receives, deletes and releases.
#[async_trait]
pub(crate) trait Transport: Debug + Send {
    /// Returns the name of the queue, for messages and reports.
    fn name(&self) -> &str;
    /// Returns the service, which decides what a call costs. By default, calls have no price.
    fn service(&self) -> Service {
        Service::Broker
    }
    /// Returns the calls that were made so far.
    fn calls(&self) -> &Calls;
    /// Sends one message, and waits until the service has confirmed it, if the service confirms messages.
    async fn send(&mut self, message: &Outgoing) -> Result<Sent, Error>;
    /// Sends at most ten messages together.
    async fn send_batch(&mut self, messages: &[Outgoing]) -> Result<Outcomes<Sent>, Error>;
    async fn receive(&mut self, request: ReceiveRequest) -> Result<Vec<Received>, Error>;
    /// Deletes at most ten messages, so that they are never delivered again.
    async fn delete(&mut self, handles: &[&str]) -> Result<Outcomes<()>, Error>;
    /// Lets at most ten messages be delivered again, to any subscriber.
    async fn release(&mut self, handles: &[&str]) -> Result<Outcomes<()>, Error>;
    /// Returns what ends the time in which a message that is not settled stays hidden from other subscribers.
    fn hidden_until(&self) -> &'static str;
    /// Leaves the service in good order, at the end of a run.
    async fn close(&mut self) {}
}
