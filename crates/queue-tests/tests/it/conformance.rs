//! What every kind of queue guarantees, whether it delivers messages or claims.

use std::collections::BTreeSet;
use std::time::Duration;

use shared_model::job::JobId;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::support::{
    BRIEF_VISIBILITY, Kind, Queue, delivery_number, generation_of, id_set, ids, receive,
    receive_all,
};

macro_rules! for_every_queue {
    ($($claim:ident),* $(,)?) => {
        mod postgres { $(#[tokio::test(flavor = "multi_thread")] async fn $claim() { super::$claim(super::Kind::Postgres).await; })* }
        mod standard { $(#[tokio::test(flavor = "multi_thread")] #[ignore = "needs python3 with venv"] async fn $claim() { super::$claim(super::Kind::Standard).await; })* }
        mod redis { $(#[tokio::test(flavor = "multi_thread")] #[cfg_attr(not(has_redis), ignore = "needs redis-server")] async fn $claim() { super::$claim(super::Kind::Redis).await; })* }
        mod fifo { $(#[tokio::test(flavor = "multi_thread")] #[ignore = "needs python3 with venv"] async fn $claim() { super::$claim(super::Kind::Fifo).await; })* }
        mod activemq { $(#[tokio::test(flavor = "multi_thread")] #[cfg_attr(not(has_activemq), ignore = "needs activemq")] async fn $claim() { super::$claim(super::Kind::ActiveMq).await; })* }
        mod rabbitmq { $(#[tokio::test(flavor = "multi_thread")] #[cfg_attr(not(has_rabbitmq), ignore = "needs rabbitmq-server")] async fn $claim() { super::$claim(super::Kind::RabbitMq).await; })* }
    };
}

for_every_queue!(
    each_job_is_delivered_with_its_generation,
    a_job_that_is_not_finished_is_delivered_again_after_its_visibility_timeout,
    a_job_that_is_kept_is_not_delivered_to_another_worker,
    a_released_job_is_delivered_to_another_worker_soon,
    a_job_released_with_a_delay_is_delivered_again_after_that_delay,
    a_finished_job_is_never_delivered_again,
    no_job_is_delivered_to_two_workers_at_the_same_time,
    a_receive_returns_no_more_jobs_than_requested,
    a_waiting_receive_returns_when_a_job_arrives,
    a_stopped_receive_takes_no_job,
);

/// What one worker sees. In Kafka, a partition belongs to one worker: what several workers see is tested in
/// `kafka.rs`.
#[cfg(feature = "kafka")]
macro_rules! for_kafka {
    ($($claim:ident),* $(,)?) => {
        mod kafka { $(#[tokio::test(flavor = "multi_thread")] async fn $claim() { super::$claim(super::Kind::Kafka).await; })* }
    };
}

#[cfg(feature = "kafka")]
for_kafka!(
    each_job_is_delivered_with_its_generation,
    a_job_released_with_a_delay_is_delivered_again_after_that_delay,
    a_finished_job_is_never_delivered_again,
    a_receive_returns_no_more_jobs_than_requested,
    a_waiting_receive_returns_when_a_job_arrives,
    a_stopped_receive_takes_no_job,
);

async fn each_job_is_delivered_with_its_generation(kind: Kind) {
    let queue = Queue::new(kind);
    let published: BTreeSet<JobId> = queue.publish(13).await.into_iter().collect();
    let received = queue.receive_all(13).await;
    assert_eq!(id_set(&received), published);
    assert!(received.iter().all(|one| generation_of(one) == 1));
    assert!(received.iter().all(|one| delivery_number(one) == 1));
}

async fn a_job_that_is_not_finished_is_delivered_again_after_its_visibility_timeout(kind: Kind) {
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
    if kind.counts_receives() {
        assert_eq!(delivery_number(&again[0]), 2);
    }
}

async fn a_job_that_is_kept_is_not_delivered_to_another_worker(kind: Kind) {
    let queue = Queue::new(kind);
    queue.publish(2).await;
    let (holder, other) = (queue.brief_subscription(), queue.second_subscription());
    let mut kept_since = Instant::now();
    let received = receive_all(holder.as_ref(), 2).await;
    assert_eq!(received.len(), 2);
    // for two visibility timeouts
    let keep = async {
        for _ in 0..8 {
            tokio::time::sleep(BRIEF_VISIBILITY / 4).await;
            let extending_at = Instant::now();
            assert!(
                queue.extend(holder.as_ref(), &received).await,
                "{:?} after the previous extension",
                kept_since.elapsed()
            );
            kept_since = extending_at;
        }
        Instant::now()
    };
    let (kept_until, delivered_at) = tokio::join!(keep, async {
        receive(other.as_ref(), 10).await;
        Instant::now()
    });
    assert!(
        delivered_at > kept_until,
        "another worker received a job that was being kept"
    );
}

async fn a_released_job_is_delivered_to_another_worker_soon(kind: Kind) {
    let queue = Queue::new(kind);
    let published = queue.publish(1).await;
    let received = queue.receive(1).await.pop().unwrap();
    queue.release(received, Duration::ZERO).await;
    let other = queue.second_subscription();
    let released_at = Instant::now();
    let again = receive(other.as_ref(), 1).await;
    assert_eq!(ids(&again), published);
    // its visibility timeout is three times as long
    assert!(released_at.elapsed() < Duration::from_secs(10));
}

async fn a_job_released_with_a_delay_is_delivered_again_after_that_delay(kind: Kind) {
    let queue = Queue::new(kind);
    let published = queue.publish(1).await;
    let received = queue.receive(1).await.pop().unwrap();
    let began = Instant::now();
    queue.release(received, Duration::from_secs(3)).await;
    let again = queue.receive(1).await;
    assert_eq!(ids(&again), published);
    assert!(
        began.elapsed() >= Duration::from_millis(2900),
        "it was hidden for {:?}",
        began.elapsed()
    );
}

async fn a_finished_job_is_never_delivered_again(kind: Kind) {
    let queue = Queue::new(kind);
    queue.publish(12).await;
    // a job that is not finished would be delivered again soon
    let brief = queue.brief_subscription();
    let received = receive_all(brief.as_ref(), 12).await;
    assert_eq!(received.len(), 12);
    queue.finish_by(brief.as_ref(), received).await;
    // waits for two visibility timeouts
    assert_eq!(ids(&receive(brief.as_ref(), 10).await), []);
}

async fn no_job_is_delivered_to_two_workers_at_the_same_time(kind: Kind) {
    let queue = Queue::new(kind);
    let published: BTreeSet<JobId> = queue.publish(30).await.into_iter().collect();
    let other = queue.second_subscription();
    let take = async |subscription: &dyn job_queue::Subscription| {
        let mut taken = Vec::new();
        for _ in 0..3 {
            taken.extend(ids(&receive(subscription, 5).await));
        }
        taken
    };
    let (one, two) = tokio::join!(take(queue.subscription.as_ref()), take(other.as_ref()));
    let all: BTreeSet<JobId> = one.iter().chain(&two).copied().collect();
    assert_eq!(
        all.len(),
        one.len() + two.len(),
        "a job was delivered to both workers"
    );
    assert!(all.is_subset(&published));
}

async fn a_receive_returns_no_more_jobs_than_requested(kind: Kind) {
    let queue = Queue::new(kind);
    queue.publish(10).await;
    for _ in 0..3 {
        let count = queue.receive(3).await.len();
        assert!((1..=3).contains(&count), "{count} jobs");
    }
}

async fn a_waiting_receive_returns_when_a_job_arrives(kind: Kind) {
    let queue = Queue::new(kind);
    let began = Instant::now();
    let (published, received) = tokio::join!(
        async {
            // so that the receive is most likely waiting by then; the test is valid even if it is not
            tokio::time::sleep(Duration::from_millis(300)).await;
            queue.publish(1).await
        },
        queue.receive(1)
    );
    assert_eq!(ids(&received), published);
    // half of its wait
    assert!(
        began.elapsed() < Duration::from_secs(10),
        "it took {:?}",
        began.elapsed()
    );
}

async fn a_stopped_receive_takes_no_job(kind: Kind) {
    let queue = Queue::new(kind);
    let published = queue.publish(1).await;
    let stop = CancellationToken::new();
    stop.cancel();
    let stopped = queue.subscription.receive(10, &stop).await.unwrap();
    assert_eq!(ids(&stopped), []);
    assert_eq!(ids(&queue.receive(1).await), published);
}
