//! Whatever a server sends, the client neither panics, nor waits for ever, nor keeps more than its limits allow.

use local_services::testing::resident_bytes;
use proptest::test_runner::{Config, TestRunner};
use stomp_client::decoder::{MAX_HEAD, MAX_LENGTH};
use stomp_client::{Command, CommandError, ConnectError, Connection, Frame};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::random_inputs::made_of;
use crate::scripted::{CONNECTED, admit, connection_to, header, request, server, within};

/// What the system may hold between the two ends of a connection, generously.
const IN_SOCKETS: usize = 16 * 1024 * 1024;

fn memory() -> u64 {
    resident_bytes(std::process::id()).unwrap()
}

async fn end_of(connection: &Connection) -> String {
    within("the connection to end", connection.ended()).await;
    connection.end().unwrap().to_owned()
}

#[tokio::test]
async fn a_server_that_refuses_is_quoted_on_one_short_line() {
    let reason = format!("no\\n\u{7}{}", "x".repeat(10_000));
    let (endpoint, _) = server(async move |mut client| {
        let connect = request(&mut client).await;
        assert_eq!(header(&connect, "login"), "user");
        assert_eq!(header(&connect, "passcode"), "secret");
        let answer = format!("ERROR\nmessage:{reason}\n\nat org.apache\0");
        client.write_all(answer.as_bytes()).await.unwrap();
    })
    .await;
    let error = Connection::open(&endpoint).await.unwrap_err();
    let ConnectError::Refused(reason) = &error else {
        panic!("{error:?}");
    };
    assert!(reason.starts_with("no  xxx"), "{reason:?}");
    assert!(reason.len() < 400, "{reason:?}");
    assert!(!format!("{error:?} {endpoint:?} {endpoint}").contains("secret"));
}

#[tokio::test]
async fn what_does_not_speak_stomp_is_told_apart_from_a_server_that_is_away() {
    for answer in [
        "HTTP/1.1 400 Bad Request\r\n\r\n",
        "\u{15}\u{3}\u{3}\0\u{2}\u{2}\n\n",
        "RECEIPT\nreceipt-id:1\n\n\0",
        "CONNECTED\nversion:1.1\n\n\0",
        "CONNECTED\n\n\0",
        "CONNECTED\nversion:1.2\nheart-beat:x\n\n\0",
        "CONNECTED\nversion:1.2\ncontent-length:18446744073709551615\n\n",
    ] {
        let (endpoint, _) = server(async move |mut client| {
            client.write_all(answer.as_bytes()).await.unwrap();
            let _ = client.read_to_end(&mut Vec::new()).await;
        })
        .await;
        let error = within("an answer", Connection::open(&endpoint)).await;
        let error = error.unwrap_err();
        assert!(
            matches!(error, ConnectError::NotStomp(_)),
            "{answer:?}: {error:?}"
        );
    }
    for answer in ["", "CONNEC", "CONNECTED\nversion:1.2\n\n"] {
        let (endpoint, _) = server(async move |mut client| {
            client.write_all(answer.as_bytes()).await.unwrap();
        })
        .await;
        let error = within("an answer", Connection::open(&endpoint)).await;
        let error = error.unwrap_err();
        assert!(
            matches!(error, ConnectError::Unreachable(_)),
            "{answer:?}: {error:?}"
        );
    }
}

#[tokio::test]
async fn endless_input_ends_the_connection_at_the_limit() {
    for (beginning, limit) in [
        ("MESSAGE\n\n", MAX_LENGTH),
        ("MESSAGE\na:", MAX_HEAD),
        ("MESSAGE\ncontent-length:1048576\n\n", 1024 * 1024),
        ("MESSAGE\ncontent-length:999999999\n\n", 0),
    ] {
        let (endpoint, written) = server(async move |mut client| {
            admit(&mut client).await;
            client.write_all(beginning.as_bytes()).await.unwrap();
            let chunk = vec![b'x'; 64 * 1024];
            let mut written = 0;
            while client.write_all(&chunk).await.is_ok() {
                written += chunk.len();
            }
            written
        })
        .await;
        let before = memory();
        let connection = Connection::open(&endpoint).await.unwrap();
        let reason = end_of(&connection).await;
        assert!(reason.contains("it sent"), "{beginning:?}: {reason}");
        let grown = memory().saturating_sub(before);
        assert!(
            grown < 64 * 1024 * 1024,
            "{beginning:?}: {grown} bytes more"
        );
        drop(connection);
        let written = within("the server to notice", written).await.unwrap();
        assert!(
            written <= limit + IN_SOCKETS,
            "{beginning:?}: {written} bytes"
        );
    }
}

#[tokio::test]
async fn more_messages_than_were_asked_for_end_the_connection() {
    let (endpoint, written) = server(async move |mut client| {
        admit(&mut client).await;
        let subscribe = request(&mut client).await;
        let id = header(&subscribe, "id");
        let receipt = header(&subscribe, "receipt");
        let answer = format!("RECEIPT\nreceipt-id:{receipt}\n\n\0");
        client.write_all(answer.as_bytes()).await.unwrap();
        let body = "x".repeat(64 * 1024);
        let message = format!("MESSAGE\nsubscription:{id}\nack:1\n\n{body}\0");
        let mut written = 0_usize;
        while client.write_all(message.as_bytes()).await.is_ok() {
            written += 1;
        }
        written
    })
    .await;
    let connection = Connection::open(&endpoint).await.unwrap();
    let _incoming = connection.subscribe("/queue/q", 2).await.unwrap();
    let reason = end_of(&connection).await;
    assert!(reason.contains("more messages than"), "{reason}");
    drop(connection);
    let written = within("the server to notice", written).await.unwrap();
    assert!(
        written < 20 + IN_SOCKETS / (64 * 1024),
        "{written} messages"
    );
}

/// The messages of a queue that is only counted are not kept.
#[tokio::test]
async fn a_count_keeps_no_message() {
    const MESSAGES: usize = 2000;
    let (endpoint, _) = server(async move |mut client| {
        admit(&mut client).await;
        let subscribe = request(&mut client).await;
        let id = header(&subscribe, "id");
        let receipt = header(&subscribe, "receipt");
        let answer = format!("RECEIPT\nreceipt-id:{receipt}\n\n\0");
        client.write_all(answer.as_bytes()).await.unwrap();
        let body = "x".repeat(64 * 1024);
        let message = format!("MESSAGE\nsubscription:{id}\n\n{body}\0");
        for _ in 0..MESSAGES {
            client.write_all(message.as_bytes()).await.unwrap();
        }
        let end = format!("MESSAGE\nbrowser:end\nsubscription:{id}\n\n\0");
        client.write_all(end.as_bytes()).await.unwrap();
        let unsubscribe = request(&mut client).await;
        let receipt = header(&unsubscribe, "receipt");
        let answer = format!("RECEIPT\nreceipt-id:{receipt}\n\n\0");
        client.write_all(answer.as_bytes()).await.unwrap();
        let _ = client.read_to_end(&mut Vec::new()).await;
    })
    .await;
    let connection = Connection::open(&endpoint).await.unwrap();
    let before = memory();
    let count = within("the count", connection.count("/queue/q")).await;
    assert_eq!(count, Ok(MESSAGES as u64));
    let grown = memory().saturating_sub(before);
    assert!(
        grown < 64 * 1024 * 1024,
        "{grown} bytes more for 128 MB of messages"
    );
}

#[tokio::test]
async fn what_nobody_asked_for_is_ignored_or_ends_the_connection() {
    let connection = connection_to(
        "\n\n\r\nRECEIPT\nreceipt-id:nobody\n\n\0RECEIPT\n\n\0MESSAGE\nsubscription:x\n\nbody\0MESSAGE\n\n\0\
         ERROR\nmessage:enough\n\n\0",
    )
    .await;
    assert_eq!(end_of(&connection).await, "enough");
    for (bytes, reason) in [
        (CONNECTED, "the server sent CONNECTED"),
        ("SEND\n\n\0", "the server sent SEND"),
        ("GARBAGE\n\n\0", "it sent an unknown command"),
        ("ERROR\nreceipt-id:nobody\nmessage:no\n\n\0", "no"),
        ("ERROR\n\n\0", "the server gave no reason"),
    ] {
        let connection = connection_to(bytes).await;
        assert_eq!(end_of(&connection).await, reason, "{bytes:?}");
    }
}

#[tokio::test]
async fn a_command_learns_its_own_refusal_and_the_connection_goes_on() {
    let (endpoint, _) = server(async move |mut client| {
        admit(&mut client).await;
        for _ in 0..3 {
            let frame = request(&mut client).await;
            let receipt = header(&frame, "receipt");
            let answer = if header(&frame, "destination") == "bad" {
                format!("ERROR\nreceipt-id:{receipt}\nmessage:not authorized\n\n\0")
            } else {
                format!("RECEIPT\nreceipt-id:{receipt}\n\n\0")
            };
            client.write_all(answer.as_bytes()).await.unwrap();
        }
    })
    .await;
    let connection = Connection::open(&endpoint).await.unwrap();
    let send = |to: &str| Frame::new(Command::Send).with("destination", to).body("x");
    let commands = vec![send("good"), send("bad"), send("good")];
    let refused = Err(CommandError::Refused("not authorized".to_owned()));
    assert_eq!(
        connection.send_each(commands).await,
        [Ok(()), refused, Ok(())]
    );
    // The server has gone.
    end_of(&connection).await;
    let after = connection.send_all(vec![send("good")]).await;
    assert!(matches!(after, Err(CommandError::Ended(_))), "{after:?}");
}

/// The parts of answers to a client that subscribes: its subscription is 0, and its receipt is 1.
const PIECES: &[&str] = &[
    "MESSAGE\nsubscription:0\n",
    "RECEIPT\nreceipt-id:1\n",
    "ERROR\nreceipt-id:1\n",
    "content-length:5\n",
    "\n",
    "\0",
];

#[test]
fn arbitrary_bytes_neither_panic_nor_leave_a_command_waiting() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut runner = TestRunner::new(Config::with_cases(64));
    let outcome = runner.run(&made_of(PIECES, 30), |bytes| {
        runtime.block_on(async {
            let (endpoint, _) = server(async move |mut client| {
                admit(&mut client).await;
                request(&mut client).await;
                let _ = client.write_all(&bytes).await;
            })
            .await;
            let connection = Connection::open(&endpoint).await.unwrap();
            let answer = within("an answer", connection.subscribe("/queue/q", 1)).await;
            if let Ok(mut incoming) = answer {
                while within("the end", incoming.next()).await.is_some() {}
            }
            end_of(&connection).await;
        });
        Ok(())
    });
    outcome.unwrap();
}
