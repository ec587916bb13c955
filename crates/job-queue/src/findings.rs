//! What a look at a queue finds.

use std::time::Duration;

use shared_model::backoff::Backoff;
use tokio::time::{sleep, timeout};

use crate::error::QueueError;

/// What a look at a queue found. Empty if everything suits.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Findings {
    /// What can't work until an operator corrects it: the process ends with exit code 2, as for an invalid setting.
    pub unusable: Vec<String>,
    /// What works, but not as one would expect.
    pub warnings: Vec<String>,
}

/// How long one look at a queue may take.
const LOOK_TIMEOUT: Duration = Duration::from_secs(10);

/// Looks at a queue until it answers, and logs the warnings, and why it does not answer at first. Returns
/// [`Findings::unusable`].
pub async fn until_answered<F>(look: impl Fn() -> F) -> Vec<String>
where
    F: Future<Output = Result<Findings, QueueError>>,
{
    let mut failures = 0;
    loop {
        let error = match timeout(LOOK_TIMEOUT, look()).await {
            Ok(Ok(Findings { unusable, warnings })) => {
                for warning in warnings {
                    log::warn!("{warning}");
                }
                return unusable;
            }
            Ok(Err(error)) => error.to_string(),
            Err(_elapsed) => "no answer in time".to_owned(),
        };
        if failures == 0 {
            // An API without jobs makes no other call that would say so.
            log::warn!(error; "the queue does not answer; asking until it does");
        } else {
            log::debug!(error; "the queue still does not answer");
        }
        failures += 1;
        sleep(Backoff::CALL.after(failures)).await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_look_is_repeated_until_the_queue_answers() {
        let looks = AtomicU32::new(0);
        let look = async || match looks.fetch_add(1, Ordering::Relaxed) {
            0 => Err(QueueError::Unavailable("test".to_owned())),
            1 => std::future::pending().await,
            2 => Err(QueueError::Refused("test".to_owned())),
            _ => Ok(Findings {
                unusable: vec!["there is no queue".to_owned()],
                warnings: vec!["it is slow".to_owned()],
            }),
        };
        assert_eq!(until_answered(look).await, ["there is no queue"]);
        assert_eq!(looks.load(Ordering::Relaxed), 4);
    }
}
