//! Messages, and how many of them fit into one request.

/// The maximum number of messages in a request:
/// <https://docs.aws.amazon.com/sns/latest/dg/sns-batch-api-actions.html>
pub const MAX_BATCH: usize = 10;
/// The maximum size of one message, and of all messages in a request, in bytes: the same page.
const MAX_BYTES: usize = 256 * 1024;
/// The data type of every attribute, which counts as part of it.
pub(crate) const ATTRIBUTE_TYPE: &str = "String";

/// A message to publish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Its text.
    pub body: String,
    /// What subscriptions can filter by: names and values.
    pub attributes: Vec<(&'static str, String)>,
    /// On a FIFO topic: messages of the same group stay in order.
    pub group: String,
    /// On a FIFO topic: of messages with the same id within five minutes, only one is delivered.
    pub deduplication_id: String,
}

impl Message {
    /// Returns how many bytes of a request it takes: its text and its attributes.
    fn size(&self) -> usize {
        let attributes = self.attributes.iter();
        let sizes = attributes.map(|(name, value)| name.len() + ATTRIBUTE_TYPE.len() + value.len());
        self.body.len() + sizes.sum::<usize>()
    }
}

/// Divides messages into requests, in their order. A message that is too large for any request gets one of its own, so
/// that only it is refused.
pub(crate) fn split(messages: Vec<Message>) -> Vec<Vec<Message>> {
    let mut batches: Vec<Vec<Message>> = Vec::new();
    let mut free = 0;
    for message in messages {
        let size = message.size();
        match batches.last_mut() {
            Some(batch) if batch.len() < MAX_BATCH && size <= free => {
                free -= size;
                batch.push(message);
            }
            _ => {
                free = MAX_BYTES.saturating_sub(size);
                batches.push(vec![message]);
            }
        }
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A message that takes as many bytes as `size` says, of which an attribute takes half.
    fn message(size: usize) -> Message {
        let value = "v".repeat(size / 2 - "name".len() - ATTRIBUTE_TYPE.len());
        Message {
            body: "b".repeat(size - size / 2),
            attributes: vec![("name", value)],
            group: "not counted".to_owned(),
            deduplication_id: "not counted".to_owned(),
        }
    }

    fn counts(sizes: &[usize]) -> Vec<usize> {
        let messages = sizes.iter().map(|size| message(*size)).collect();
        split(messages).iter().map(Vec::len).collect()
    }

    #[test]
    fn a_request_has_at_most_ten_messages() {
        assert_eq!(counts(&[]), [0; 0]);
        assert_eq!(counts(&[100; 10]), [10]);
        assert_eq!(counts(&[100; 31]), [10, 10, 10, 1]);
    }

    #[test]
    fn the_messages_of_a_request_have_at_most_256_kib() {
        let half = MAX_BYTES / 2;
        assert_eq!(counts(&[half, half]), [2]);
        assert_eq!(counts(&[half, half + 1, 100]), [1, 2]);
        assert_eq!(counts(&[100, MAX_BYTES + 1, 100, 100]), [1, 1, 2]);
    }

    #[test]
    fn messages_stay_in_order() {
        let messages: Vec<_> = (50..80).map(message).collect();
        assert_eq!(split(messages.clone()).concat(), messages);
    }
}
