//! What only SQS has: message groups, deduplication, refusals.

use std::collections::BTreeSet;
use std::time::Duration;

use job_queue::sqs::{SqsPublisher, SqsSubscription};
use job_queue::{BatchOutcome, Publisher, QueueError, Subscription, SubscriptionOptions};
use tokio_util::sync::CancellationToken;

use crate::support::{Kind, Queue, aws_config, id_set, ids};

#[tokio::test(flavor = "multi_thread")]
async fn a_single_group_keeps_its_order_across_a_retry() {
    let queue = Queue::grouped(Kind::Fifo, Some("all"));
    let published = queue.publish(5).await;
    let head = queue.receive(10).await;
    assert_eq!(
        ids(&head),
        published[..1],
        "messages of a single group are received one at a time"
    );
    assert!(head[0].group.as_deref() == Some("all"));
    let head = head.into_iter().next().unwrap();
    queue
        .subscription
        .release(&[head.release(Duration::from_secs(1))])
        .await;
    let mut order = Vec::new();
    while order.len() < 5 {
        let deliveries = queue.receive(10).await;
        assert!(!deliveries.is_empty(), "only {} deliveries", order.len());
        order.extend(ids(&deliveries));
        let deletions: Vec<_> = deliveries
            .into_iter()
            .map(job_queue::Delivery::delete)
            .collect();
        assert_eq!(
            queue.subscription.delete(&deletions).await,
            vec![BatchOutcome::Done; deletions.len()]
        );
    }
    assert_eq!(order, published);
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_with_a_group_each_are_delivered_in_parallel() {
    let queue = Queue::new(Kind::Fifo);
    let published: BTreeSet<_> = queue.publish(8).await.into_iter().collect();
    // all are delivered although none is settled
    let deliveries = queue.receive_all(8).await;
    assert_eq!(id_set(&deliveries), published);
    let groups: BTreeSet<_> = deliveries
        .iter()
        .map(|delivery| delivery.group.clone().unwrap())
        .collect();
    assert_eq!(groups.len(), 8);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_generation_of_a_job_is_not_dropped_as_a_duplicate() {
    let queue = Queue::new(Kind::Fifo);
    let mut messages = queue.jobs(1).await;
    queue.publisher.publish(&messages).await.unwrap();
    let first = queue.receive(1).await.pop().unwrap();
    queue.subscription.delete(&[first.delete()]).await;
    messages[0].generation = 2;
    queue.publisher.publish(&messages).await.unwrap();
    let second = queue.receive(1).await;
    assert_eq!(second[0].message.as_ref().unwrap().generation, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_that_does_not_exist_is_named_in_the_refusal() {
    let publisher = SqsPublisher::new(&aws_config(), "sqs://does-not-exist".parse().unwrap(), None);
    let error = publisher.check().await.unwrap_err();
    let QueueError::Refused(message) = error else {
        panic!("{error:?}")
    };
    assert!(
        message.contains("sqs://does-not-exist") && message.contains("QUEUE_URL"),
        "{message}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_does_not_answer_is_reported_unavailable_soon() {
    let config = aws_config()
        .into_builder()
        .endpoint_url("http://127.0.0.1:1")
        .build();
    let address = "http://127.0.0.1:1/000000000000/ical".parse().unwrap();
    let options = SubscriptionOptions {
        visibility: Duration::from_secs(30),
        wait: Duration::from_secs(20),
    };
    let subscription = SqsSubscription::new(&config, address, None, options);
    let began = tokio::time::Instant::now();
    let error = subscription
        .receive(1, &CancellationToken::new())
        .await
        .unwrap_err();
    assert!(matches!(error, QueueError::Unavailable(_)), "{error:?}");
    assert!(began.elapsed() < Duration::from_secs(10));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_worker_is_warned_if_messages_reach_the_dead_letter_queue_before_its_last_attempt() {
    let queue = Queue::new(Kind::Standard);
    assert_eq!(
        queue.subscription.warnings(5).await.unwrap(),
        Vec::<String>::new()
    );
    let warnings = queue.subscription.warnings(10).await.unwrap();
    assert!(
        warnings.len() == 1 && warnings[0].contains("maxReceiveCount"),
        "{warnings:?}"
    );
}
