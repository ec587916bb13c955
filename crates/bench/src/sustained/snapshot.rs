//! A session that holds a snapshot open, as a long report or a forgotten `psql` does. Until it ends, PostgreSQL keeps
//! every row version that the snapshot can see.

use std::time::Duration;

use diesel::connection::SimpleConnection;

use crate::system::{System, connect};

/// Waits for `delay`, and then holds a snapshot for `time`.
pub(super) async fn hold(
    system: &System,
    time: Option<Duration>,
    delay: Duration,
) -> anyhow::Result<()> {
    let Some(time) = time else { return Ok(()) };
    let mut database = connect(&system.cluster)?;
    tokio::time::sleep(delay).await;
    database.batch_execute(
        "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SELECT count(*) FROM todos",
    )?;
    tokio::time::sleep(time).await;
    database.batch_execute("COMMIT")?;
    Ok(())
}
