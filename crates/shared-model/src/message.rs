//! The message that travels through the queue: a reference to a job. It never contains todos.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Deserializer, Serialize};

use crate::job::JobId;
use crate::trace::{Trace, TraceContext};

/// The version of the wire format. A worker leaves a message that it cannot read to the dead-letter queue.
pub const MESSAGE_VERSION: u8 = 1;

/// A reference to one generation of a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobMessage {
    /// The format: [`MESSAGE_VERSION`].
    pub v: u8,
    /// The job.
    pub job_id: JobId,
    /// The job's generation when the message was made. If the job has been redriven since, it has a newer one, and the
    /// message is stale.
    pub generation: i32,
    /// When the message was made, by the database's clock (UTC).
    pub enqueued_at: DateTime<Utc>,
    /// The job's trace, unless its id is the job's. Older releases neither write nor read it.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "readable"
    )]
    pub traceparent: Option<TraceContext>,
}

/// Why the body of a message can't be read.
#[derive(Debug, thiserror::Error)]
pub enum MessageError {
    /// It is not JSON, or not a job message.
    #[error("the body is not a job message: {0}")]
    Malformed(#[from] serde_json::Error),
    /// Another release wrote it, in a format that this release does not know.
    #[error("the body has version {0}, and this release reads version {MESSAGE_VERSION}")]
    UnknownVersion(u8),
}

/// A trace that can't be read is no reason to lose the job.
fn readable<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<TraceContext>, D::Error> {
    let text: Option<String> = Option::deserialize(deserializer)?;
    Ok(text.and_then(|text| text.parse().ok()))
}

impl JobMessage {
    /// Returns the job's trace.
    pub fn trace(&self) -> Trace {
        Trace::of_message(self.job_id.0, self.traceparent)
    }

    /// Returns the body of the message.
    ///
    /// # Errors
    /// Never fails for a value of this type; the signature is serde's.
    pub fn encode(&self) -> Result<String, MessageError> {
        Ok(serde_json::to_string(self)?)
    }

    /// Parses the body of a message.
    ///
    /// # Errors
    /// Returns an error if the body is not a job message, or has another version.
    pub fn decode(body: &str) -> Result<Self, MessageError> {
        #[derive(Deserialize)]
        struct Envelope {
            v: u8,
        }
        let Envelope { v } = serde_json::from_str(body)?;
        if v != MESSAGE_VERSION {
            return Err(MessageError::UnknownVersion(v));
        }
        Ok(serde_json::from_str(body)?)
    }
}

/// A message that a relay sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboundMessage {
    /// The message.
    pub message: JobMessage,
    /// How many times relays have taken the message to send it, including this time.
    pub sends: i32,
}

impl OutboundMessage {
    /// Returns the id by which a FIFO queue recognises a message that arrives twice because a call was repeated. It is
    /// not derived from the request, because two equal requests are two jobs. It contains the number of sends, because
    /// a message that was lost has to be accepted again.
    pub fn deduplication_id(&self) -> String {
        let JobMessage {
            job_id, generation, ..
        } = self.message;
        format!("{job_id}:{generation}:{}", self.sends)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOLDEN: &str = r#"{"v":1,"job_id":"0192f0c1-2345-7abc-8def-0123456789ab","generation":2,"enqueued_at":"2026-02-27T12:30:00.123456Z"}"#;

    #[test]
    fn the_wire_format_matches_the_golden_message() {
        let message = JobMessage::decode(GOLDEN).unwrap();
        assert_eq!(message.generation, 2);
        assert_eq!(message.encode().unwrap(), GOLDEN);
        let outbound = OutboundMessage { message, sends: 3 };
        assert_eq!(
            outbound.deduplication_id(),
            "0192f0c1-2345-7abc-8def-0123456789ab:2:3"
        );
    }

    #[test]
    fn a_message_names_the_trace_of_its_job_unless_they_have_the_same_id() {
        let context = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let with = |member: &str| GOLDEN.replace('}', &format!(r#","traceparent":{member}}}"#));
        let message = JobMessage::decode(&with(&format!("{context:?}"))).unwrap();
        assert_eq!(message.trace().context().unwrap().to_string(), context);
        assert_eq!(message.encode().unwrap(), with(&format!("{context:?}")));
        for none in [GOLDEN.to_owned(), with("null"), with(r#""garbage""#)] {
            let message = JobMessage::decode(&none).unwrap();
            assert_eq!(message.trace(), Trace::Own(message.job_id.0), "{none}");
        }
    }

    #[test]
    fn an_unknown_version_is_distinguished_from_a_malformed_body() {
        assert!(matches!(
            JobMessage::decode(r#"{"v":2,"job":"x"}"#),
            Err(MessageError::UnknownVersion(2))
        ));
        for body in [
            "",
            "null",
            "[]",
            "{}",
            r#"{"v":1}"#,
            r#"{"v":"1"}"#,
            "\u{0}",
        ] {
            assert!(
                matches!(JobMessage::decode(body), Err(MessageError::Malformed(_))),
                "{body:?}"
            );
        }
    }
}
