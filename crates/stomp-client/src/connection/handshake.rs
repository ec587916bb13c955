//! The first two frames of a session.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::reader::{CHUNK, reason_of};
use crate::decoder::Decoder;
use crate::endpoint::Endpoint;
use crate::error::ConnectError;
use crate::frame::{Command, Frame};

/// How often each side says that it is there. The other side ends the connection after about twice that time.
const HEART_BEAT: Duration = Duration::from_secs(10);

/// A session that has begun.
#[derive(Debug)]
pub(super) struct Session {
    /// How the server names itself.
    pub(super) server: String,
    /// What has arrived beyond the server's first frame.
    pub(super) decoder: Decoder,
    /// How often the server wants a sign of life, or `None` if it wants none.
    pub(super) heart_beat: Option<Duration>,
    /// After which silence the server is gone, or `None` if it sends no signs of life.
    pub(super) silence: Option<Duration>,
}

/// Logs in. The caller limits the time.
pub(super) async fn log_in(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    endpoint: &Endpoint,
) -> Result<Session, ConnectError> {
    let mut bytes = Vec::new();
    let encoded = connect(endpoint).encode(&mut bytes);
    encoded.map_err(|error| ConnectError::Refused(error.to_string()))?;
    let cut = |error: std::io::Error| {
        ConnectError::Unreachable(format!("{endpoint} cut the connection: {error}"))
    };
    stream.write_all(&bytes).await.map_err(cut)?;
    stream.flush().await.map_err(cut)?;
    let mut decoder = Decoder::default();
    let mut chunk = vec![0; CHUNK];
    let answer = loop {
        if let Some(frame) = decoder.next_frame()? {
            break frame;
        }
        let length = stream.read(&mut chunk).await.map_err(cut)?;
        if length == 0 {
            return Err(cut(std::io::ErrorKind::UnexpectedEof.into()));
        }
        decoder.feed(chunk.get(..length).unwrap_or_default());
    };
    begin(&answer, decoder)
}

fn connect(endpoint: &Endpoint) -> Frame {
    let interval = HEART_BEAT.as_millis();
    let mut frame = Frame::new(Command::Connect)
        .with("accept-version", "1.2")
        .with("host", &endpoint.host)
        .with("heart-beat", format!("{interval},{interval}"));
    if let Some(login) = &endpoint.login {
        frame = frame
            .with("login", &login.user)
            .with("passcode", &login.password);
    }
    frame
}

fn begin(answer: &Frame, decoder: Decoder) -> Result<Session, ConnectError> {
    let unusable = |reason: &str| ConnectError::NotStomp(reason.to_owned());
    match answer.command {
        Command::Connected => {}
        Command::Error => return Err(ConnectError::Refused(reason_of(answer))),
        _ => return Err(unusable("its first frame is neither CONNECTED nor ERROR")),
    }
    if answer.header("version") != Some("1.2") {
        return Err(unusable("it speaks another version"));
    }
    let beats = answer.header("heart-beat").unwrap_or("0,0");
    let beats = beats.split_once(',').and_then(|(sends, wants)| {
        let sends: u32 = sends.trim().parse().ok()?;
        let wants: u32 = wants.trim().parse().ok()?;
        Some((sends, wants))
    });
    let (sends, wants) = beats.ok_or_else(|| unusable("its heart-beat is not two numbers"))?;
    // Whichever side wants it less often decides; 0 means never.
    let interval = |theirs: u32| {
        let theirs = (theirs > 0).then(|| Duration::from_millis(theirs.into()));
        theirs.map(|theirs| theirs.max(HEART_BEAT))
    };
    Ok(Session {
        server: answer.header("server").unwrap_or_default().to_owned(),
        decoder,
        heart_beat: interval(wants),
        silence: interval(sends).map(|interval| interval * 2),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(beats: &str) -> Result<Session, ConnectError> {
        let answer = Frame::new(Command::Connected)
            .with("version", "1.2")
            .with("heart-beat", beats);
        begin(&answer, Decoder::default())
    }

    #[test]
    fn the_side_that_wants_fewer_heart_beats_decides() {
        for (beats, wanted, silence) in [
            ("0,0", None, None),
            ("10000,10000", Some(10), Some(20)),
            ("1,30000", Some(30), Some(20)),
            ("60000,1", Some(10), Some(120)),
        ] {
            let session = session(beats).unwrap();
            let seconds = |time: Option<Duration>| time.map(|time| time.as_secs());
            assert_eq!(seconds(session.heart_beat), wanted, "{beats}");
            assert_eq!(seconds(session.silence), silence, "{beats}");
        }
    }

    #[test]
    fn a_heart_beat_that_is_not_two_numbers_is_refused() {
        for beats in ["", "1", "1,", "-1,0", "99999999999,0", "a,b"] {
            let error = session(beats).unwrap_err();
            assert!(matches!(error, ConnectError::NotStomp(_)), "{beats:?}");
        }
    }
}
