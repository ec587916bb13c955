//! What is special about RabbitMQ and ActiveMQ: they always have users and passwords.

use local_services::brokers::BrokerKind;

use crate::support::brokers::{created, run, unused};
use crate::support::{NO_ENDPOINT, start_at};

#[test]
#[cfg_attr(not(has_rabbitmq), ignore = "needs rabbitmq-server")]
fn a_wrong_password_is_refused_by_rabbitmq_and_that_of_a_file_replaces_it() {
    check_passwords(BrokerKind::RabbitMq, "guest");
}

#[test]
#[cfg_attr(not(has_activemq), ignore = "needs activemq")]
fn a_wrong_password_is_refused_by_activemq_and_that_of_a_file_replaces_it() {
    check_passwords(BrokerKind::ActiveMq, "local");
}

/// `password` is that of a user with the same name.
fn check_passwords(kind: BrokerKind, password: &str) {
    let url = created(kind);
    let (scheme, rest) = url.split_once("://").unwrap();
    let server = rest.split_once('@').map_or(rest, |(_, server)| server);
    let wrong = format!("{scheme}://{password}:wrong-one@{server}");
    let ended = run(&["--url", &wrong, "--count", "1"]);
    assert_eq!(ended.code, Some(2), "{ended:#?}");
    assert!(ended.stderr.contains("***@"), "{ended:#?}");
    assert!(!ended.stderr.contains("wrong-one"), "{ended:#?}");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    std::fs::write(&file, format!("{password}\n")).unwrap();
    let variables = [("QUEUE_PASSWORD_FILE", file.to_str().unwrap())];
    let arguments = ["--url", &wrong, "--count", "1"];
    start_at(NO_ENDPOINT, &arguments, &variables)
        .finish()
        .succeeded();
    let stats = ["stats", &wrong, "--password-file", file.to_str().unwrap()];
    let stats = run(&[&stats[..], &["--json"]].concat()).succeeded().json();
    assert_eq!(stats[0]["visible"], 1);
}

#[test]
#[cfg_attr(not(has_rabbitmq), ignore = "needs rabbitmq-server")]
fn a_queue_that_does_not_exist_in_rabbitmq_is_named_in_the_error() {
    let url = unused(BrokerKind::RabbitMq);
    for arguments in [
        &["--url", &url][..],
        &["--url", &url, "--receive"],
        &["stats", &url],
        &["--url", &url, "--delete-queue"],
    ] {
        let ended = run(arguments);
        assert_eq!(ended.code, Some(2), "{ended:#?}");
        assert!(ended.stderr.contains("--create"), "{ended:#?}");
    }
}

#[test]
fn an_unreachable_rabbitmq_or_activemq_is_reported() {
    for url in [
        "amqp://me:secret@127.0.0.1:1/demo",
        "stomp://me:secret@127.0.0.1:1/demo",
    ] {
        let ended = run(&["--url", url]);
        assert_eq!(ended.code, Some(1), "{ended:#?}");
        assert!(ended.stderr.contains("me:***@127.0.0.1:1"), "{ended:#?}");
        assert!(!ended.stderr.contains("secret"), "{ended:#?}");
        let refused = run(&["--url", url, "--receive", "--visibility", "5s"]);
        assert_eq!(refused.code, Some(2), "{refused:#?}");
    }
}
