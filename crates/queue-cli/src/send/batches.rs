//! Messages in batches that SQS accepts: at most ten, and at most 1 MiB together.

use std::time::Duration;

use sqs_client::limits::MAX_BYTES;

use super::source::Source;
use crate::error::Error;
use crate::message::Outgoing;

/// How long a batch that is not full waits for another line of stdin.
const LINGER: Duration = Duration::from_millis(200);

/// Takes messages from a source and groups them into batches.
#[derive(Debug)]
pub(crate) struct Batches {
    source: Source,
    size: usize,
    /// A message that did not fit into the last batch.
    pending: Option<Outgoing>,
}

impl Batches {
    pub(crate) fn new(source: Source, size: usize) -> Self {
        Self {
            source,
            size,
            pending: None,
        }
    }

    /// Returns the next batch, or an empty one at the end of the source.
    pub(crate) async fn next(&mut self) -> Result<Vec<Outgoing>, Error> {
        let first = match self.pending.take() {
            Some(pending) => Some(pending),
            None => self.source.next().await?,
        };
        let mut batch: Vec<Outgoing> = first.into_iter().collect();
        let mut bytes = batch.iter().map(Outgoing::bytes).sum::<usize>();
        while !batch.is_empty() && batch.len() < self.size {
            let Ok(next) = tokio::time::timeout(LINGER, self.source.next()).await else {
                break;
            };
            let Some(message) = next? else { break };
            bytes += message.bytes();
            if bytes > MAX_BYTES {
                self.pending = Some(message);
                break;
            }
            batch.push(message);
        }
        Ok(batch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::send::pattern::{Groups, Pattern};

    async fn sizes(body: &str, count: u64, size: usize) -> Vec<usize> {
        let pattern = Pattern {
            client: "c".to_owned(),
            prepend: String::new(),
            groups: Groups::None,
            dedup_id: None,
            delay: None,
        };
        let mut batches = Batches::new(Source::template(pattern, body.to_owned(), count), size);
        let mut sizes = Vec::new();
        loop {
            match batches.next().await.unwrap().len() {
                0 => return sizes,
                size => sizes.push(size),
            }
        }
    }

    #[tokio::test]
    async fn all_batches_but_the_last_are_full() {
        assert_eq!(sizes("Message {number}", 25, 10).await, [10, 10, 5]);
        assert_eq!(sizes("Message {number}", 0, 10).await, [0; 0]);
    }

    #[tokio::test]
    async fn a_batch_has_at_most_1_mib() {
        let large = "x".repeat(400 * 1024);
        assert_eq!(sizes(&large, 5, 10).await, [2, 2, 1]);
    }
}
