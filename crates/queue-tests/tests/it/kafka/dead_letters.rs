//! Messages of Kafka that can't be read.

use std::sync::Arc;

use job_queue::{BatchOutcome, Rejection, Subscription};
use local_services::testing::eventually;
use queue_tests::kafka::{Kafka, TopicState};
use shared_model::job::JobId;

use super::{new_setup, receive_count};
use crate::setup::Setup;

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_cannot_be_read_is_moved_to_the_dead_letters_of_kafka() {
    let kafka = Kafka::shared();
    let with = new_setup(1);
    let without = format!("plain-{}", JobId::new());
    kafka.create_topic(&without, 1, 1).unwrap();
    let without = Setup::of(kafka.url(&without));
    for setup in [&with, &without] {
        kafka.send(setup.name(), "garbage").await.unwrap();
        let subscription = setup.subscription();
        let delivery = receive_count(subscription.as_ref(), 1).await.pop().unwrap();
        assert!(delivery.message.is_err());
        let outcome = subscription.reject(&[delivery.reject()]).await;
        assert_eq!(outcome, [BatchOutcome::Done]);
        eventually("it has left the topic", async || setup.depth().await == 0).await;
    }
    let depth = with.publisher().depth().await.unwrap();
    assert_eq!(depth.dead_letters, Ok(Some(1)));
    let dead = format!("{}.dead", with.name());
    let found = tokio::task::spawn_blocking(move || kafka.first_message(&dead));
    assert_eq!(found.await.unwrap().unwrap(), "garbage");
    let depth = without.publisher().depth().await.unwrap();
    assert_eq!(depth.dead_letters, Ok(None));
}

/// A server whose topic contains a message that can't be read, and the worker that has received it.
struct Unreadable {
    kafka: Kafka,
    setup: Setup,
    worker: Arc<dyn Subscription>,
    rejections: [Rejection; 1],
}

impl Unreadable {
    async fn received() -> Self {
        let kafka = Kafka::start(1).unwrap();
        let setup = Setup::of(kafka.new_topic(1));
        kafka.send(setup.name(), "garbage").await.unwrap();
        let worker = setup.subscription();
        let delivery = receive_count(worker.as_ref(), 1).await.pop().unwrap();
        Self {
            kafka,
            setup,
            worker,
            rejections: [delivery.reject()],
        }
    }

    fn describe_dead_letters_as(&self, state: TopicState) {
        let topic = format!("{}.dead", self.setup.name());
        self.kafka.describe_as(&topic, state).unwrap();
    }

    async fn reject(&self) -> BatchOutcome {
        let outcomes = self.worker.reject(&self.rejections).await;
        let [outcome] = outcomes.try_into().unwrap();
        outcome
    }

    /// Waits until the message has left its topic, and returns how many there are in the other one.
    async fn settled(&self) -> u64 {
        let Self { setup, .. } = self;
        eventually("it has left the topic", async || setup.depth().await == 0).await;
        let depth = setup.publisher().depth().await.unwrap();
        depth.dead_letters.unwrap().unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_the_dead_letters_of_kafka_never_take_holds_up_no_others() {
    let too_long = Unreadable::received().await;
    too_long.kafka.refuse_length().unwrap();
    assert_eq!(too_long.reject().await, BatchOutcome::Done);
    assert_eq!(too_long.settled().await, 0);

    let forbidden = Unreadable::received().await;
    forbidden.describe_dead_letters_as(TopicState::Forbidden);
    let found = forbidden.setup.findings().await;
    assert_eq!(found.unusable, [""; 0]);
    let expected = format!("use the topic {}.dead: a message", forbidden.setup.name());
    let mut warnings = found.warnings.iter();
    assert!(
        warnings.any(|warning| warning.contains(&expected)),
        "{found:?}"
    );
    assert_eq!(forbidden.reject().await, BatchOutcome::Done);
    forbidden.describe_dead_letters_as(TopicState::Usable);
    assert_eq!(forbidden.settled().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_the_dead_letters_of_kafka_do_not_take_now_is_kept() {
    let unreadable = Unreadable::received().await;
    unreadable.describe_dead_letters_as(TopicState::WithoutLeader);
    let outcome = unreadable.reject().await;
    assert!(matches!(outcome, BatchOutcome::Failed(_)), "{outcome:?}");
    assert_eq!(unreadable.setup.depth().await, 1);
    unreadable.describe_dead_letters_as(TopicState::Usable);
    assert_eq!(unreadable.reject().await, BatchOutcome::Done);
    assert_eq!(unreadable.settled().await, 1);
}
