//! Takes messages from the table: of jobs whose process died before it sent them, of jobs that found no place in the
//! inbox, and of jobs whose message was lost or refused.

use std::time::Duration;

use shared_model::backoff::Backoff;
use shared_model::database::{DatabaseError, Pool};
use shared_model::job_store::outbox;
use shared_model::message::OutboundMessage;
use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::inbox::LeasedMessage;

/// How many messages one statement takes at most.
pub(super) const TABLE_BATCH: usize = 100;
/// How often the table is read if nothing says that there is a message.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// Takes messages until `shutdown`, and passes them to `sender`.
pub(super) async fn take_messages(
    pool: &Pool,
    has_more: &Notify,
    sender: mpsc::Sender<LeasedMessage>,
    shutdown: &CancellationToken,
) {
    let mut failures = 0;
    loop {
        // there has to be room before the leases begin
        let room = shutdown.run_until_cancelled(sender.reserve_many(TABLE_BATCH));
        let Some(Ok(room)) = room.await else { return };
        let leased_at = Instant::now();
        let pause = match take(pool).await {
            Ok(taken) => {
                failures = 0;
                let is_full = taken.len() == TABLE_BATCH;
                for (permit, outbound) in room.zip(taken) {
                    permit.send(LeasedMessage::new(outbound, leased_at));
                }
                if is_full {
                    continue;
                }
                CHECK_INTERVAL
            }
            Err(error) => {
                failures += 1;
                let level = if failures == 1 {
                    log::Level::Warn
                } else {
                    log::Level::Debug
                };
                log::log!(level, error:%; "could not read the outbox; trying again");
                Backoff::CALL.after(failures)
            }
        };
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
            () = has_more.notified() => {}
        }
    }
}

async fn take(pool: &Pool) -> Result<Vec<OutboundMessage>, DatabaseError> {
    let limit = i64::try_from(TABLE_BATCH).unwrap_or(i64::MAX);
    pool.run(move |connection| outbox::take(connection, limit))
        .await
}
