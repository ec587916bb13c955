//! The messages of the server, and how many rows a statement has changed or returned.

use tcp_proxy::Answer;

/// The type of a message, and its length, which counts its own bytes only.
const TYPE_BYTES: usize = 1;
const LENGTH_BYTES: usize = 4;

/// Reads the answer to one statement from its first message on.
pub(super) fn read(mut answer: &[u8]) -> Answer {
    while let Some((kind, body, rest)) = message(answer) {
        match kind {
            // a command is complete, and its tag ends with the number of rows
            b'C' if body.ends_with(b" 0\0") => return Answer::NoEffect,
            b'C' => return Answer::Effect,
            // an error, or ready for the next statement
            b'E' | b'Z' => return Answer::NoEffect,
            _ => answer = rest,
        }
    }
    Answer::Incomplete
}

/// Splits off the first message. Returns `None` if it is not complete.
fn message(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let kind = *bytes.first()?;
    let length = bytes.get(TYPE_BYTES..TYPE_BYTES + LENGTH_BYTES)?;
    let length = u32::from_be_bytes(length.try_into().ok()?) as usize;
    let end = TYPE_BYTES + length.max(LENGTH_BYTES);
    let body = bytes.get(TYPE_BYTES + LENGTH_BYTES..end)?;
    Some((kind, body, bytes.get(end..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u8, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(LENGTH_BYTES + body.len()).unwrap();
        [&[kind][..], &length.to_be_bytes(), body].concat()
    }

    #[test]
    fn the_tag_of_a_complete_command_says_whether_it_has_rows() {
        for (last, expected) in [
            (message(b'C', b"UPDATE 0\0"), Answer::NoEffect),
            (message(b'C', b"UPDATE 1\0"), Answer::Effect),
            (message(b'C', b"UPDATE 10\0"), Answer::Effect),
            (message(b'C', b"INSERT 0 0\0"), Answer::NoEffect),
            (message(b'C', b"INSERT 0 1\0"), Answer::Effect),
            (message(b'E', b"SERROR\0\0"), Answer::NoEffect),
        ] {
            let answer = [message(b'2', b""), message(b'D', b"\0\0"), last].concat();
            assert_eq!(read(&answer), expected, "{answer:?}");
            for arrived in 0..answer.len() {
                assert_eq!(read(&answer[..arrived]), Answer::Incomplete);
            }
        }
    }
}
