//! Messages in batches that SQS takes: at most ten, and of one MiB together.

use std::time::Duration;

use crate::error::Error;
use crate::outgoing::{Outgoing, Source};

/// Of a message and of a whole batch:
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessageBatch.html>
pub(crate) const MAX_BYTES: usize = 1024 * 1024;
/// How long a batch that is not full waits for the next line of stdin.
const LINGER: Duration = Duration::from_millis(200);

/// Takes messages from a source, so many at a time.
#[derive(Debug)]
pub(crate) struct Batches {
    source: Source,
    size: usize,
    /// Did not fit into the last batch.
    kept: Option<Outgoing>,
}

impl Batches {
    pub(crate) fn new(source: Source, size: usize) -> Self {
        Self {
            source,
            size,
            kept: None,
        }
    }

    /// The next messages; none at the end.
    pub(crate) async fn next(&mut self) -> Result<Vec<Outgoing>, Error> {
        let first = match self.kept.take() {
            Some(kept) => Some(kept),
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
                self.kept = Some(message);
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
    use crate::outgoing::{Groups, Pattern};

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
    async fn batches_are_full_but_the_last() {
        assert_eq!(sizes("Message {number}", 25, 10).await, [10, 10, 5]);
        assert_eq!(sizes("Message {number}", 0, 10).await, [0; 0]);
    }

    #[tokio::test]
    async fn a_batch_has_at_most_a_mib() {
        let large = "x".repeat(400 * 1024);
        assert_eq!(sizes(&large, 5, 10).await, [2, 2, 1]);
    }
}
