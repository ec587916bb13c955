//! How the worker treats a queue that has to be asked: it rejects what it can't read, and takes its leave.

use std::sync::Arc;

use local_services::testing::eventually;

use crate::support::{Database, Running, Setup, StubQueue};

#[tokio::test]
async fn a_message_that_cannot_be_read_is_rejected() {
    let (database, queue) = (Database::new(), StubQueue::new());
    queue.deliver_body("not a message");
    let _running = Running::start(&database, Arc::<StubQueue>::clone(&queue), Setup::default());
    eventually("the message is rejected", async || queue.rejected() == 1).await;
    assert_eq!(
        queue.waiting(),
        (0, 0),
        "it is neither deleted nor released"
    );
}

#[tokio::test]
async fn a_worker_leaves_its_queue_after_the_last_settlement() {
    let (database, queue) = (Database::new(), StubQueue::new());
    let ids = database.accept_many(2).await;
    for id in &ids {
        queue.deliver(&database.find(*id).await);
    }
    let mut running = Running::start(&database, Arc::<StubQueue>::clone(&queue), Setup::default());
    eventually("a message is being deleted", async || queue.waiting().0 > 0).await;
    running.shutdown.drain.cancel();
    assert_eq!(queue.closed(), 0);
    queue.answer();
    running.stopped().await;
    assert_eq!(queue.closed(), 1);
}

#[tokio::test]
async fn a_worker_in_a_hurry_does_not_take_its_leave() {
    let (database, queue) = (Database::new(), StubQueue::new());
    let mut running = Running::start(&database, Arc::<StubQueue>::clone(&queue), Setup::default());
    running.shutdown.drain.cancel();
    running.shutdown.hurry.cancel();
    running.stopped().await;
    assert_eq!(queue.closed(), 0);
}
