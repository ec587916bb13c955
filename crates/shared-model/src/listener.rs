//! Listens for PostgreSQL's NOTIFY. A notification is only a hint that something changed: it may be lost, so a listener
//! must poll too, though less often. [`crate::notifier`] sends them.

use std::thread;
use std::time::{Duration, Instant};

use diesel::{PgConnection, QueryResult, RunQueryDsl};
use tokio::sync::mpsc;

use crate::database::Pool;

/// The channel that is notified when a job becomes due for a worker.
pub const JOB_DUE: &str = "taskoverflow_job_due";

/// The channel that is notified when the versions of jobs grow. The payload is the ids of the jobs, separated by spaces;
/// an empty payload means any job.
pub const JOB_CHANGED: &str = "taskoverflow_job_changed";

/// The interval between two reads of the socket while notifications arrive. A read is one system call that sends nothing to
/// the server. (Diesel does not reveal the socket, so a thread can't wait for it.)
const BUSY_INTERVAL: Duration = Duration::from_micros(500);
/// The interval when nothing has arrived for a while.
const IDLE_INTERVAL: Duration = Duration::from_millis(4);
/// How long a listener stays attentive after a notification.
const ATTENTION: Duration = Duration::from_secs(1);
const RECONNECT_DELAY: Duration = Duration::from_secs(1);
/// How many payloads wait to be handled before the listener reads no more.
const MAX_WAITING: usize = 1000;

/// Calls `on_payload` with the payload of each notification on `channel`, and with an empty payload after each new
/// connection, because notifications may have been lost before. Uses a connection and a thread of its own, and reconnects
/// when the connection breaks. The future never completes: drop it to stop listening.
pub async fn listen(pool: Pool, channel: &'static str, on_payload: impl Fn(&str) + Send) {
    loop {
        let (sender, mut payloads) = mpsc::channel(MAX_WAITING);
        let pool = pool.clone();
        let read = move || {
            if let Err(error) = read(&pool, channel, &sender) {
                log::warn!(error:%; "lost the connection that listens on {channel}; reconnecting");
            }
        };
        let thread = thread::Builder::new().name("listener".to_owned());
        if let Err(error) = thread.spawn(read) {
            log::error!(error:%; "no thread can be started that listens on {channel}; trying again");
        }
        while let Some(payload) = payloads.recv().await {
            on_payload(&payload);
        }
        tokio::time::sleep(RECONNECT_DELAY).await;
    }
}

/// Reads notifications until nobody wants them. Reads none if the database can't be reached.
///
/// # Errors
/// Returns an error if the connection breaks.
#[expect(
    clippy::disallowed_methods,
    reason = "a thread of its own may sleep, and a timer of the runtime is four times less exact"
)]
fn read(pool: &Pool, channel: &str, payloads: &mpsc::Sender<String>) -> QueryResult<()> {
    let Ok(mut connection) = pool.connect() else {
        // whoever else needs the database reports that it is unreachable
        return Ok(());
    };
    diesel::sql_query(format!("LISTEN {channel}")).execute(&mut connection)?;
    let mut arrived = vec![String::new()];
    let mut attentive_until = Instant::now();
    while !payloads.is_closed() {
        if !arrived.is_empty() {
            attentive_until = Instant::now() + ATTENTION;
        }
        for payload in arrived {
            // fails if nobody listens any more
            let _ = payloads.blocking_send(payload);
        }
        let is_attentive = Instant::now() < attentive_until;
        thread::sleep(if is_attentive {
            BUSY_INTERVAL
        } else {
            IDLE_INTERVAL
        });
        arrived = read_pending(&mut connection)?;
    }
    Ok(())
}

/// Returns the payloads that have arrived. Does not block, because libpq reads its input without waiting.
fn read_pending(connection: &mut PgConnection) -> QueryResult<Vec<String>> {
    connection
        .notifications_iter()
        .map(|notification| Ok(notification?.payload))
        .collect()
}
