//! `queue tail`: shows messages as they come, without deleting them. SQS has no such thing: who looks, receives.

use tokio_util::sync::CancellationToken;

use crate::cli;
use crate::error::Error;
use crate::output::Output;
use crate::queue::Queue;
use crate::receive::receive;

pub(crate) async fn tail(arguments: cli::Tail, stop: &CancellationToken) -> Result<(), Error> {
    let mut output = Output::new(arguments.json);
    let mut queue = Queue::open(&arguments.name).await?;
    let policy = queue.attributes().await?.redrive_policy();
    output.note(format_args!(
        "SQS shows only what it delivers: each message seen here counts as received, and is hidden from others meanwhile"
    ));
    if let Some(policy) = policy {
        output.note(format_args!(
            "after {} receives a message goes to the dead-letter queue",
            policy.max_receive_count
        ));
    }
    if queue.is_fifo {
        output.note(
            "a message group gives no more messages until what it gave is deleted or given back",
        );
    }
    receive(&mut queue, arguments.options(), &mut output, stop).await
}
