//! What holds for every queue.

use std::collections::BTreeSet;
use std::time::Duration;

use job_queue::BatchOutcome;
use shared_model::job::JobId;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::support::{
    BRIEF_VISIBILITY, Kind, Queue, id_set, ids, once_in_time, receive, receive_all,
};

macro_rules! for_every_queue {
    ($($claim:ident),* $(,)?) => {
        mod postgres { $(#[tokio::test(flavor = "multi_thread")] async fn $claim() { super::$claim(super::Kind::Postgres).await; })* }
        mod standard { $(#[tokio::test(flavor = "multi_thread")] async fn $claim() { super::$claim(super::Kind::Standard).await; })* }
        mod fifo { $(#[tokio::test(flavor = "multi_thread")] async fn $claim() { super::$claim(super::Kind::Fifo).await; })* }
    };
}

for_every_queue!(
    each_job_is_delivered_with_its_generation,
    a_delivery_is_hidden_and_comes_again_when_its_visibility_ends,
    an_extended_delivery_stays_hidden,
    what_is_given_back_is_delivered_at_once_to_another,
    what_is_given_back_for_later_rests_so_long,
    what_is_settled_with_its_job_ended_never_comes_again,
    a_delivery_that_came_again_can_not_be_kept_by_its_first_holder,
    a_message_that_is_published_twice_costs_at_most_a_second_delivery,
    no_delivery_goes_to_two_workers,
    a_receive_brings_no_more_than_it_asked_for,
    a_waiting_receive_is_woken_by_a_message,
    a_stopped_receive_takes_nothing,
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

async fn a_delivery_is_hidden_and_comes_again_when_its_visibility_ends(kind: Kind) {
    let queue = Queue::new(kind);
    let published = queue.publish(1).await;
    let brief = queue.brief_subscription();
    let began = Instant::now();
    assert_eq!(ids(&receive(brief.as_ref(), 10).await), published);
    // this receive waits longer than the visibility
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
    once_in_time(async || {
        let queue = Queue::new(kind);
        queue.publish(2).await;
        let (holder, other) = (queue.brief_subscription(), queue.second_subscription());
        let mut hidden_since = Instant::now();
        let deliveries = receive_all(holder.as_ref(), 2).await;
        let receipts: Vec<_> = deliveries
            .iter()
            .map(|delivery| delivery.receipt.clone())
            .collect();
        // for two visibilities; `None`: an extension came too late
        let keep = async {
            for _ in 0..8 {
                tokio::time::sleep(BRIEF_VISIBILITY / 4).await;
                let extending = Instant::now();
                let mut extensions = holder.extend(&receipts).await;
                while extensions
                    .iter()
                    .any(|extension| matches!(extension, BatchOutcome::Failed(_)))
                    && hidden_since.elapsed() < BRIEF_VISIBILITY
                {
                    extensions = holder.extend(&receipts).await;
                }
                if hidden_since.elapsed() >= BRIEF_VISIBILITY {
                    return None;
                }
                assert_eq!(extensions, vec![BatchOutcome::Done; 2]);
                hidden_since = extending;
            }
            Some(Instant::now())
        };
        let (kept_until, seen_at) = tokio::join!(keep, async {
            receive(other.as_ref(), 10).await;
            Instant::now()
        });
        let Some(kept_until) = kept_until else {
            return false;
        };
        assert!(
            seen_at > kept_until,
            "another worker got it while it was kept"
        );
        true
    })
    .await;
}

async fn what_is_given_back_is_delivered_at_once_to_another(kind: Kind) {
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
    let given_back = Instant::now();
    let again = receive(other.as_ref(), 1).await;
    assert_eq!(ids(&again), published);
    // its visibility is three times as long
    assert!(given_back.elapsed() < Duration::from_secs(10));
}

async fn what_is_given_back_for_later_rests_so_long(kind: Kind) {
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
        "it rested for {:?}",
        began.elapsed()
    );
}

async fn what_is_settled_with_its_job_ended_never_comes_again(kind: Kind) {
    once_in_time(async || {
        let queue = Queue::new(kind);
        let published = queue.publish(12).await;
        let brief = queue.brief_subscription();
        let began = Instant::now();
        let deliveries = receive_all(brief.as_ref(), 12).await;
        queue.end_jobs(&published).await;
        let deletions: Vec<_> = deliveries
            .into_iter()
            .map(job_queue::Delivery::delete)
            .collect();
        let outcomes = brief.delete(&deletions).await;
        // some may have come again before they were settled
        if began.elapsed() >= BRIEF_VISIBILITY {
            return false;
        }
        assert_eq!(outcomes, vec![BatchOutcome::Done; 12]);
        // waits for two visibilities
        assert_eq!(ids(&receive(brief.as_ref(), 10).await), []);
        true
    })
    .await;
}

async fn a_delivery_that_came_again_can_not_be_kept_by_its_first_holder(kind: Kind) {
    let queue = Queue::new(kind);
    queue.publish(1).await;
    let brief = queue.brief_subscription();
    let first = receive(brief.as_ref(), 1).await.pop().unwrap();
    let second = queue.receive(1).await.pop().unwrap();
    let kept_by_second = queue
        .subscription
        .extend(std::slice::from_ref(&second.receipt))
        .await;
    assert_eq!(kept_by_second, [BatchOutcome::Done]);
    // SQS may answer that a standard queue's old handle was extended; what counts is that giving it back takes nothing
    // from the second holder where the queue is ours to say so
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

async fn a_message_that_is_published_twice_costs_at_most_a_second_delivery(kind: Kind) {
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

async fn no_delivery_goes_to_two_workers(kind: Kind) {
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
    assert_eq!(all.len(), one.len() + two.len(), "a job went to both");
    assert!(all.is_subset(&published));
}

async fn a_receive_brings_no_more_than_it_asked_for(kind: Kind) {
    let queue = Queue::new(kind);
    queue.publish(10).await;
    for _ in 0..3 {
        let count = queue.receive(3).await.len();
        assert!((1..=3).contains(&count), "{count} came");
    }
}

async fn a_waiting_receive_is_woken_by_a_message(kind: Kind) {
    let queue = Queue::new(kind);
    let began = Instant::now();
    let (published, deliveries) = tokio::join!(
        async {
            // the receive is most likely waiting by then; the claim holds as well if it is not
            tokio::time::sleep(Duration::from_millis(300)).await;
            queue.publish(1).await
        },
        queue.receive(1)
    );
    assert_eq!(ids(&deliveries), published);
    // half the time that it waits
    assert!(
        began.elapsed() < Duration::from_secs(10),
        "it took {:?}",
        began.elapsed()
    );
}

async fn a_stopped_receive_takes_nothing(kind: Kind) {
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
    // it would have waited for 20 s
    assert!(began.elapsed() < Duration::from_secs(10));
    let published = queue.publish(1).await;
    assert_eq!(ids(&queue.receive(1).await), published);
}
