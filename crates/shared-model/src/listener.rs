//! Listens for PostgreSQL's NOTIFY. A notification is only a hint that something changed: it may be lost, so a listener
//! must poll too, though less often. [`crate::notifier`] sends them.

use std::time::Duration;

use diesel::{PgConnection, QueryResult, RunQueryDsl};
use tokio::time::Instant;

use crate::database::Pool;

/// The channel that is notified when a job becomes due for a worker.
pub const JOB_DUE: &str = "taskoverflow_job_due";

/// The channel that is notified when the versions of jobs grow. The payload is the ids of the jobs, separated by spaces;
/// an empty payload means any job.
pub const JOB_CHANGED: &str = "taskoverflow_job_changed";

/// The interval between two reads of the socket while notifications arrive. A read is one system call that sends nothing to
/// the server. (Diesel does not reveal the socket, so it can't be waited for.)
const BUSY_INTERVAL: Duration = Duration::from_millis(1);
/// The interval when nothing has arrived for a while.
const IDLE_INTERVAL: Duration = Duration::from_millis(4);
/// How long a listener stays attentive after a notification.
const ATTENTION: Duration = Duration::from_secs(1);
const RECONNECT_DELAY: Duration = Duration::from_secs(1);

/// Calls `on_payload` with the payload of each notification on `channel`, and with an empty payload after each new
/// connection, because notifications may have been lost before. Uses a connection of its own, and reconnects when it
/// breaks. The future never completes: drop it to stop listening.
pub async fn listen(pool: Pool, channel: &'static str, on_payload: impl Fn(&str) + Send) {
    loop {
        let connect = pool.clone();
        let connected = tokio::task::spawn_blocking(move || {
            let mut connection = connect.connect().ok()?;
            diesel::sql_query(format!("LISTEN {channel}"))
                .execute(&mut connection)
                .ok()?;
            Some(connection)
        });
        if let Ok(Some(mut connection)) = connected.await {
            on_payload("");
            let mut idle_from = Instant::now();
            while let Ok(payloads) = read_pending(&mut connection) {
                for payload in &payloads {
                    on_payload(payload);
                }
                if !payloads.is_empty() {
                    idle_from = Instant::now() + ATTENTION;
                }
                let is_idle = Instant::now() > idle_from;
                let interval = if is_idle {
                    IDLE_INTERVAL
                } else {
                    BUSY_INTERVAL
                };
                tokio::time::sleep(interval).await;
            }
            log::warn!("lost the connection that listens on {channel}; reconnecting");
        }
        tokio::time::sleep(RECONNECT_DELAY).await;
    }
}

/// Returns the payloads that have arrived. Does not block, because libpq reads its input without waiting.
fn read_pending(connection: &mut PgConnection) -> QueryResult<Vec<String>> {
    connection
        .notifications_iter()
        .map(|notification| Ok(notification?.payload))
        .collect()
}
