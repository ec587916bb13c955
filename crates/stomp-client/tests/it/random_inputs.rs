//! Random inputs to the parser of frames. Each is refused or read, whatever the pieces are in which it arrives, and never
//! makes the client panic. `.ci/checks ignored` tests many more of them.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use stomp_client::decoder::{DecodeError, Decoder, MAX_BODY, MAX_HEAD};
use stomp_client::{Command, Frame};

fn all(bytes: &[u8], chunk: usize) -> Result<Vec<Frame>, DecodeError> {
    let mut decoder = Decoder::default();
    let mut frames = Vec::new();
    for chunk in bytes.chunks(chunk.max(1)) {
        decoder.feed(chunk);
        while let Some(frame) = decoder.next_frame()? {
            frames.push(frame);
        }
        assert!(decoder.kept() <= MAX_BODY + MAX_HEAD + chunk.len());
    }
    Ok(frames)
}

fn frames() -> impl Strategy<Value = Vec<Frame>> {
    let commands = prop_oneof![
        Just(Command::Message),
        Just(Command::Receipt),
        Just(Command::Error),
        Just(Command::Send)
    ];
    let header = ("[^\0]{0,8}", "[^\0]{0,12}");
    let frame = (commands, vec(header, 0..4), vec(any::<u8>(), 0..40));
    let frame = frame.prop_map(|(command, headers, body)| {
        let mut frame = Frame::new(command).body(body);
        frame.headers.extend(headers);
        frame
    });
    vec(frame, 0..6)
}

/// The parts of texts that look like frames.
const PIECES: &[&str] = &[
    "MESSAGE\n",
    "ERROR\r\n",
    "a:b\n",
    "\\",
    ":",
    "content-length:",
    "3",
    "\n",
    "\r",
    "\0",
];

/// Texts that consist of at most `max` of these pieces, and of arbitrary bytes between some of them. They reach more than
/// the first check of a parser.
pub(crate) fn made_of(
    pieces: &'static [&'static str],
    max: usize,
) -> impl Strategy<Value = Vec<u8>> {
    let known = select(pieces).prop_map(|piece| piece.as_bytes().to_vec());
    let piece = prop_oneof![8 => known, 1 => vec(any::<u8>(), 0..20)];
    vec(piece, 0..=max).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn what_was_encoded_is_decoded_however_it_arrives(sent in frames(), chunk in 1_usize..64) {
        let mut bytes = Vec::new();
        for frame in &sent {
            frame.encode(&mut bytes).unwrap();
            bytes.push(b'\n');
        }
        prop_assert_eq!(all(&bytes, chunk).unwrap(), sent);
    }

    #[test]
    fn arbitrary_bytes_mean_the_same_however_they_arrive(bytes in made_of(PIECES, 40), chunk in 1_usize..16) {
        prop_assert_eq!(all(&bytes, chunk), all(&bytes, bytes.len()));
    }
}
