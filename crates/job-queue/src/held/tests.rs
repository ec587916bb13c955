//! Tests with a broker in memory. Where the outbox takes part, it is that of a real PostgreSQL.

mod memory;

use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::{Connection, PgConnection};
use shared_model::database::DatabaseError;
use shared_model::job::JobId;
use shared_model::job_store::requests;
use tokio_util::sync::CancellationToken;

use crate::subscription::{BatchOutcome, Delivery, Subscription};
use memory::{DATABASES, VISIBILITY, Worker};

/// Two seconds before the visibility timeout ends.
const JUST_BEFORE: Duration = Duration::from_secs(58);
const MINUTE: Duration = Duration::from_mins(1);

#[tokio::test]
async fn a_deleted_message_has_left_and_its_receipt_works_no_more() {
    let worker = Worker::without_database();
    worker.send(JobId::new());
    let delivery = worker.receive_one().await;
    let receipt = delivery.receipt.clone();
    assert_eq!(worker.extend(&receipt).await, BatchOutcome::Done);
    let deletion = delivery.delete();
    let deleted = worker.subscription.delete(std::slice::from_ref(&deletion));
    assert_eq!(deleted.await, [BatchOutcome::Done]);
    assert_eq!(worker.broker.counts(), (0, 0, 0));
    assert_eq!(worker.extend(&receipt).await, BatchOutcome::Lost);
    let again = worker.subscription.delete(&[deletion]).await;
    assert_eq!(again, [BatchOutcome::Lost]);
}

#[tokio::test]
async fn a_message_whose_deletion_failed_can_be_deleted_again() {
    let worker = Worker::without_database();
    worker.send(JobId::new());
    let deletions = [worker.receive_one().await.delete()];
    worker.broker.lock().failures = 1;
    let failed = worker.subscription.delete(&deletions).await;
    assert_eq!(failed, [BatchOutcome::Failed("test".to_owned())]);
    let deleted = worker.subscription.delete(&deletions).await;
    assert_eq!(deleted, [BatchOutcome::Done]);
}

#[tokio::test(start_paused = true)]
async fn a_message_that_is_neither_extended_nor_settled_returns_when_its_visibility_timeout_ends() {
    let worker = Worker::without_database();
    worker.send(JobId::new());
    let delivery = worker.receive_one().await;
    tokio::time::sleep(JUST_BEFORE).await;
    worker.extend(&delivery.receipt).await;
    tokio::time::sleep(JUST_BEFORE).await;
    assert_eq!(worker.broker.counts(), (0, 1, 0), "it was extended");
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(worker.broker.counts(), (1, 0, 0));
    assert_eq!(
        worker.release(delivery, Duration::ZERO).await,
        BatchOutcome::Lost,
        "another worker may have it"
    );
}

#[tokio::test(start_paused = true)]
async fn a_message_that_could_not_be_returned_is_returned_later() {
    let worker = Worker::without_database();
    worker.send(JobId::new());
    drop(worker.receive_one().await);
    worker.broker.lock().failures = 3;
    tokio::time::sleep(VISIBILITY + Duration::from_secs(2)).await;
    assert_eq!(worker.broker.counts(), (0, 1, 0));
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(worker.broker.counts(), (1, 0, 0));
}

#[tokio::test]
async fn a_message_that_is_released_without_a_delay_returns_at_once_if_the_broker_can() {
    let worker = Worker::without_database();
    worker.send(JobId::new());
    let delivery = worker.receive_one().await;
    assert_eq!(
        worker.release(delivery, Duration::ZERO).await,
        BatchOutcome::Done
    );
    assert_eq!(worker.broker.counts(), (1, 0, 0));
}

#[tokio::test]
async fn a_broker_that_cannot_return_a_message_gets_another_one_at_once() {
    let worker = Worker::with_outbox();
    let id = worker.sent().await;
    let delivery = worker.receive_one().await;
    assert_eq!(
        worker.release(delivery, Duration::ZERO).await,
        BatchOutcome::Done
    );
    assert_eq!(worker.broker.counts(), (0, 0, 0), "it is settled");
    assert_eq!(worker.due().await, [id]);
}

#[tokio::test]
async fn a_message_that_is_released_with_a_delay_is_sent_again_after_it() {
    for gives_back in [false, true] {
        let worker = Worker::new(&DATABASES.create(), gives_back);
        let id = worker.sent().await;
        let delivery = worker.receive_one().await;
        assert_eq!(worker.release(delivery, MINUTE).await, BatchOutcome::Done);
        assert_eq!(worker.broker.counts(), (0, 0, 0), "it is settled");
        assert_eq!(worker.due().await, []);
        worker.pass_a_minute().await;
        assert_eq!(worker.due().await, [id]);
    }
}

#[tokio::test]
async fn a_message_of_a_job_that_has_ended_is_settled_and_not_sent_again() {
    let worker = Worker::with_outbox();
    let id = worker.sent().await;
    let cancelled = worker.pool.run(move |c| requests::cancel(c, id)).await;
    let cancelled: Result<_, DatabaseError> = cancelled;
    cancelled.unwrap();
    let delivery = worker.receive_one().await;
    assert_eq!(worker.release(delivery, MINUTE).await, BatchOutcome::Done);
    assert_eq!(worker.broker.counts(), (0, 0, 0));
    worker.pass_a_minute().await;
    assert_eq!(worker.due().await, []);
}

#[tokio::test]
async fn while_the_row_is_locked_a_message_is_neither_postponed_nor_settled() {
    let url = DATABASES.create();
    let worker = Worker::new(&url, false);
    let locked = worker.sent().await;
    let free = worker.sent().await;
    let mut lock = PgConnection::establish(&url).unwrap();
    let sql = format!("BEGIN; SELECT FROM calendar_jobs WHERE id = '{locked}' FOR UPDATE");
    lock.batch_execute(&sql).unwrap();
    let received = worker.receive().await.into_iter();
    let releases: Vec<_> = received.map(|one| one.release(Duration::ZERO)).collect();
    let outcomes = worker.subscription.release(&releases).await;
    assert!(
        matches!(&outcomes[0], BatchOutcome::Failed(reason) if reason.contains("locked")),
        "{outcomes:?}"
    );
    assert_eq!(outcomes[1], BatchOutcome::Done);
    assert_eq!(worker.broker.counts(), (0, 1, 0));
    assert_eq!(worker.due().await, [free]);
    lock.batch_execute("ROLLBACK").unwrap();
    let again = worker.subscription.release(&releases[..1]).await;
    assert_eq!(again, [BatchOutcome::Done]);
    assert_eq!(worker.due().await, [locked]);
}

#[tokio::test]
async fn without_the_database_a_message_that_is_to_come_later_stays_where_it_is() {
    let worker = Worker::without_database();
    worker.send(JobId::new());
    let delivery = worker.receive_one().await;
    let receipt = delivery.receipt.clone();
    let outcome = worker.release(delivery, MINUTE).await;
    assert!(matches!(outcome, BatchOutcome::Failed(_)), "{outcome:?}");
    assert_eq!(worker.broker.counts(), (0, 1, 0));
    assert_eq!(worker.extend(&receipt).await, BatchOutcome::Done);
}

#[tokio::test]
async fn a_message_that_cannot_be_read_is_moved_to_the_dead_letters_when_it_is_rejected() {
    let worker = Worker::without_database();
    for body in [b"no job".to_vec(), vec![0xff, 0xfe]] {
        worker.put(body);
    }
    let received = worker.receive().await;
    assert!(received.iter().all(|delivery| delivery.message.is_err()));
    let rejections: Vec<_> = received.into_iter().map(Delivery::reject).collect();
    let outcomes = worker.subscription.reject(&rejections).await;
    assert_eq!(outcomes, vec![BatchOutcome::Done; 2]);
    assert_eq!(worker.broker.counts(), (0, 0, 2));
}

#[tokio::test(start_paused = true)]
async fn a_message_that_cannot_be_read_and_was_forgotten_is_moved_to_the_dead_letters() {
    let worker = Worker::without_database();
    worker.put(b"no job".to_vec());
    drop(worker.receive_one().await);
    tokio::time::sleep(VISIBILITY + Duration::from_secs(2)).await;
    assert_eq!(worker.broker.counts(), (0, 0, 1));
}

#[tokio::test]
async fn if_the_connection_ends_the_worker_goes_on_and_settles_nothing() {
    let worker = Worker::without_database();
    worker.send(JobId::new());
    let delivery = worker.receive_one().await;
    worker.broker.cut();
    assert_eq!(worker.extend(&delivery.receipt).await, BatchOutcome::Done);
    let copy = worker.receive_one().await;
    let deletions = [delivery.delete(), copy.delete()];
    assert_eq!(
        worker.subscription.delete(&deletions).await,
        [BatchOutcome::Lost, BatchOutcome::Done]
    );
    assert_eq!(worker.broker.counts(), (0, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_subscription_that_is_closed_has_returned_what_it_held() {
    let worker = Worker::without_database();
    worker.send(JobId::new());
    drop(worker.receive_one().await);
    worker.subscription.close().await;
    assert!(worker.broker.lock().is_closed);
    assert_eq!(worker.broker.counts(), (1, 0, 0));
}

#[tokio::test]
async fn after_stop_nothing_is_received() {
    let worker = Worker::without_database();
    worker.send(JobId::new());
    let stop = CancellationToken::new();
    stop.cancel();
    assert!(
        worker
            .subscription
            .receive(10, &stop)
            .await
            .unwrap()
            .is_empty()
    );
    assert_eq!(worker.broker.counts(), (1, 0, 0));
}
