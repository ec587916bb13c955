use super::*;

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

fn one(text: &str) -> Frame {
    let mut frames = all(text.as_bytes(), text.len()).unwrap();
    assert_eq!(frames.len(), 1, "{text:?}");
    frames.remove(0)
}

/// What ActiveMQ 5.17 sends.
#[test]
fn a_message_of_activemq_is_read() {
    let frame = one("\nMESSAGE\nexpires:0\nack:ID\\cvm-1\\c2\nsubscription:s1\n\nbody\0\n");
    assert_eq!(frame.command, Command::Message);
    assert_eq!(frame.header("ack"), Some("ID:vm-1:2"));
    assert_eq!(frame.header("Ack"), None);
    assert_eq!(frame.body, b"body");
    let frame = one("CONNECTED\nserver:ActiveMQ/5.17.2\nsession:ID:vm-1:2\\\n\n\0");
    assert_eq!(frame.header("session"), Some("ID:vm-1:2\\"));
}

#[test]
fn a_body_with_a_length_may_contain_nul() {
    let frame = one("MESSAGE\r\ncontent-length:3\r\n\r\na\0b\0");
    assert_eq!(frame.body, b"a\0b");
}

#[test]
fn of_a_repeated_header_the_first_counts() {
    let frame = one("MESSAGE\nfoo:1\nfoo:2\n\n\0");
    assert_eq!(frame.header("foo"), Some("1"));
}

#[test]
fn the_text_of_an_error_may_contain_anything() {
    let frame = one("ERROR\nmessage:C:\\temp\n\n\0");
    assert_eq!(frame.header("message"), Some("C:\\temp"));
}

#[test]
fn what_is_not_stomp_is_refused() {
    for text in [
        "HTTP/1.1 400 Bad Request\r\nServer: x\r\n\r\n",
        "message\n\n\0",
        "MESSAGE \n\n\0",
        "MESSAGE\nno colon\n\n\0",
        "MESSAGE\na:\\t\n\n\0",
        "MESSAGE\na:\\\n\n\0",
        "MESSAGE\ncontent-length:-1\n\n\0",
        "MESSAGE\ncontent-length:1\n\nab\0",
        "\0\n\n",
    ] {
        let error = all(text.as_bytes(), 7).unwrap_err();
        assert!(matches!(error, DecodeError::Malformed(_)), "{text:?}");
    }
}

#[test]
fn what_exceeds_a_limit_is_refused_before_it_is_kept() {
    let endless_head = ["MESSAGE\na:", &"x".repeat(MAX_HEAD)].concat();
    let huge = format!("MESSAGE\ncontent-length:{}\n\n", usize::MAX);
    for text in [endless_head, huge] {
        assert_eq!(all(text.as_bytes(), 4096), Err(DecodeError::TooLarge));
    }
}

#[test]
fn of_many_headers_those_that_matter_are_kept_and_the_next_frame_is_read() {
    let others = (0..20_000).map(|number| format!("h{number}:x\n"));
    let others = others.collect::<Vec<_>>().concat();
    let matter = "ack:1\nsubscription:s\nmessage-id:2\ncontent-length:4\n";
    for head in [[&others, matter].concat(), [matter, &others].concat()] {
        let text = ["MESSAGE\n", &head, "ack:later\n\na\0bc\0RECEIPT\n\n\0"].concat();
        let frames = all(text.as_bytes(), 4096).unwrap();
        let [message, receipt] = frames.as_slice() else {
            panic!("{} frames", frames.len());
        };
        assert_eq!(message.header("ack"), Some("1"));
        assert_eq!(message.header("subscription"), Some("s"));
        assert_eq!(message.header("message-id"), Some("2"));
        assert_eq!(message.header("h0"), Some("x"));
        assert_eq!(message.body, b"a\0bc");
        let kept = message.headers.len();
        assert!((MAX_HEADERS..MAX_HEADERS + 5).contains(&kept), "{kept}");
        assert_eq!(receipt.command, Command::Receipt);
    }
}

#[test]
fn of_a_long_body_the_beginning_is_kept_and_the_next_frame_is_read() {
    for length in [MAX_BODY - 1, MAX_BODY, MAX_BODY + 1, 3 * MAX_BODY] {
        let heads = [
            "MESSAGE\n\n".to_owned(),
            format!("MESSAGE\ncontent-length:{length}\n\n"),
        ];
        for head in heads {
            let text = [&head, &"x".repeat(length), "\0RECEIPT\n\n\0"].concat();
            for chunk in [4096, text.len()] {
                let mut decoder = Decoder::default();
                let mut frames = Vec::new();
                for bytes in text.as_bytes().chunks(chunk) {
                    decoder.feed(bytes);
                    while let Some(frame) = decoder.next_frame().unwrap() {
                        frames.push(frame);
                    }
                    assert!(decoder.kept() <= MAX_BODY + MAX_HEAD + chunk);
                }
                let [message, receipt] = frames.as_slice() else {
                    panic!("{} frames", frames.len());
                };
                assert_eq!(message.body, vec![b'x'; length.min(MAX_BODY)]);
                assert_eq!(receipt.command, Command::Receipt);
            }
        }
    }
}

#[test]
fn a_body_without_an_end_is_refused_and_not_kept() {
    let mut decoder = Decoder::default();
    decoder.feed(b"MESSAGE\n\n");
    let chunk = vec![b'x'; 1024 * 1024];
    let mut fed = 0;
    let error = loop {
        decoder.feed(&chunk);
        fed += chunk.len();
        match decoder.next_frame() {
            Ok(frame) => assert_eq!(frame, None),
            Err(error) => break error,
        }
        assert!(decoder.kept() <= MAX_BODY + chunk.len());
    };
    assert_eq!(error, DecodeError::TooLarge);
    assert!(fed <= MAX_LENGTH + 3 * chunk.len(), "{fed}");
}
