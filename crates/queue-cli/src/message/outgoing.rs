//! A message before it is sent.

use std::time::Duration;

/// The message attribute that contains the publisher's name.
pub(crate) const CLIENT_ATTRIBUTE: &str = "client";
/// The data type of that attribute.
pub(crate) const STRING: &str = "String";

/// A message before it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Outgoing {
    pub(crate) number: u64,
    pub(crate) body: String,
    pub(crate) client: String,
    pub(crate) group: Option<String>,
    pub(crate) dedup_id: Option<String>,
    pub(crate) delay: Option<Duration>,
}

impl Outgoing {
    /// Returns the size that SQS counts: the body, and the name, type and value of each attribute.
    pub(crate) fn bytes(&self) -> usize {
        self.body.len() + CLIENT_ATTRIBUTE.len() + STRING.len() + self.client.len()
    }
}
