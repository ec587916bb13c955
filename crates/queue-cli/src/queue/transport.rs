//! A queue of SQS as a transport.

use async_trait::async_trait;
use sqs_client::batch::Outcomes;

use super::Queue;
use crate::error::Error;
use crate::message::{Outgoing, Received};
use crate::transport::{Calls, ReceiveRequest, Sent, Service, Transport};

#[async_trait]
impl Transport for Queue {
    fn name(&self) -> &str {
        &self.name
    }

    fn service(&self) -> Service {
        Service::sqs(self.is_fifo)
    }

    fn calls(&self) -> &Calls {
        &self.calls
    }

    async fn send(&mut self, message: &Outgoing) -> Result<Sent, Error> {
        Queue::send(self, message).await
    }

    async fn send_batch(&mut self, messages: &[Outgoing]) -> Result<Outcomes<Sent>, Error> {
        Queue::send_batch(self, messages).await
    }

    async fn receive(&mut self, request: ReceiveRequest) -> Result<Vec<Received>, Error> {
        Queue::receive(self, request).await
    }

    async fn delete(&mut self, handles: &[&str]) -> Result<Outcomes<()>, Error> {
        Queue::delete(self, handles).await
    }

    async fn release(&mut self, handles: &[&str]) -> Result<Outcomes<()>, Error> {
        Queue::release(self, handles).await
    }

    fn hidden_until(&self) -> &'static str {
        "their visibility timeout ends"
    }
}
