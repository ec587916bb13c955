//! The thread that receives messages and tells Kafka what is settled. It asks Kafka all the time, also while every job
//! runs or the worker is paused: a consumer that does not would have to leave the group, and delays its changes.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext, Rebalance};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::topic_partition_list::TopicPartitionListElem;
use rdkafka::{Message, Offset, TopicPartitionList};

use super::client::{Place, Watch};
use super::error;
use super::inbox::{Flow, Inbox};
use crate::error::QueueError;

/// How long one call waits for messages, and how late the reader notices that it should leave.
const POLL: Duration = Duration::from_millis(100);
/// How often librdkafka is told what is settled.
const STORE_INTERVAL: Duration = POLL;

/// A member of the group of the workers. Dropping it lets the thread end soon.
#[derive(Debug)]
pub(super) struct Reader {
    inbox: Arc<Inbox>,
    thread: JoinHandle<()>,
}

impl Reader {
    /// Starts to receive. Makes no call yet.
    ///
    /// # Errors
    /// Returns an error if the settings are refused.
    pub(super) fn start(place: &Place) -> Result<Self, QueueError> {
        let inbox = Arc::new(Inbox::default());
        let member = Member {
            watch: Watch::default(),
            inbox: Arc::clone(&inbox),
            topic: place.topic().to_owned(),
        };
        let consumer: BaseConsumer<Member> = place
            .group_settings()?
            .create_with_context(member)
            .map_err(|failure| error::explain_creation(&failure))?;
        let subscribed = consumer.subscribe(&[place.topic()]);
        subscribed.map_err(|failure| error::explain(&failure, place.topic()))?;
        let reading = Arc::clone(&inbox);
        let thread = std::thread::Builder::new()
            .name("kafka".to_owned())
            .spawn(move || read(consumer, &reading))
            .map_err(|failure| QueueError::Unavailable(failure.to_string()))?;
        Ok(Self { inbox, thread })
    }

    pub(super) fn inbox(&self) -> &Arc<Inbox> {
        &self.inbox
    }

    /// Returns whether it receives nothing any more.
    pub(super) fn has_ended(&self) -> bool {
        self.thread.is_finished()
    }

    /// Tells Kafka what is settled, and leaves the group.
    pub(super) async fn leave(self) {
        self.inbox.close();
        while !self.has_ended() {
            tokio::time::sleep(POLL / 10).await;
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.inbox.close();
    }
}

/// What librdkafka tells the member of a group.
struct Member {
    watch: Watch,
    inbox: Arc<Inbox>,
    topic: String,
}

impl ClientContext for Member {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.watch.log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.watch.error(error, reason);
    }
}

impl ConsumerContext for Member {
    fn pre_rebalance(&self, consumer: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        match rebalance {
            Rebalance::Assign(list) => self.inbox.assign(&partitions(list)),
            Rebalance::Revoke(list) => {
                let positions = self.inbox.revoke(&partitions(list));
                // Otherwise those that are paused would stay so if they came back.
                hold(consumer.resume(list));
                // What another worker already has is no longer this one's to store.
                if !consumer.assignment_lost() {
                    self.store(consumer, &positions);
                }
            }
            Rebalance::Error(failure) => {
                log::debug!(error:% = failure; "the group of Kafka did not change");
            }
        }
    }
}

impl Member {
    fn list(&self, partitions: &[i32]) -> TopicPartitionList {
        let mut list = TopicPartitionList::with_capacity(partitions.len());
        for partition in partitions {
            list.add_partition(&self.topic, *partition);
        }
        list
    }

    /// Lets librdkafka tell Kafka what is settled: soon, and before it gives up a partition.
    fn store(&self, consumer: &BaseConsumer<Self>, positions: &[(i32, i64)]) {
        if positions.is_empty() {
            return;
        }
        let mut list = TopicPartitionList::new();
        let added = positions.iter().try_for_each(|(partition, position)| {
            list.add_partition_offset(&self.topic, *partition, Offset::Offset(*position))
        });
        if let Err(failure) = added.and_then(|()| consumer.store_offsets(&list)) {
            // The partition belongs to another worker already. The messages come again there, and are stale.
            log::debug!(error:% = failure; "Kafka is not told what is settled");
        }
    }
}

fn partitions(list: &TopicPartitionList) -> Vec<i32> {
    let elements = list.elements();
    elements
        .iter()
        .map(TopicPartitionListElem::partition)
        .collect()
}

fn read(consumer: BaseConsumer<Member>, inbox: &Inbox) {
    let member = Arc::clone(consumer.context());
    let mut stored_at = Instant::now();
    while !inbox.is_closed() {
        match consumer.poll(POLL) {
            Some(Ok(message)) => inbox.add(
                message.partition(),
                message.offset(),
                message.payload().unwrap_or_default(),
            ),
            Some(Err(failure)) => {
                match member.watch.take_refusal() {
                    None => report(&failure, &member),
                    // Other servers have let it in.
                    Some(refusal) if inbox.is_assigned() => {
                        log::warn!(error:% = refusal; "a server of Kafka refuses the worker");
                    }
                    Some(refusal) => {
                        // A new reader reads the password again.
                        inbox.fail(refusal);
                        break;
                    }
                }
            }
            None => {}
        }
        let Flow { pause, resume } = inbox.flow();
        if !pause.is_empty() {
            hold(consumer.pause(&member.list(&pause)));
        }
        if !resume.is_empty() {
            hold(consumer.resume(&member.list(&resume)));
        }
        if stored_at.elapsed() >= STORE_INTERVAL {
            member.store(&consumer, &inbox.take_unstored());
            stored_at = Instant::now();
        }
    }
    member.store(&consumer, &inbox.revoke_all());
    // Tells Kafka, and leaves the group.
    drop(consumer);
}

/// Tells the worker that nothing can arrive, unless the failure concerns only one of several servers. A connection that breaks
/// while the user logs in has the same codes as a refusal of the user, which is handled before.
fn report(failure: &KafkaError, member: &Member) {
    use RDKafkaErrorCode::{
        Authentication, BrokerTransportFailure, Resolve, SSL, SaslAuthenticationFailed,
    };
    match failure.rdkafka_error_code() {
        Some(
            BrokerTransportFailure | Resolve | Authentication | SaslAuthenticationFailed | SSL,
        ) => {}
        _ => member.inbox.fail(error::explain(failure, &member.topic)),
    }
}

fn hold(done: KafkaResult<()>) {
    if let Err(failure) = done {
        log::debug!(error:% = failure; "could not pause or resume the partitions");
    }
}
