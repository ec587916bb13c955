//! ActiveMQ itself.

use local_services::brokers::{BrokerKind, LocalBroker};
use stomp_client::{Command, CommandError, ConnectError, Connection, Endpoint, Frame, Login};
use tokio::task::spawn_blocking;
use uuid::Uuid;

use crate::scripted::within;

const BODIES: [&str; 3] = ["first", "sec\0nd", "third"];

fn login(password: &str) -> Login {
    Login {
        user: "local".to_owned(),
        password: password.to_owned(),
    }
}

async fn endpoint() -> Endpoint {
    let broker = spawn_blocking(|| LocalBroker::shared(BrokerKind::ActiveMq)).await;
    Endpoint {
        host: "127.0.0.1".to_owned(),
        port: broker.unwrap().port(),
        tls: None,
        login: Some(login("local")),
    }
}

async fn connection() -> Connection {
    Connection::open(&endpoint().await).await.unwrap()
}

/// Returns a queue of its own, with these messages.
async fn queue(connection: &Connection, bodies: &[&str]) -> String {
    let destination = format!("/queue/test-{}", Uuid::now_v7());
    let send = |body: &&str| {
        Frame::new(Command::Send)
            .with("destination", &destination)
            .with("persistent", "true")
            .with("correlation-id", "a:b\\c\nd")
            .body(*body)
    };
    let answers = connection.send_each(bodies.iter().map(send).collect());
    for answer in answers.await {
        answer.unwrap();
    }
    destination
}

fn settled(command: Command, message: &Frame) -> Frame {
    Frame::new(command).with("id", message.header("ack").unwrap())
}

#[tokio::test]
#[ignore = "needs activemq"]
async fn what_activemq_has_confirmed_is_delivered_unchanged_and_in_order() {
    let connection = connection().await;
    assert!(
        connection.server().starts_with("ActiveMQ/5."),
        "{connection:?}"
    );
    let queue = queue(&connection, &BODIES).await;
    let mut incoming = connection.subscribe(&queue, 3).await.unwrap();
    let mut acks = Vec::new();
    for body in BODIES {
        let message = within("a message", incoming.next()).await.unwrap();
        assert_eq!(message.body, body.as_bytes());
        assert_eq!(message.header("correlation-id"), Some("a:b\\c\nd"));
        assert_eq!(message.header("redelivered"), None);
        acks.push(settled(Command::Ack, &message));
    }
    assert_eq!(connection.count(&queue).await, Ok(3));
    connection.send_all(acks).await.unwrap();
    assert_eq!(connection.count(&queue).await, Ok(0));
}

#[tokio::test]
#[ignore = "needs activemq"]
async fn activemq_delivers_at_most_the_prefetch_and_the_rest_after_an_acknowledgement() {
    let connection = connection().await;
    let queue = queue(&connection, &BODIES).await;
    let mut incoming = connection.subscribe(&queue, 1).await.unwrap();
    let first = within("a message", incoming.next()).await.unwrap();
    // It answers in order: had it sent a second message, that would be here before the count.
    assert_eq!(connection.count(&queue).await, Ok(3));
    assert_eq!(incoming.try_next(), None);
    let ack = settled(Command::Ack, &first);
    connection.send_all(vec![ack]).await.unwrap();
    let second = within("a message", incoming.next()).await.unwrap();
    assert_eq!(second.body, BODIES[1].as_bytes());
}

#[tokio::test]
#[ignore = "needs activemq"]
async fn activemq_delivers_again_what_a_cut_closed_or_ended_subscription_held() {
    let connection = connection().await;
    let queue = queue(&connection, &["job"]).await;
    for end in ["cut", "closed", "unsubscribed"] {
        let other = Connection::open(&endpoint().await).await.unwrap();
        let mut incoming = other.subscribe(&queue, 1).await.unwrap();
        let message = within(end, incoming.next()).await.unwrap();
        assert_eq!(message.body, b"job");
        match end {
            "cut" => drop(other),
            "closed" => other.close().await,
            _ => other.unsubscribe(incoming.id()).await.unwrap(),
        }
    }
    let mut incoming = connection.subscribe(&queue, 1).await.unwrap();
    let message = within("the message", incoming.next()).await.unwrap();
    assert_eq!(message.header("redelivered"), Some("true"));
}

#[tokio::test]
#[ignore = "needs activemq"]
async fn activemq_moves_a_message_that_is_refused_to_the_dead_letter_queue() {
    let connection = connection().await;
    let queue = queue(&connection, &["job"]).await;
    let mut incoming = connection.subscribe(&queue, 1).await.unwrap();
    let message = within("the message", incoming.next()).await.unwrap();
    let nack = settled(Command::Nack, &message);
    connection.send_all(vec![nack.clone()]).await.unwrap();
    assert_eq!(connection.count(&queue).await, Ok(0));
    let dead = queue.replace("/queue/", "/queue/DLQ.");
    assert_eq!(connection.count(&dead).await, Ok(1));
    // A message can be settled once. The refusal does not end the connection.
    let again = connection.send_all(vec![nack]).await;
    assert!(matches!(again, Err(CommandError::Refused(_))), "{again:?}");
    assert_eq!(connection.end(), None);
}

#[tokio::test]
#[ignore = "needs activemq"]
async fn activemq_refuses_a_wrong_password_and_accepts_any_characters_in_it() {
    for password in ["wrong", "a:b", "a\\b", "ä", " "] {
        let endpoint = Endpoint {
            login: Some(login(password)),
            ..endpoint().await
        };
        let error = Connection::open(&endpoint).await.unwrap_err();
        assert!(
            matches!(&error, ConnectError::Refused(reason) if reason.contains("password")),
            "{password:?}: {error:?}"
        );
    }
}

#[tokio::test]
#[ignore = "needs activemq"]
async fn a_message_of_activemq_that_is_too_long_is_cut_and_the_next_one_arrives() {
    let connection = connection().await;
    let long = "x".repeat(3 * stomp_client::decoder::MAX_BODY);
    let queue = queue(&connection, &[&long, "next"]).await;
    let mut incoming = connection.subscribe(&queue, 2).await.unwrap();
    let message = within("the long message", incoming.next()).await.unwrap();
    assert_eq!(message.body.len(), stomp_client::decoder::MAX_BODY);
    let message = within("the next message", incoming.next()).await.unwrap();
    assert_eq!(message.body, b"next");
}

#[tokio::test]
#[ignore = "needs activemq"]
async fn a_message_of_activemq_with_many_headers_can_be_settled_and_the_next_one_arrives() {
    let connection = connection().await;
    let queue = queue(&connection, &[]).await;
    let message = |body: &str| {
        Frame::new(Command::Send)
            .with("destination", &queue)
            .body(body)
    };
    // ActiveMQ accepts up to 1000 headers from a client of STOMP.
    let value = "x".repeat(1000);
    let many = (0..500).fold(message("many"), |frame, number| {
        frame.with(&format!("header{number}"), value.as_str())
    });
    for answer in connection.send_each(vec![many, message("next")]).await {
        answer.unwrap();
    }
    let mut incoming = connection.subscribe(&queue, 2).await.unwrap();
    let mut acks = Vec::new();
    for body in ["many", "next"] {
        let message = within("a message", incoming.next()).await.unwrap();
        assert_eq!(message.body, body.as_bytes());
        acks.push(settled(Command::Ack, &message));
    }
    connection.send_all(acks).await.unwrap();
    assert_eq!(connection.count(&queue).await, Ok(0));
}
