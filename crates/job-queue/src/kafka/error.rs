//! Why a call to Kafka failed.

use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};

use crate::error::QueueError;

/// Returns why a user can't see a topic.
pub(super) fn forbidden(topic: &str) -> String {
    format!("Kafka does not let this user use the topic {topic}")
}

/// Returns why a call failed as a whole.
pub(super) fn explain(error: &KafkaError) -> QueueError {
    if let KafkaError::ClientConfig(_, reason, _, _) | KafkaError::ClientCreation(reason) = error {
        return QueueError::Refused(explain_settings(reason));
    }
    match error.rdkafka_error_code() {
        Some(
            code @ (Code::UnknownTopic
            | Code::UnknownTopicOrPartition
            | Code::InvalidTopic
            | Code::TopicAuthorizationFailed
            | Code::GroupAuthorizationFailed
            | Code::ClusterAuthorizationFailed
            | Code::InvalidSessionTimeout
            | Code::InconsistentGroupProtocol),
        ) => QueueError::Refused(format!("Kafka refuses the call ({code})")),
        _ => refusal(error, "").unwrap_or_else(|| QueueError::Unavailable(error.to_string())),
    }
}

/// Returns why no server lets the client in, if this is what an error says.
pub(super) fn refusal(error: &KafkaError, reason: &str) -> Option<QueueError> {
    // Not how long it took, which differs each time.
    let reason = reason.split(" (after ").next().unwrap_or(reason);
    let words = match error.rdkafka_error_code()? {
        Code::Authentication | Code::SaslAuthenticationFailed => {
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
            let error = explain(&KafkaError::ClientCreation(format!("{reason}\0")));
            assert!(
                matches!(&error, QueueError::Refused(text) if text.contains(part)),
                "{error}"
            );
        }
    }
}
