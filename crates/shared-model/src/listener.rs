//! Postgres's NOTIFY as a hint that something changed. A hint only: it may be lost, so who waits also looks by itself.

use std::time::Duration;

use diesel::{PgConnection, QueryResult, RunQueryDsl};

use crate::database::Pool;

/// The channel told when a job became due for a worker.
pub const JOB_DUE: &str = "taskoverflow_job_due";

/// The channel told when a job's version grew; the payload is its id.
pub const JOB_CHANGED: &str = "taskoverflow_job_changed";

/// How often the connection is looked at. It reads what has arrived at the socket and asks the server nothing.
const LOOK_INTERVAL: Duration = Duration::from_millis(20);
const RECONNECT_DELAY: Duration = Duration::from_secs(1);

/// Tells who listens on `channel`, when the transaction commits.
///
/// # Errors
/// As any query.
pub fn notify(connection: &mut PgConnection, channel: &str) -> QueryResult<()> {
    diesel::sql_query(format!("NOTIFY {channel}"))
        .execute(connection)
        .map(drop)
}

/// Calls `heard` with the payload of each notification on `channel`, and with an empty one after each new connection, as
/// some may have been missed. Keeps one connection of its own, and makes it again when it breaks. Never ends: drop it
/// to stop.
pub async fn listen(pool: Pool, channel: &'static str, heard: impl Fn(&str) + Send) {
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
            heard("");
            while let Ok(payloads) = read_pending(&mut connection) {
                for payload in &payloads {
                    heard(payload);
                }
                tokio::time::sleep(LOOK_INTERVAL).await;
            }
            log::warn!("the connection that listens on {channel} broke; connecting again");
        }
        tokio::time::sleep(RECONNECT_DELAY).await;
    }
}

/// What has arrived. Does not block: libpq's input is read without waiting.
fn read_pending(connection: &mut PgConnection) -> QueryResult<Vec<String>> {
    connection
        .notifications_iter()
        .map(|notification| Ok(notification?.payload))
        .collect()
}
