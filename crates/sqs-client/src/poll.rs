//! Receiving: one long poll per call.

use std::time::Duration;

use aws_sdk_sqs::error::SdkError;
use aws_sdk_sqs::operation::receive_message::ReceiveMessageError;
use aws_sdk_sqs::operation::receive_message::builders::ReceiveMessageFluentBuilder;
use aws_sdk_sqs::types::Message;

use crate::config::single_attempt;
use crate::limits::whole_seconds;

/// How much longer than its wait a poll may take. After that, its connection is considered dead.
const GRACE: Duration = Duration::from_secs(5);

/// Waits for messages, at most for `wait`. Makes one attempt only: a call without an answer may have taken messages.
///
/// # Errors
/// Returns an error if the call fails or is not answered soon after `wait`.
pub async fn poll(
    call: ReceiveMessageFluentBuilder,
    wait: Duration,
) -> Result<Vec<Message>, SdkError<ReceiveMessageError>> {
    let call = call
        .wait_time_seconds(whole_seconds(wait))
        .customize()
        .config_override(single_attempt(wait + GRACE));
    Ok(call.send().await?.messages.unwrap_or_default())
}
