//! Sends messages and waits for the confirmations.

use std::sync::{Mutex, MutexGuard, PoisonError};

use futures_util::future::join_all;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{FutureProducer, FutureRecord};

use super::client::{Place, Watch};
use super::error;
use crate::error::QueueError;

/// How long librdkafka tries to send a message, in milliseconds. The relay waits for 10 s.
const MESSAGE_TIMEOUT: &str = "9000";

/// Sends to topics. Connects when it is needed, and again after its user was refused.
#[derive(Debug)]
pub(super) struct Sender {
    place: Place,
    client: Mutex<Option<Client>>,
}

#[derive(Clone)]
struct Client {
    producer: FutureProducer<Watch>,
    watch: Watch,
}

/// A message to be sent.
#[derive(Debug, Clone, Copy)]
pub(super) struct Record<'a> {
    /// Messages with the same key are in the same partition.
    pub(super) key: &'a str,
    pub(super) body: &'a [u8],
}

impl Sender {
    /// Makes no connection yet.
    pub(super) fn new(place: Place) -> Self {
        Self {
            place,
            client: Mutex::default(),
        }
    }

    /// Sends messages to a topic, all of them before it waits for the first confirmation. Returns for each whether all
    /// copies that Kafka requires are stored, or why not.
    ///
    /// # Errors
    /// Returns an error if no message could be sent because Kafka does not answer, or refuses the user.
    pub(super) async fn send(
        &self,
        topic: &str,
        records: &[Record<'_>],
    ) -> Result<Vec<Result<(), KafkaError>>, QueueError> {
        let Client { producer, watch } = self.client()?;
        let sending = records.iter().map(async |record| {
            let record = FutureRecord::to(topic).key(record.key).payload(record.body);
            match producer.send_result(record) {
                Ok(confirming) => match confirming.await {
                    Ok(Ok(_)) => Ok(()),
                    Ok(Err((error, _message))) => Err(error),
                    Err(_canceled) => Err(KafkaError::Canceled),
                },
                Err((error, _record)) => Err(error),
            }
        });
        let outcomes = join_all(sending).await;
        let Some(first) = outcomes.iter().find_map(|outcome| outcome.as_ref().err()) else {
            // If a server has refused the user, another one has not. That explains no later failure.
            watch.take_refusal();
            return Ok(outcomes);
        };
        if let Some(refusal) = watch.refusal() {
            self.discard();
            return Err(refusal);
        }
        let is_silent = |outcome: &Result<(), KafkaError>| outcome.as_ref().is_err_and(is_silence);
        if outcomes.iter().all(is_silent) {
            return Err(error::explain(first, topic));
        }
        Ok(outcomes)
    }

    fn client(&self) -> Result<Client, QueueError> {
        let mut slot = self.slot();
        if let Some(client) = slot.as_ref() {
            return Ok(client.clone());
        }
        let watch = Watch::default();
        let producer = self
            .place
            .settings()?
            .set("acks", "all")
            .set("message.timeout.ms", MESSAGE_TIMEOUT)
            .set("linger.ms", "2")
            .set("partitioner", "murmur2_random")
            .create_with_context(watch.clone())
            .map_err(|failure| error::explain_creation(&failure))?;
        let client = Client { producer, watch };
        *slot = Some(client.clone());
        Ok(client)
    }

    /// Closes the connections, so that the next call reads the password again.
    fn discard(&self) {
        let discarded = self.slot().take();
        // It waits for what is being sent.
        tokio::task::spawn_blocking(move || drop(discarded));
    }

    fn slot(&self) -> MutexGuard<'_, Option<Client>> {
        self.client.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns whether an error only says that Kafka did not answer.
fn is_silence(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(RDKafkaErrorCode::MessageTimedOut | RDKafkaErrorCode::BrokerTransportFailure)
    )
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}
