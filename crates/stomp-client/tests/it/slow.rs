//! Servers that answer slowly, as ActiveMQ does whose disk is slow.

use std::time::Duration;

use stomp_client::connection::ANSWER_LIMIT;
use stomp_client::{Command, CommandError, Connection, Frame};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::scripted::{admit, header, request, server, within};

fn commands(count: usize) -> Vec<Frame> {
    let command = |_| Frame::new(Command::Send).with("destination", "/queue/q");
    (0..count).map(command).collect()
}

/// Reads a command, and answers it after a pause.
async fn answer_one(client: &mut TcpStream, pause: Duration) {
    let command = request(client).await;
    tokio::time::sleep(pause).await;
    let receipt = format!("RECEIPT\nreceipt-id:{}\n\n\0", header(&command, "receipt"));
    client.write_all(receipt.as_bytes()).await.unwrap();
}

#[tokio::test]
async fn a_server_that_answers_slowly_confirms_each_command() {
    const COUNT: usize = 5;
    let (endpoint, served) = server(async |mut client| {
        admit(&mut client).await;
        for _ in 0..COUNT {
            answer_one(&mut client, ANSWER_LIMIT / 4).await;
        }
        client
    })
    .await;
    let connection = Connection::open(&endpoint).await.unwrap();
    let answers = within("the answers", connection.send_each(commands(COUNT))).await;
    assert_eq!(answers, vec![Ok(()); COUNT]);
    assert_eq!(connection.end(), None);
    served.await.unwrap();
}

#[tokio::test]
async fn what_a_server_confirmed_before_it_fell_silent_stays_confirmed() {
    let (endpoint, served) = server(async |mut client| {
        admit(&mut client).await;
        for _ in 0..3 {
            answer_one(&mut client, Duration::ZERO).await;
        }
        client
    })
    .await;
    let connection = Connection::open(&endpoint).await.unwrap();
    let answers = within("the answers", connection.send_each(commands(5))).await;
    let (confirmed, rest) = answers.split_at(3);
    assert_eq!(confirmed, vec![Ok(()); 3]);
    for answer in rest {
        assert!(matches!(answer, Err(CommandError::Ended(_))), "{answer:?}");
    }
    served.await.unwrap();
}
