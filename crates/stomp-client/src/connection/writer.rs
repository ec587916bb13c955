//! The task that writes what the commands want to send, and heart-beats.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};

use super::ANSWER_LIMIT;
use super::shared::Shared;

/// How many calls may wait for their turn to write. Each is a batch of commands.
pub(super) const QUEUE: usize = 16;

/// Writes until the connection has ended. A task of its own, so that a caller who is abandoned never leaves half a frame
/// behind.
pub(super) async fn run(
    shared: Arc<Shared>,
    output: impl AsyncWrite + Unpin,
    frames: mpsc::Receiver<Vec<u8>>,
    heart_beat: Option<Duration>,
) {
    let over = shared.over().clone();
    tokio::select! {
        reason = write(&shared, output, frames, heart_beat) => shared.finish(&reason),
        () = over.cancelled() => {}
    }
}

/// Returns why it ended.
async fn write(
    shared: &Shared,
    mut output: impl AsyncWrite + Unpin,
    mut frames: mpsc::Receiver<Vec<u8>>,
    heart_beat: Option<Duration>,
) -> String {
    // Twice as often as promised, because a server may count strictly. Without heart-beats, a tick writes nothing.
    let mut ticks = interval(heart_beat.map_or(ANSWER_LIMIT, |time| time / 2));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let bytes = tokio::select! {
            bytes = frames.recv() => match bytes {
                Some(bytes) => bytes,
                None => return "it was dropped".to_owned(),
            },
            _ = ticks.tick() => match heart_beat {
                Some(_) => b"\n".to_vec(),
                None => continue,
            },
        };
        let written = async {
            output.write_all(&bytes).await?;
            output.flush().await
        };
        match shared.while_answering(written).await {
            Some(Ok(())) => {}
            Some(Err(error)) => return error.to_string(),
            None => return "the server does not read".to_owned(),
        }
    }
}
