//! `queue tail`: shows messages as they arrive, without deleting them. SQS cannot show a message without delivering it,
//! so this receives messages and later releases them.

use tokio_util::sync::CancellationToken;

use crate::cli;
use crate::error::Error;
use crate::output::Output;
use crate::queue::Queue;
use crate::receive::receive;

/// Shows messages until one of the options or `stop` ends it.
pub(crate) async fn tail(arguments: cli::Tail, stop: &CancellationToken) -> Result<(), Error> {
    let mut output = Output::new(arguments.json);
    let mut queue = Queue::open(&arguments.name).await?;
    let policy = queue.attributes().await?.redrive_policy();
    output.note(
        "SQS shows a message only by delivering it: each message shown here counts as received, and is hidden from \
         other subscribers meanwhile",
    );
    if let Some(policy) = policy {
        output.note(format_args!(
            "after {} receives, a message moves to the dead-letter queue",
            policy.max_receive_count
        ));
    }
    if queue.is_fifo {
        output.note(
            "while messages of a message group are in flight, SQS delivers no others of that group",
        );
    }
    receive(&mut queue, arguments.options(), &mut output, stop).await
}
