//! What every kind of queue guarantees.

use std::collections::BTreeSet;
use std::time::Duration;

use job_queue::BatchOutcome;
use shared_model::job::JobId;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::support::{BRIEF_VISIBILITY, Kind, Queue, id_set, ids, receive, receive_all};

macro_rules! for_every_queue {
    ($($claim:ident),* $(,)?) => {
        mod postgres { $(#[tokio::test(flavor = "multi_thread")] async fn $claim() { super::$claim(super::Kind::Postgres).await; })* }
        mod standard { $(#[tokio::test(flavor = "multi_thread")] async fn $claim() { super::$claim(super::Kind::Standard).await; })* }
        mod fifo { $(#[tokio::test(flavor = "multi_thread")] async fn $claim() { super::$claim(super::Kind::Fifo).await; })* }
    };
}

for_every_queue!(
    each_job_is_delivered_with_its_generation,
    a_delivery_is_hidden_until_its_visibility_timeout_ends_and_then_delivered_again,
    an_extended_delivery_stays_hidden,
    a_released_message_is_delivered_to_another_worker_immediately,
    a_message_released_with_a_delay_is_delivered_again_after_that_delay,
    a_message_deleted_after_its_job_ended_is_never_delivered_again,
    a_delivery_cannot_be_extended_or_released_after_its_message_was_delivered_again,
    publishing_a_message_twice_causes_at_most_a_second_delivery,
    no_message_is_delivered_to_two_workers_at_the_same_time,
    a_receive_returns_no_more_deliveries_than_requested,
    a_waiting_receive_returns_when_a_message_arrives,
    a_stopped_receive_takes_no_message,
);

async fn each_job_is_delivered_with_its_generation(kind: Kind) {
    let queue = Queue::new(kind);
    let published: BTreeSet<JobId> = queue.publish(13).await.into_iter().collect();
    let deliveries = queue.receive_all(13).await;
    assert_eq!(id_set(&deliveries), published);
    assert!(
        deliveries
            .iter()
            .all(|delivery| delivery.message.as_ref().unwrap().generation == 1)
    );
    assert!(
        deliveries
            .iter()
            .all(|delivery| delivery.receive_count == 1)
    );
}

async fn a_delivery_is_hidden_until_its_visibility_timeout_ends_and_then_delivered_again(
    kind: Kind,
) {
    let queue = Queue::new(kind);
    let published = queue.publish(1).await;
    let brief = queue.brief_subscription();
    let began = Instant::now();
    assert_eq!(ids(&receive(brief.as_ref(), 10).await), published);
    // this receive waits longer than the visibility timeout
    let again = queue.receive(10).await;
    assert_eq!(ids(&again), published);
    assert!(
        began.elapsed() + Duration::from_millis(100) >= BRIEF_VISIBILITY,
        "it was hidden for {:?}",
        began.elapsed()
    );
    assert_eq!(again[0].receive_count, 2);
}

async fn an_extended_delivery_stays_hidden(kind: Kind) {
    let queue = Queue::new(kind);
    queue.publish(2).await;
    let (holder, other) = (queue.brief_subscription(), queue.second_subscription());
    let mut hidden_since = Instant::now();
    let deliveries = receive_all(holder.as_ref(), 2).await;
    let receipts: Vec<_> = deliveries
        .iter()
        .map(|delivery| delivery.receipt.clone())
        .collect();
    // for two visibility timeouts
    let extend_repeatedly = async {
        for _ in 0..8 {
            tokio::time::sleep(BRIEF_VISIBILITY / 4).await;
            let extending_at = Instant::now();
            let outcomes = holder.extend(&receipts).await;
            assert_eq!(
                outcomes,
                vec![BatchOutcome::Done; 2],
                "{:?} after the previous extension",
                hidden_since.elapsed()
            );
            hidden_since = extending_at;
        }
        Instant::now()
    };
    let (extended_until, delivered_at) = tokio::join!(extend_repeatedly, async {
        receive(other.as_ref(), 10).await;
        Instant::now()
    });
    assert!(
        delivered_at > extended_until,
        "another worker received a message that was being extended"
    );
}

async fn a_released_message_is_delivered_to_another_worker_immediately(kind: Kind) {
    let queue = Queue::new(kind);
    let published = queue.publish(1).await;
    let delivery = queue.receive(1).await.pop().unwrap();
    assert_eq!(
        queue
            .subscription
            .release(&[delivery.release(Duration::ZERO)])
            .await,
        [BatchOutcome::Done]
    );
    let other = queue.second_subscription();
    let released_at = Instant::now();
    let again = receive(other.as_ref(), 1).await;
    assert_eq!(ids(&again), published);
    // its visibility timeout is three times as long
    assert!(released_at.elapsed() < Duration::from_secs(10));
}

async fn a_message_released_with_a_delay_is_delivered_again_after_that_delay(kind: Kind) {
    let queue = Queue::new(kind);
    let published = queue.publish(1).await;
    let delivery = queue.receive(1).await.pop().unwrap();
    let began = Instant::now();
    assert_eq!(
        queue
            .subscription
            .release(&[delivery.release(Duration::from_secs(3))])
            .await,
        [BatchOutcome::Done]
    );
    let again = queue.receive(1).await;
    assert_eq!(ids(&again), published);
    assert!(
        began.elapsed() >= Duration::from_millis(2900),
        "it was hidden for {:?}",
        began.elapsed()
    );
}

async fn a_message_deleted_after_its_job_ended_is_never_delivered_again(kind: Kind) {
    let queue = Queue::new(kind);
    let published = queue.publish(12).await;
    let deliveries = queue.receive_all(12).await;
    let receipts: Vec<_> = deliveries
        .iter()
        .map(|delivery| delivery.receipt.clone())
        .collect();
    queue.end_jobs(&published).await;
    let deletions: Vec<_> = deliveries
        .into_iter()
        .map(job_queue::Delivery::delete)
        .collect();
    let outcomes = queue.subscription.delete(&deletions).await;
    assert_eq!(outcomes, vec![BatchOutcome::Done; 12]);
    // a message that still exists would now be delivered again soon
    let brief = queue.brief_subscription();
    brief.extend(&receipts).await;
    // waits for two visibility timeouts
    assert_eq!(ids(&receive(brief.as_ref(), 10).await), []);
}

async fn a_delivery_cannot_be_extended_or_released_after_its_message_was_delivered_again(
    kind: Kind,
) {
    let queue = Queue::new(kind);
    queue.publish(1).await;
    let brief = queue.brief_subscription();
    let first = receive(brief.as_ref(), 1).await.pop().unwrap();
    let second = queue.receive(1).await.pop().unwrap();
    let extended_by_second = queue
        .subscription
        .extend(std::slice::from_ref(&second.receipt))
        .await;
    assert_eq!(extended_by_second, [BatchOutcome::Done]);
    // SQS may accept an outdated handle of a standard queue, so the rest is guaranteed only where the queue is ours.
    if kind == Kind::Postgres {
        assert_eq!(
            brief.extend(std::slice::from_ref(&first.receipt)).await,
            [BatchOutcome::Lost]
        );
        assert_eq!(
            brief.release(&[first.release(Duration::ZERO)]).await,
            [BatchOutcome::Lost]
        );
        let stop = CancellationToken::new();
        stop.cancel();
        assert!(
            queue
                .subscription
                .receive(1, &stop)
                .await
                .unwrap()
                .is_empty()
        );
    }
}

async fn publishing_a_message_twice_causes_at_most_a_second_delivery(kind: Kind) {
    let queue = Queue::new(kind);
    let messages = queue.jobs(1).await;
    for _ in 0..2 {
        assert_eq!(
            queue.publisher.publish(&messages).await.unwrap().sent,
            [messages[0].job_id]
        );
    }
    let deliveries = queue.receive_all(1).await;
    match kind {
        Kind::Standard => assert!((1..=2).contains(&deliveries.len())),
        Kind::Postgres | Kind::Fifo => assert_eq!(deliveries.len(), 1),
    }
    assert!(ids(&deliveries).iter().all(|id| *id == messages[0].job_id));
}

async fn no_message_is_delivered_to_two_workers_at_the_same_time(kind: Kind) {
    let queue = Queue::new(kind);
    let published: BTreeSet<JobId> = queue.publish(30).await.into_iter().collect();
    let other = queue.second_subscription();
    let stop = CancellationToken::new();
    let take = async |subscription: &dyn job_queue::Subscription| {
        let mut taken = Vec::new();
        for _ in 0..3 {
            taken.extend(subscription.receive(5, &stop).await.unwrap());
        }
        ids(&taken)
    };
    let (one, two) = tokio::join!(take(queue.subscription.as_ref()), take(other.as_ref()));
    let all: BTreeSet<JobId> = one.iter().chain(&two).copied().collect();
    assert_eq!(
        all.len(),
        one.len() + two.len(),
        "a message was delivered to both workers"
    );
    assert!(all.is_subset(&published));
}

async fn a_receive_returns_no_more_deliveries_than_requested(kind: Kind) {
    let queue = Queue::new(kind);
    queue.publish(10).await;
    for _ in 0..3 {
        let count = queue.receive(3).await.len();
        assert!((1..=3).contains(&count), "{count} deliveries");
    }
}

async fn a_waiting_receive_returns_when_a_message_arrives(kind: Kind) {
    let queue = Queue::new(kind);
    let began = Instant::now();
    let (published, deliveries) = tokio::join!(
        async {
            // so that the receive is most likely waiting by then; the test is valid even if it is not
            tokio::time::sleep(Duration::from_millis(300)).await;
            queue.publish(1).await
        },
        queue.receive(1)
    );
    assert_eq!(ids(&deliveries), published);
    // half of its wait
    assert!(
        began.elapsed() < Duration::from_secs(10),
        "it took {:?}",
        began.elapsed()
    );
}

async fn a_stopped_receive_takes_no_message(kind: Kind) {
    let queue = Queue::new(kind);
    let stop = CancellationToken::new();
    stop.cancel();
    let began = Instant::now();
    assert!(
        queue
            .subscription
            .receive(10, &stop)
            .await
            .unwrap()
            .is_empty()
    );
    // without the stop, it would have waited for 20 s
    assert!(began.elapsed() < Duration::from_secs(10));
    let published = queue.publish(1).await;
    assert_eq!(ids(&queue.receive(1).await), published);
}
