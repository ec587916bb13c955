//! Why a call to Kafka failed.

use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};

use crate::error::QueueError;

/// Returns that a topic does not exist.
pub(super) fn missing(topic: &str) -> String {
    format!("Kafka has no topic {topic}")
}

/// Returns that a user can't use a topic.
pub(super) fn forbidden(topic: &str) -> String {
    format!("Kafka does not let this user use the topic {topic}")
}

/// Returns why there is no client.
pub(super) fn explain_creation(error: &KafkaError) -> QueueError {
    if let KafkaError::ClientConfig(_, reason, _, _) | KafkaError::ClientCreation(reason) = error {
        return QueueError::Refused(explain_settings(reason));
    }
    QueueError::Unavailable(error.to_string())
}

/// Returns why a call that concerns a topic failed as a whole.
pub(super) fn explain(error: &KafkaError, topic: &str) -> QueueError {
    let reason = match error.rdkafka_error_code() {
        Some(Code::UnknownTopic | Code::UnknownTopicOrPartition) => missing(topic),
        Some(Code::TopicAuthorizationFailed) => forbidden(topic),
        Some(Code::GroupAuthorizationFailed) => {
            format!("Kafka does not let this user use the group that reads the topic {topic}")
        }
        Some(
            code @ (Code::InvalidTopic
            | Code::ClusterAuthorizationFailed
            | Code::InvalidSessionTimeout
            | Code::InconsistentGroupProtocol),
        ) => format!("Kafka refuses a call for the topic {topic} ({code})"),
        _ => {
            let unavailable = || QueueError::Unavailable(error.to_string());
            return refusal(error, "").unwrap_or_else(unavailable);
        }
    };
    QueueError::Refused(reason)
}

/// Returns why no server lets the client in, if this is what an error says.
pub(super) fn refusal(error: &KafkaError, reason: &str) -> Option<QueueError> {
    // Not how long it took, which differs each time.
    let reason = reason.split(" (after ").next().unwrap_or(reason);
    // A connection that breaks while the user logs in is reported as if the user was refused.
    let is_broken = ["Local: ", "Disconnected"]
        .iter()
        .any(|words| reason.contains(words));
    let words = match error.rdkafka_error_code()? {
        Code::Authentication | Code::SaslAuthenticationFailed if !is_broken => {
            format!("Kafka refuses the user or password of QUEUE_URL ({reason})")
        }
        Code::UnsupportedSASLMechanism => {
            format!("Kafka does not know the mechanism of SASL that QUEUE_URL names ({reason})")
        }
        Code::SSL => format!(
            "no TLS connection to Kafka is possible ({reason}); if a private authority has certified the server, set \
             QUEUE_CA_FILE to the authority's certificate; if this port has no TLS, QUEUE_URL has to begin with kafka://"
        ),
        _ => return None,
    };
    Some(QueueError::Refused(words))
}

/// Returns whether a message that could not be sent could not be sent again either, unless somebody changes its topic or the
/// rights of the user.
pub(super) fn is_permanent(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(
            Code::MessageSizeTooLarge
                | Code::MessageBatchTooLarge
                | Code::InvalidRecord
                | Code::PolicyViolation
                | Code::TopicAuthorizationFailed
        )
    )
}

/// Returns why librdkafka refuses its settings. Without OpenSSL, it lacks the mechanisms of SCRAM, also without TLS.
fn explain_settings(reason: &str) -> String {
    let words = reason.trim_end_matches('\0');
    if words.contains("SCRAM") {
        return format!("{words}: to use SCRAM, build this program with --features kafka-tls");
    }
    if words.contains("ssl.ca.location") {
        return format!("QUEUE_CA_FILE can't be read, or has no valid certificate ({words})");
    }
    format!("the client of Kafka refuses its settings ({words})")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_for_refused_settings_says_what_to_change() {
        for (reason, part) in [
            ("ssl.ca.location failed: no certificate", "QUEUE_CA_FILE"),
            ("SASL SCRAM support not available", "--features kafka-tls"),
            ("Invalid value", "refuses its settings (Invalid value)"),
        ] {
            let error = explain_creation(&KafkaError::ClientCreation(format!("{reason}\0")));
            assert!(
                matches!(&error, QueueError::Refused(text) if text.contains(part)),
                "{error}"
            );
        }
    }
}
