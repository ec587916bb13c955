//! Topics of Kafka that workers can't use for a while.

use job_queue::QueueError;
use local_services::testing::eventually;
use queue_tests::kafka::{Kafka, TopicState};
use tokio_util::sync::CancellationToken;

use crate::setup::{Setup, take_all};

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_of_kafka_whose_topic_is_deleted_says_so_until_there_is_one_again() {
    is_refused_until_it_is_usable(TopicState::Missing, "Kafka has no topic").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_of_kafka_that_may_not_use_its_topic_says_so_until_it_may() {
    let reason = "Kafka does not let this user use the topic";
    is_refused_until_it_is_usable(TopicState::Forbidden, reason).await;
}

async fn is_refused_until_it_is_usable(state: TopicState, reason: &str) {
    let kafka = Kafka::start(1).unwrap();
    let setup = Setup::of(kafka.new_topic(1));
    let worker = setup.subscription();
    take_all(worker.as_ref(), &setup.publish(1).await).await;

    kafka.describe_as(setup.name(), state).unwrap();
    let receive = async || worker.receive(1, &CancellationToken::new()).await;
    let reason = format!("{reason} {}", setup.name());
    let is_refused =
        async || matches!(receive().await, Err(QueueError::Refused(found)) if found == reason);
    eventually("the worker notices", is_refused).await;
    for _ in 0..3 {
        assert!(is_refused().await);
    }

    kafka.describe_as(setup.name(), TopicState::Usable).unwrap();
    take_all(worker.as_ref(), &setup.publish(1).await).await;
    assert!(!is_refused().await);
}
