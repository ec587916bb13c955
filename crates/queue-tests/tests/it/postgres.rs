//! What only the table of jobs has: it delivers claims.

use std::collections::BTreeSet;
use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::{Connection, PgConnection};
use job_queue::{QueueError, Received};
use shared_model::job::JobStatus;
use shared_model::job_store::claims::{self, ClaimRenewal, Renewal};
use tokio_util::sync::CancellationToken;

use crate::support::{
    BRIEF_VISIBILITY, Kind, LONG, Queue, claim, id_set, ids, job_of, receive, receive_all,
};

#[tokio::test(flavor = "multi_thread")]
async fn receiving_a_job_claims_it() {
    let queue = Queue::new(Kind::Postgres);
    let id = queue.publish(1).await[0];
    let received = queue.receive(1).await.pop().unwrap();
    let claim = claim(received);
    assert_eq!((claim.key.id, claim.attempt), (id, 1));
    assert!(!claim.is_suspect);
    let job = queue.find(id).await;
    assert_eq!((job.status, job.attempt), (JobStatus::Started, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_is_lost_once_another_worker_has_claimed_the_job() {
    let queue = Queue::new(Kind::Postgres);
    queue.publish(1).await;
    let brief = queue.brief_subscription();
    let first = claim(receive(brief.as_ref(), 1).await.pop().unwrap());
    let second = claim(queue.receive(1).await.pop().unwrap());
    assert_eq!(first.key.id, second.key.id);
    let renewal = ClaimRenewal {
        key: first.key,
        done: 0,
        total: None,
    };
    let renewed = queue
        .pool
        .run(move |connection| claims::renew(connection, &[renewal], BRIEF_VISIBILITY));
    assert_eq!(renewed.await.unwrap(), [(first.key, Renewal::Lost)]);
    let unclaimed = queue
        .pool
        .run(move |connection| claims::unclaim(connection, &[first.key], Duration::ZERO));
    unclaimed.await.unwrap();
    let job = queue.find(second.key.id).await;
    assert_eq!((job.status, job.attempt), (JobStatus::Started, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_whose_row_is_locked_does_not_delay_others() {
    let queue = Queue::new(Kind::Postgres);
    let published = queue.publish(3).await;
    let mut other_session = PgConnection::establish(&queue.database_url).unwrap();
    let lock = format!(
        "BEGIN; SELECT FROM calendar_jobs WHERE id = '{}' FOR UPDATE",
        published[0]
    );
    other_session.batch_execute(&lock).unwrap();
    let received = receive_all(queue.subscription.as_ref(), 2).await;
    assert_eq!(id_set(&received), published[1..].iter().copied().collect());
    drop(other_session);
    assert_eq!(ids(&queue.receive(10).await), published[..1]);
}

/// Makes the statement fail that claims jobs in PENDING: it kills its own connection.
const BREAK: &str = "
    CREATE FUNCTION break() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); PERFORM pg_sleep(1); RETURN new; END $$;
    CREATE TRIGGER break BEFORE UPDATE ON calendar_jobs FOR EACH ROW WHEN (old.status = 'PENDING')
        EXECUTE FUNCTION break()";
const REPAIR: &str = "DROP TRIGGER break ON calendar_jobs";

/// Stores three jobs that wait for another attempt, and one in PENDING. Claims the three, and loses the connection before
/// the answer: a second statement of the same receive breaks it.
async fn lose_the_answer_to_a_claim_of_three_jobs(
    queue: &Queue,
) -> BTreeSet<shared_model::job::JobId> {
    let retried = queue.publish(3).await;
    queue
        .execute("UPDATE calendar_jobs SET status = 'RETRY', attempt = 1, retry_at = now()")
        .await;
    queue.publish(1).await;
    queue.execute(BREAK).await;
    let lost = queue
        .subscription
        .receive(10, &CancellationToken::new())
        .await;
    assert!(matches!(lost, Err(QueueError::Unavailable(_))), "{lost:?}");
    for id in &retried {
        let job = queue.find(*id).await;
        assert_eq!((job.status, job.attempt), (JobStatus::Started, 2));
    }
    queue.execute(REPAIR).await;
    retried.into_iter().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_that_were_claimed_by_a_call_whose_answer_was_lost_are_delivered_by_the_next_call() {
    let queue = Queue::new(Kind::Postgres);
    let claimed = lose_the_answer_to_a_claim_of_three_jobs(&queue).await;
    let received = queue.receive(10).await;
    assert_eq!(id_set(&received), claimed);
    for one in received {
        let Received::Claim { claim, until } = one else {
            panic!("{one:?}")
        };
        assert_eq!(claim.attempt, 2, "the claim is the same");
        assert!(until <= tokio::time::Instant::now() + LONG.visibility);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_of_a_lost_answer_for_which_there_is_no_room_now_are_given_up() {
    let queue = Queue::new(Kind::Postgres);
    let claimed = lose_the_answer_to_a_claim_of_three_jobs(&queue).await;
    let received = queue.receive(1).await;
    assert_eq!(received.len(), 1);
    let first = job_of(&received[0]);
    assert!(claimed.contains(&first));
    let other = queue.second_subscription();
    let others = receive_all(other.as_ref(), 3).await;
    let mut others = id_set(&others);
    assert!(!others.contains(&first));
    others.insert(first);
    assert!(claimed.is_subset(&others), "{others:?}");
}
