//! The task that reads what the server sends.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::time::timeout;

use super::shared::Shared;
use crate::decoder::{DecodeError, Decoder};
use crate::error::CommandError;
use crate::frame::{Command, Frame};

/// How many bytes are read at a time.
pub(super) const CHUNK: usize = 16 * 1024;
/// How much of a server's reason is kept, in characters. ActiveMQ's are short; the stack trace after them is not read.
const MAX_REASON: usize = 300;

/// Reads until the connection has ended.
pub(super) async fn run(
    shared: Arc<Shared>,
    input: impl AsyncRead + Unpin,
    decoder: Decoder,
    silence: Option<Duration>,
) {
    let over = shared.over().clone();
    tokio::select! {
        reason = read(&shared, input, decoder, silence) => shared.finish(&reason),
        () = over.cancelled() => {}
    }
}

/// Returns why it ended.
async fn read(
    shared: &Shared,
    mut input: impl AsyncRead + Unpin,
    mut decoder: Decoder,
    silence: Option<Duration>,
) -> String {
    let mut chunk = vec![0; CHUNK];
    loop {
        if let Err(reason) = handle(shared, &mut decoder) {
            return reason;
        }
        let read = input.read(&mut chunk);
        let read = match silence {
            None => read.await,
            Some(silence) => match timeout(silence, read).await {
                Ok(read) => read,
                Err(_elapsed) => {
                    return format!("the server was silent for {} s", silence.as_secs());
                }
            },
        };
        match read {
            Ok(0) => return "the server closed it".to_owned(),
            Ok(length) => decoder.feed(chunk.get(..length).unwrap_or_default()),
            Err(error) => return error.to_string(),
        }
    }
}

/// Handles the frames that are complete.
fn handle(shared: &Shared, decoder: &mut Decoder) -> Result<(), String> {
    let failed = |error: DecodeError| error.to_string();
    while let Some(frame) = decoder.next_frame().map_err(failed)? {
        match frame.command {
            Command::Message => {
                if !shared.deliver(frame) {
                    return Err("the server sent more messages than it was asked for".to_owned());
                }
            }
            Command::Receipt => {
                // An unknown one is the receipt of a command that was abandoned.
                shared.answer(frame.header("receipt-id").unwrap_or_default(), Ok(()));
            }
            Command::Error => {
                let reason = reason_of(&frame);
                let refused = Err(CommandError::Refused(reason.clone()));
                let receipt = frame.header("receipt-id").unwrap_or_default();
                if !shared.answer(receipt, refused) {
                    return Err(reason);
                }
            }
            command => return Err(format!("the server sent {command}")),
        }
    }
    Ok(())
}

/// Returns why a server refuses something: one line, without control characters.
pub(super) fn reason_of(error: &Frame) -> String {
    let text = error.header("message").unwrap_or_default();
    let text: String = text
        .chars()
        .map(|character| {
            if character.is_control() {
                ' '
            } else {
                character
            }
        })
        .take(MAX_REASON)
        .collect();
    if text.trim().is_empty() {
        "the server gave no reason".to_owned()
    } else {
        text
    }
}
