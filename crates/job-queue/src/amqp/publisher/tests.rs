//! A publisher whose server ends the connection in the middle of a batch.

use chrono::DateTime;
use local_services::testing::TIMEOUT;
use shared_model::job::JobId;
use shared_model::job_store::outbox::SendKey;
use shared_model::message::{JobMessage, MESSAGE_VERSION};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;

/// The types of frames.
const METHOD: u8 = 1;
const BODY: u8 = 3;
const FRAME_END: u8 = 0xCE;

/// Reads frames until one of this type, and returns its channel.
async fn read(client: &mut TcpStream, kind: u8) -> u16 {
    loop {
        let found = client.read_u8().await.unwrap();
        let channel = client.read_u16().await.unwrap();
        let size = client.read_u32().await.unwrap();
        let mut rest = vec![0; usize::try_from(size).unwrap() + 1];
        client.read_exact(&mut rest).await.unwrap();
        if found == kind {
            return channel;
        }
    }
}

/// Sends a method: its class, its number in the class, and its arguments.
async fn send_method(client: &mut TcpStream, channel: u16, class: u16, id: u16, rest: &[u8]) {
    let content = [&class.to_be_bytes(), &id.to_be_bytes(), rest].concat();
    let size = u32::try_from(content.len()).unwrap().to_be_bytes();
    let head = [&[METHOD][..], &channel.to_be_bytes(), &size].concat();
    let frame = [head, content, vec![FRAME_END]].concat();
    client.write_all(&frame).await.unwrap();
}

/// Answers all that a publisher asks for before it sends, and returns its channel.
async fn admit(client: &mut TcpStream) -> u16 {
    client.read_exact(&mut [0; 8]).await.unwrap();
    let start = b"\0\x09\0\0\0\0\0\0\0\x05PLAIN\0\0\0\x05en_US";
    send_method(client, 0, 10, 10, start).await;
    read(client, METHOD).await;
    // One channel, frames of 128 KiB, no heartbeats.
    send_method(client, 0, 10, 30, &[0, 1, 0, 2, 0, 0, 0, 0]).await;
    read(client, METHOD).await;
    read(client, METHOD).await;
    send_method(client, 0, 10, 41, &[0]).await;
    let channel = read(client, METHOD).await;
    send_method(client, channel, 20, 11, &[0; 4]).await;
    read(client, METHOD).await;
    send_method(client, channel, 85, 11, &[]).await;
    channel
}

/// Reads `count` messages, confirms the first `confirmed` of them, and ends the connection.
async fn serve(listener: TcpListener, count: usize, confirmed: u64) {
    let mut client = listener.accept().await.unwrap().0;
    let channel = admit(&mut client).await;
    for _ in 0..count {
        read(&mut client, BODY).await;
    }
    if confirmed > 0 {
        // All up to this number.
        let arguments = [&confirmed.to_be_bytes()[..], &[1]].concat();
        send_method(&mut client, channel, 60, 80, &arguments).await;
    }
    client.shutdown().await.unwrap();
    // The client gets the confirmation only if everything that it sends is read.
    let _ = client.read_to_end(&mut Vec::new()).await;
}

fn messages(count: usize) -> Vec<OutboundMessage> {
    let message = |_| OutboundMessage {
        message: JobMessage {
            v: MESSAGE_VERSION,
            job_id: JobId::new(),
            generation: 1,
            enqueued_at: DateTime::UNIX_EPOCH,
            traceparent: None,
        },
        sends: 1,
    };
    (0..count).map(message).collect()
}

/// Publishes messages to a server that confirms only the first `confirmed`.
async fn publish(messages: &[OutboundMessage], confirmed: u64) -> Result<Published, QueueError> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let url = format!("amqp://127.0.0.1:{port}/q");
    let publisher = AmqpPublisher::new(&url.parse().unwrap(), &BrokerAccess::default());
    let served = tokio::spawn(serve(listener, messages.len(), confirmed));
    let answer = tokio::time::timeout(TIMEOUT, publisher.publish(messages)).await;
    drop(publisher);
    served.await.unwrap();
    answer.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_that_were_confirmed_before_the_connection_broke_are_not_sent_again() {
    let messages = messages(5);
    let Published { sent, failed } = publish(&messages, 3).await.unwrap();
    let keys: Vec<SendKey> = messages.iter().map(SendKey::from).collect();
    let (confirmed, rest) = keys.split_at(3);
    assert_eq!(sent, confirmed);
    let failed: Vec<SendKey> = failed.into_iter().map(|(key, _)| key).collect();
    assert_eq!(failed, rest);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_breaks_before_any_confirmation_is_an_error() {
    let answer = publish(&messages(5), 0).await;
    assert!(
        matches!(answer, Err(QueueError::Unavailable(_))),
        "{answer:?}"
    );
}
