//! What only SQS has: messages, with receipts, groups and deduplication.

use std::collections::BTreeSet;
use std::time::Duration;

use job_queue::sqs::{SqsPublisher, SqsSubscription};
use job_queue::{
    BatchOutcome, Findings, Publisher, QueueError, Received, Subscription, WorkerNeeds,
};
use shared_model::job_store::outbox::SendKey;
use tokio_util::sync::CancellationToken;

use crate::support::{
    Kind, LONG, Queue, aws_config, aws_config_for, id_set, ids, job_of, message, receive,
};

async fn delete(queue: &Queue, received: Vec<Received>) {
    let deletions: Vec<_> = received
        .into_iter()
        .map(|one| message(one).delete())
        .collect();
    assert_eq!(
        queue.subscription.delete(&deletions).await,
        vec![BatchOutcome::Done; deletions.len()]
    );
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs python3 with venv"]
async fn the_holder_of_the_latest_delivery_can_extend_it() {
    for kind in [Kind::Standard, Kind::Fifo] {
        let queue = Queue::new(kind);
        queue.publish(1).await;
        let brief = queue.brief_subscription();
        receive(brief.as_ref(), 1).await;
        let second = message(queue.receive(1).await.pop().unwrap());
        // SQS may accept an outdated receipt of a standard queue too, so nothing is promised about the first one
        let extended = queue
            .subscription
            .extend(std::slice::from_ref(&second.receipt));
        assert_eq!(extended.await, [BatchOutcome::Done]);
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs python3 with venv"]
async fn publishing_a_message_twice_causes_at_most_a_second_delivery() {
    for kind in [Kind::Standard, Kind::Fifo] {
        let queue = Queue::new(kind);
        let messages = queue.jobs(1).await;
        for _ in 0..2 {
            let published = queue.publisher().publish(&messages).await.unwrap();
            assert_eq!(published.sent, [SendKey::from(&messages[0])]);
        }
        let received = queue.receive_all(1).await;
        match kind {
            Kind::Standard => assert!((1..=2).contains(&received.len())),
            _ => assert_eq!(received.len(), 1),
        }
        let id = messages[0].message.job_id;
        assert!(received.iter().all(|one| job_of(one) == id));
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs python3 with venv"]
async fn a_single_group_keeps_its_order_across_a_retry() {
    let queue = Queue::grouped(Kind::Fifo, Some("all"));
    let published = queue.publish(5).await;
    let mut head = queue.receive(10).await;
    assert_eq!(
        ids(&head),
        published[..1],
        "messages of a single group are received one at a time"
    );
    let head = message(head.pop().unwrap());
    assert_eq!(head.group.as_deref(), Some("all"));
    queue
        .subscription
        .release(&[head.release(Duration::from_secs(1))])
        .await;
    let mut order = Vec::new();
    while order.len() < 5 {
        let received = queue.receive(10).await;
        assert!(!received.is_empty(), "only {} deliveries", order.len());
        order.extend(ids(&received));
        delete(&queue, received).await;
    }
    assert_eq!(order, published);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs python3 with venv"]
async fn the_group_of_a_standard_queue_is_a_tenant_and_orders_nothing() {
    let queue = Queue::grouped(Kind::Standard, Some("tenant"));
    let published: BTreeSet<_> = queue.publish(3).await.into_iter().collect();
    let received = queue.receive_all(3).await;
    assert_eq!(id_set(&received), published);
    assert!(received.into_iter().all(|one| message(one).group.is_none()));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs python3 with venv"]
async fn jobs_with_a_group_each_are_delivered_in_parallel() {
    let queue = Queue::new(Kind::Fifo);
    let published: BTreeSet<_> = queue.publish(8).await.into_iter().collect();
    // all are delivered although none is settled
    let received = queue.receive_all(8).await;
    assert_eq!(id_set(&received), published);
    let groups: BTreeSet<_> = received
        .into_iter()
        .map(|one| message(one).group.unwrap())
        .collect();
    assert_eq!(groups.len(), 8);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs python3 with venv"]
async fn a_receive_for_many_jobs_returns_more_than_one_call_does() {
    let queue = Queue::new(Kind::Standard);
    queue.publish(50).await;
    let received = queue.receive(50).await;
    assert!(received.len() > job_queue::MAX_BATCH, "{}", received.len());
    assert_eq!(id_set(&received).len(), received.len());
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs python3 with venv"]
async fn a_message_that_is_sent_again_is_not_dropped_as_a_duplicate() {
    let queue = Queue::new(Kind::Fifo);
    let mut messages = queue.jobs(1).await;
    queue.publisher().publish(&messages).await.unwrap();
    let first = queue.receive(1).await;
    delete(&queue, first).await;
    // the message was lost, so a relay takes it again
    messages[0].sends = 2;
    queue.publisher().publish(&messages).await.unwrap();
    let second = queue.receive(1).await;
    assert_eq!(ids(&second), [messages[0].message.job_id]);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs python3 with venv"]
async fn a_new_generation_of_a_job_is_not_dropped_as_a_duplicate() {
    let queue = Queue::new(Kind::Fifo);
    let mut messages = queue.jobs(1).await;
    queue.publisher().publish(&messages).await.unwrap();
    let first = queue.receive(1).await;
    delete(&queue, first).await;
    messages[0].message.generation = 2;
    queue.publisher().publish(&messages).await.unwrap();
    let second = message(queue.receive(1).await.pop().unwrap());
    assert_eq!(second.message.unwrap().generation, 2);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs python3 with venv"]
async fn a_queue_that_does_not_exist_is_named_in_the_refusal() {
    let publisher = SqsPublisher::new(&aws_config(), "sqs://does-not-exist".parse().unwrap(), None);
    let error = publisher.depth().await.unwrap_err();
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
    let config = aws_config_for("http://127.0.0.1:1");
    let address = "http://127.0.0.1:1/000000000000/ical".parse().unwrap();
    let subscription = SqsSubscription::new(&config, address, None, LONG);
    let began = tokio::time::Instant::now();
    let error = subscription
        .receive(1, &CancellationToken::new())
        .await
        .unwrap_err();
    assert!(matches!(error, QueueError::Unavailable(_)), "{error:?}");
    assert!(began.elapsed() < Duration::from_secs(10));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs python3 with venv"]
async fn the_worker_is_warned_if_messages_reach_the_dead_letter_queue_before_its_last_attempt() {
    let queue = Queue::new(Kind::Standard);
    let needs = |max_attempts| WorkerNeeds {
        max_attempts,
        job_timeout: Duration::from_mins(10),
        slots: LONG.slots,
        workers: 1,
    };
    let findings = queue.subscription.inspect(needs(5)).await.unwrap();
    assert_eq!(findings, Findings::default());
    let Findings { unusable, warnings } = queue.subscription.inspect(needs(10)).await.unwrap();
    assert_eq!(unusable, [""; 0]);
    assert!(
        warnings.len() == 1 && warnings[0].contains("maxReceiveCount"),
        "{warnings:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs python3 with venv"]
async fn the_depth_counts_waiting_received_and_dead_messages() {
    for (kind, suffix) in [(Kind::Standard, ""), (Kind::Fifo, ".fifo")] {
        let queue = Queue::new(kind);
        queue.publish(3).await;
        let received = queue.receive(1).await;
        let taken = u64::try_from(received.len()).unwrap();
        let publisher = queue.publisher();
        let depth = publisher.depth().await.unwrap();
        assert_eq!((depth.visible, depth.in_flight), (3 - taken, Some(taken)));
        assert_eq!((depth.delayed, &depth.dead_letters), (0, &Ok(Some(0))));

        let url = queue.url.name();
        let dead_letters = format!(
            "sqs://{}-dead-letters{suffix}",
            url.strip_suffix(suffix).unwrap()
        );
        let dead_letters = SqsPublisher::new(&aws_config(), dead_letters.parse().unwrap(), None);
        let messages = queue.jobs(2).await;
        assert_eq!(dead_letters.publish(&messages).await.unwrap().sent.len(), 2);
        let depth = publisher.depth().await.unwrap();
        assert_eq!(depth.dead_letters, Ok(Some(2)));
        // a dead-letter queue has none of its own
        let depth = dead_letters.depth().await.unwrap();
        assert_eq!((depth.visible, depth.dead_letters), (2, Ok(None)));
    }
}
