//! A server that does not answer costs a limited time. The clock is paused: it goes on only while all tasks wait, and
//! without sockets nothing else can be under way.

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::net::TcpListener;
use tokio::time::Instant;

use super::*;

/// Starts a session whose server has promised these heart-beats.
async fn session(heart_beat: &str) -> (Connection, DuplexStream) {
    let (client, mut server) = duplex(1024 * 1024);
    let connected = format!("CONNECTED\nversion:1.2\nheart-beat:{heart_beat}\n\n\0");
    server.write_all(connected.as_bytes()).await.unwrap();
    let connection = Connection::begin(Box::new(client), &endpoint(1)).await;
    while server.read_u8().await.unwrap() != 0 {}
    (connection.unwrap(), server)
}

fn endpoint(port: u16) -> Endpoint {
    Endpoint {
        host: "127.0.0.1".to_owned(),
        port,
        tls: None,
        login: None,
    }
}

fn command() -> Frame {
    Frame::new(Command::Send).with("destination", "/queue/q")
}

#[tokio::test]
async fn a_server_that_accepts_and_says_nothing_is_unreachable() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    tokio::time::pause();
    let endpoint = endpoint(listener.local_addr().unwrap().port());
    let error = Connection::open(&endpoint).await.unwrap_err();
    let ConnectError::Unreachable(reason) = error else {
        panic!("{error:?}");
    };
    assert!(reason.ends_with("did not answer within 5 s"), "{reason}");
}

#[tokio::test(start_paused = true)]
async fn a_command_without_an_answer_ends_the_connection() {
    let (connection, _server) = session("0,0").await;
    let answers = connection.send_each(vec![command(), command()]).await;
    let reason = "a command had no answer within 8 s";
    let ended = Err(CommandError::Ended(reason.to_owned()));
    assert_eq!(answers, [ended.clone(), ended]);
    assert_eq!(connection.end(), Some(reason));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_does_not_read_ends_the_connection() {
    let (connection, _server) = session("0,0").await;
    let large = command().body(vec![b'x'; 2 * 1024 * 1024]);
    let answer = connection.send_all(vec![large]).await;
    assert!(matches!(answer, Err(CommandError::Ended(_))), "{answer:?}");
}

#[tokio::test(start_paused = true)]
async fn closing_waits_a_second_at_most() {
    let (connection, _server) = session("0,0").await;
    let before = Instant::now();
    connection.close().await;
    let lasted = before.elapsed();
    assert!(lasted <= Duration::from_millis(1100), "{lasted:?}");
    assert_eq!(connection.end(), Some("it was closed"));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_falls_silent_is_given_up_and_one_with_heart_beats_is_not() {
    let (connection, mut server) = session("10000,10000").await;
    let before = Instant::now();
    let serve = tokio::spawn(async move {
        for _ in 0..6 {
            tokio::time::sleep(Duration::from_secs(10)).await;
            server.write_all(b"\n").await.unwrap();
        }
        let mut beats = Vec::new();
        server.read_to_end(&mut beats).await.unwrap();
        beats
    });
    connection.ended().await;
    assert_eq!(connection.end(), Some("the server was silent for 20 s"));
    assert_eq!(before.elapsed().as_secs(), 80);
    drop(connection);
    // The client has sent one every five seconds.
    let beats = serve.await.unwrap();
    assert!((16..=17).contains(&beats.len()), "{beats:?}");
}

#[tokio::test(start_paused = true)]
async fn an_abandoned_command_leaves_nothing_behind() {
    let (connection, mut server) = session("0,0").await;
    let abandoned = connection.send_each(vec![command(), command()]);
    let abandoned = timeout(Duration::from_secs(1), abandoned).await;
    assert!(abandoned.is_err());
    assert!(connection.shared.expects_nothing());
    // Its receipt is ignored, and the next command gets its own.
    server
        .write_all(b"RECEIPT\nreceipt-id:0\n\n\0RECEIPT\nreceipt-id:2\n\n\0")
        .await
        .unwrap();
    assert_eq!(connection.send_all(vec![command()]).await, Ok(()));
}

/// Answers the first `count` commands of a connection, each after this pause, and then keeps the connection.
async fn answer(mut server: DuplexStream, count: usize, pause: Duration) -> DuplexStream {
    for id in 0..count {
        tokio::time::sleep(pause).await;
        let receipt = format!("RECEIPT\nreceipt-id:{id}\n\n\0");
        server.write_all(receipt.as_bytes()).await.unwrap();
    }
    server
}

#[tokio::test(start_paused = true)]
async fn many_commands_may_take_longer_than_one_if_the_server_goes_on_answering() {
    let (connection, server) = session("0,0").await;
    let before = Instant::now();
    let commands = (0..5).map(|_| command()).collect();
    // The second call waits until the server has carried out the commands of the first.
    let (each, all, _server) = tokio::join!(
        connection.send_each(commands),
        connection.send_all(vec![command()]),
        answer(server, 6, ANSWER_LIMIT / 2),
    );
    assert_eq!(each, vec![Ok(()); 5]);
    assert_eq!(all, Ok(()));
    assert_eq!(before.elapsed().as_secs(), ANSWER_LIMIT.as_secs() * 3);
    assert_eq!(connection.end(), None);
}

#[tokio::test(start_paused = true)]
async fn commands_that_were_answered_before_the_server_fell_silent_count_as_carried_out() {
    let (connection, server) = session("0,0").await;
    let before = Instant::now();
    let commands = (0..4).map(|_| command()).collect();
    let (answers, _server) = tokio::join!(
        connection.send_each(commands),
        answer(server, 2, ANSWER_LIMIT / 2),
    );
    let ended = Err(CommandError::Ended(
        "a command had no answer within 8 s".to_owned(),
    ));
    assert_eq!(answers, [Ok(()), Ok(()), ended.clone(), ended]);
    assert_eq!(before.elapsed().as_secs(), ANSWER_LIMIT.as_secs() * 2);
}

#[tokio::test(start_paused = true)]
async fn commands_that_were_answered_within_the_limit_of_their_call_count_as_carried_out() {
    let (connection, server) = session("0,0").await;
    let before = Instant::now();
    let limit = Duration::from_secs(10);
    let commands = (0..4).map(|_| command()).collect();
    let (answers, _server) = tokio::join!(
        connection.send_each_within(commands, limit),
        answer(server, 2, ANSWER_LIMIT / 2),
    );
    let reason = "commands were not answered within 10 s";
    let ended = Err(CommandError::Ended(reason.to_owned()));
    assert_eq!(answers, [Ok(()), Ok(()), ended.clone(), ended]);
    assert_eq!(before.elapsed().as_secs(), limit.as_secs());
    assert_eq!(connection.end(), Some(reason));
}
