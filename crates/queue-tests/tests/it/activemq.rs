//! What is special about ActiveMQ: it pushes messages, has no delays and no way to return a single message.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::time::Duration;

use job_queue::{
    BatchOutcome, BrokerAccess, Findings, QueueError, QueueUrl, Received, Subscription,
    SubscriptionOptions, WorkerNeeds,
};
use local_services::brokers::{BrokerKind, LocalBroker};
use local_services::testing::eventually;
use nix::sys::signal::Signal;
use stomp_client::{Command, Connection, Endpoint, Frame, Login};
use tokio::task::block_in_place;
use tokio_util::sync::CancellationToken;

use crate::support::{Kind, LONG, Queue, id_set, ids, message, receive, receive_all};

/// What every user may do, unless it is nothing.
const READ_ONLY: &str =
    r#"<authorizationEntry queue="&gt;" read="local" write="nobody" admin="local"/>"#;
const NOTHING: &str =
    r#"<authorizationEntry queue="&gt;" read="nobody" write="nobody" admin="nobody"/>"#;

const NEEDS: WorkerNeeds = WorkerNeeds {
    max_attempts: 5,
    job_timeout: Duration::from_mins(10),
    slots: 10,
    workers: 1,
};

fn private(settings: &[(&str, &str)]) -> LocalBroker {
    block_in_place(|| LocalBroker::private(BrokerKind::ActiveMq, settings)).unwrap()
}

/// Returns what the API and what a worker finds at this URL.
async fn findings(url: &str) -> [Result<Findings, QueueError>; 2] {
    let queue = Queue::at(url);
    let found = queue.publisher().inspect().await;
    [found, queue.subscription.inspect(NEEDS).await]
}

async fn connection(broker: &LocalBroker) -> Connection {
    let login = Login {
        user: "local".to_owned(),
        password: "local".to_owned(),
    };
    let endpoint = Endpoint {
        host: Ipv4Addr::LOCALHOST.to_string(),
        port: broker.port(),
        tls: None,
        login: Some(login),
    };
    Connection::open(&endpoint).await.unwrap()
}

/// Sends a body that no API sends.
async fn send(queue: &Queue, body: &str) {
    let command = Frame::new(Command::Send)
        .with("destination", format!("/queue/{}", queue.url.name()))
        .with("persistent", "true")
        .body(body);
    let connection = connection(LocalBroker::shared(BrokerKind::ActiveMq)).await;
    connection.send_all(vec![command]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(not(has_activemq), ignore = "needs activemq")]
async fn a_queue_that_suits_has_no_findings_and_gets_no_message_by_a_look_at_it() {
    let queue = Queue::new(Kind::ActiveMq);
    let found = findings(&queue.url.with_password()).await;
    assert_eq!(found, [Ok(Findings::default()), Ok(Findings::default())]);
    let depth = queue.publisher().depth().await.unwrap();
    assert_eq!((depth.visible, depth.dead_letters), (0, Ok(Some(0))));
}

#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(not(has_activemq), ignore = "needs activemq")]
async fn a_wrong_password_is_unusable() {
    let broker = block_in_place(|| LocalBroker::shared(BrokerKind::ActiveMq));
    for user in ["local:wrong@", "nobody:local@", ""] {
        let url = format!("stomp://{user}127.0.0.1:{}/ical", broker.port());
        for found in findings(&url).await {
            let unusable = found.unwrap().unusable;
            assert!(
                unusable.len() == 1 && unusable[0].contains("the user or password of QUEUE_URL"),
                "{url}: {unusable:?}"
            );
            assert!(!unusable[0].contains("wrong"), "{unusable:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(not(has_activemq), ignore = "needs activemq")]
async fn a_user_without_a_permission_can_do_only_what_needs_none() {
    for (permissions, expected) in [(READ_ONLY, [true, false]), (NOTHING, [true, true])] {
        let broker = private(&[("permissions", permissions)]);
        let found = findings(&broker.url("ical", None)).await;
        for (found, is_unusable) in found.into_iter().zip(expected) {
            let unusable = found.unwrap().unusable;
            assert_eq!(!unusable.is_empty(), is_unusable, "{unusable:?}");
            assert!(
                unusable.iter().all(|text| text.contains("not authorized")),
                "{unusable:?}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_not_activemq_classic_is_unusable() {
    for (answer, expected) in [
        (
            "CONNECTED\nversion:1.2\nserver:RabbitMQ/3.10.8\n\n\0",
            "this is RabbitMQ/3.10.8",
        ),
        (
            "CONNECTED\nversion:1.2\nserver:ActiveMQ-Artemis/2.31.2\n\n\0",
            "this is ActiveMQ-Artemis",
        ),
        ("CONNECTED\nversion:1.2\n\n\0", "this is an unknown server"),
        ("HTTP/1.1 400 Bad Request\r\n\r\n", "no STOMP port"),
    ] {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = std::thread::spawn(move || {
            for _ in 0..2 {
                let (mut client, _) = listener.accept().unwrap();
                client.write_all(answer.as_bytes()).unwrap();
                // Until the client goes.
                let _ = client.read_to_end(&mut Vec::new());
            }
        });
        for found in findings(&format!("stomp://127.0.0.1:{port}/ical")).await {
            let unusable = found.unwrap().unusable;
            assert!(
                unusable.len() == 1 && unusable[0].contains(expected),
                "{answer:?}: {unusable:?}"
            );
        }
        server.join().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_away_is_unavailable() {
    let port = local_services::free_port(None).unwrap();
    for found in findings(&format!("stomp://127.0.0.1:{port}/ical")).await {
        assert!(
            matches!(found, Err(QueueError::Unavailable(_))),
            "{found:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(not(has_activemq), ignore = "needs activemq")]
async fn a_message_that_cannot_be_read_goes_to_the_dead_letter_queue_alone() {
    let queue = Queue::new(Kind::ActiveMq);
    let long = "x".repeat(2 * stomp_client::decoder::MAX_BODY);
    for body in ["{}", "", &long] {
        send(&queue, body).await;
    }
    let published = queue.publish(1).await;
    let mut unreadable = Vec::new();
    for received in queue.receive_all(4).await {
        let delivery = message(received);
        match &delivery.message {
            Ok(message) => assert_eq!(message.job_id, published[0]),
            Err(_) => unreadable.push(delivery.reject()),
        }
    }
    let outcomes = queue.subscription.reject(&unreadable).await;
    assert_eq!(outcomes, vec![BatchOutcome::Done; 3]);
    let depth = queue.publisher().depth().await.unwrap();
    assert_eq!((depth.visible, depth.dead_letters), (1, Ok(Some(3))));
}

#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(not(has_activemq), ignore = "needs activemq")]
async fn the_depth_counts_what_a_worker_holds_too() {
    let queue = Queue::new(Kind::ActiveMq);
    let publisher = queue.publisher();
    queue.publish(3).await;
    assert!(!queue.receive(2).await.is_empty());
    let depth = publisher.depth().await.unwrap();
    assert_eq!(
        (depth.visible, depth.in_flight, depth.delayed),
        (3, None, 0)
    );
}

/// As many as a worker has slots, and only the others go to another worker.
#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(not(has_activemq), ignore = "needs activemq")]
async fn a_worker_holds_no_more_messages_than_it_has_slots() {
    let queue = Queue::new(Kind::ActiveMq);
    let two_slots = queue.subscription_with(SubscriptionOptions { slots: 2, ..LONG });
    queue.publish(5).await;
    let held = receive_all(two_slots.as_ref(), 2).await;
    assert_eq!(held.len(), 2);
    let others = queue.receive_all(3).await;
    assert_eq!(others.len(), 3);
    assert!(ids(&others).iter().all(|id| !ids(&held).contains(id)));
}

#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(not(has_activemq), ignore = "needs activemq")]
async fn a_worker_that_stops_asking_keeps_no_message_that_it_has_not_received() {
    let queue = Queue::new(Kind::ActiveMq);
    let published = queue.publish(2).await;
    let paused = queue.second_subscription();
    let held = receive(paused.as_ref(), 1).await;
    assert_eq!(held.len(), 1);
    // The paused worker has the second message too, and asks for none.
    let other = queue.receive_all(2).await;
    assert_eq!(id_set(&other), published.into_iter().collect());
    // What it has received has been delivered again, so it can't settle it any more.
    let deletion = message(held.into_iter().next().unwrap()).delete();
    assert_eq!(paused.delete(&[deletion]).await, [BatchOutcome::Lost]);
    // It goes on when it is resumed.
    queue.finish(other).await;
    let published = queue.publish(1).await;
    queue.subscription.close().await;
    assert_eq!(ids(&receive(paused.as_ref(), 1).await), published);
}

/// Receives messages from a broker that may be away.
async fn receive_eventually(subscription: &dyn Subscription, count: usize) -> Vec<Received> {
    let mut received = Vec::new();
    let stop = CancellationToken::new();
    eventually("the messages arrive", async || {
        received.extend(subscription.receive(10, &stop).await.unwrap_or_default());
        received.len() >= count
    })
    .await;
    received
}

#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(not(has_activemq), ignore = "needs activemq")]
async fn a_restart_of_the_broker_loses_no_message_and_ends_all_deliveries() {
    let mut broker = private(&[]);
    let queue = Queue::at(&broker.url("ical", None));
    for signal in [Signal::SIGTERM, Signal::SIGKILL] {
        let published = queue.publish(2).await;
        let mut received = queue.receive_all(2).await;
        assert_eq!(ids(&received), published);
        let (second, first) = (
            message(received.pop().unwrap()),
            message(received.pop().unwrap()),
        );
        block_in_place(|| broker.stop(signal)).unwrap();
        let stop = CancellationToken::new();
        let error = queue.subscription.receive(1, &stop).await.unwrap_err();
        assert!(matches!(error, QueueError::Unavailable(_)), "{error:?}");
        assert!(queue.publisher().depth().await.is_err());
        assert_eq!(
            queue.subscription.delete(&[first.delete()]).await,
            [BatchOutcome::Lost]
        );
        block_in_place(|| broker.start_again()).unwrap();
        let again = receive_eventually(queue.subscription.as_ref(), 2).await;
        assert_eq!(ids(&again), published);
        // A receipt of the connection before is not taken for one of this connection.
        assert_eq!(
            queue.subscription.delete(&[second.delete()]).await,
            [BatchOutcome::Lost]
        );
        queue.finish(again).await;
        assert_eq!(queue.publisher().depth().await.unwrap().visible, 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(not(has_activemq), ignore = "needs activemq")]
async fn of_several_brokers_the_one_that_answers_is_used() {
    let broker = block_in_place(|| LocalBroker::shared(BrokerKind::ActiveMq));
    let away = local_services::free_port(None).unwrap();
    let url = broker.url("pair", None);
    let host = format!("127.0.0.1:{}", broker.port());
    let other = format!("127.0.0.1:{away}");
    for hosts in [format!("{other},{host}"), format!("{host},{other}")] {
        let found = findings(&url.replace(&host, &hosts)).await;
        assert_eq!(found, [Ok(Findings::default()), Ok(Findings::default())]);
    }
}

#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(not(has_activemq), ignore = "needs activemq")]
async fn a_password_file_is_read_for_every_connection() {
    let broker = block_in_place(|| LocalBroker::shared(BrokerKind::ActiveMq));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    let access = BrokerAccess {
        password_file: Some(file.clone()),
        ca_file: None,
    };
    let url = format!("stomp://local@127.0.0.1:{}/ical", broker.port());
    let QueueUrl::Broker(queue) = url.parse().unwrap() else {
        panic!("{url}")
    };
    let publisher = queue.publisher(&access);
    for (password, is_usable) in [("wrong", false), ("local\n", true)] {
        std::fs::write(&file, password).unwrap();
        let findings = publisher.inspect().await.unwrap();
        assert_eq!(findings.unusable.is_empty(), is_usable, "{findings:?}");
    }
}
