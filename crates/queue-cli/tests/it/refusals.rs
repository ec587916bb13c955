//! Errors say what a person can do about them.

use crate::support::failing_sqs::FailingSqs;
use crate::support::{Ended, NO_ENDPOINT, Queue, queue, start, start_at, unused_name};

#[track_caller]
fn assert_refused(ended: &Ended, words: &[&str]) {
    assert_eq!(ended.code, Some(2), "{ended:#?}");
    assert_eq!(ended.lines, [""; 0]);
    for word in words {
        assert!(ended.stderr.contains(word), "no {word:?} in {ended:#?}");
    }
    assert!(!ended.stderr.contains("panicked"), "{ended:#?}");
}

#[test]
#[ignore = "needs python3 with venv"]
fn a_queue_that_does_not_exist_is_named_in_the_error() {
    let name = unused_name("");
    for arguments in [
        &["--name", &name, "--client-name", "Client 1"][..],
        &["--name", &name, "--client-name", "Client 1", "--receive"],
        &["--name", &name, "--delete-queue"],
        &["stats", &name],
        &["purge", &name, "--yes"],
        &["tail", &name],
        &["redrive", &name],
    ] {
        let ended = queue(arguments);
        assert_refused(&ended, &["there is no queue named", &name, "us-east-1"]);
    }
}

#[test]
#[ignore = "needs python3 with venv"]
fn a_url_of_a_queue_that_does_not_exist_is_reported() {
    let queue_url = Queue::standard().url.replace("test-", "none-");
    let ended = queue(&["--name", &queue_url, "--receive"]);
    assert_eq!(ended.code, Some(2), "{ended:#?}");
    assert!(
        ended.stderr.contains("there is no queue named"),
        "{ended:#?}"
    );
}

#[test]
fn a_name_that_sqs_does_not_allow_is_refused() {
    let ended = start_at(NO_ENDPOINT, &["--name", "no such queue"], &[]).finish();
    assert_refused(&ended, &["--name", "letters, digits"]);
}

#[test]
fn without_credentials_the_error_lists_the_ways_to_set_them() {
    let variables = [("AWS_ACCESS_KEY_ID", ""), ("AWS_SECRET_ACCESS_KEY", "")];
    let ended = start_at(NO_ENDPOINT, &["--name", "demo"], &variables).finish();
    assert_refused(
        &ended,
        &["no AWS credentials", "AWS_ACCESS_KEY_ID", "AWS_PROFILE"],
    );
}

#[test]
fn a_profile_that_does_not_exist_is_reported() {
    let variables = [
        ("AWS_ACCESS_KEY_ID", ""),
        ("AWS_SECRET_ACCESS_KEY", ""),
        ("AWS_PROFILE", "absent"),
    ];
    let ended = start_at(NO_ENDPOINT, &["--name", "demo"], &variables).finish();
    assert_refused(&ended, &["AWS credentials"]);
}

#[test]
fn rejected_expired_and_insufficient_credentials_are_told_apart() {
    for (code, words) in [
        ("InvalidClientTokenId", "does not accept these credentials"),
        ("SignatureDoesNotMatch", "does not accept these credentials"),
        (
            "UnrecognizedClientException",
            "does not accept these credentials",
        ),
        ("ExpiredToken", "have expired"),
        ("AccessDenied", "do not allow GetQueueUrl on demo"),
    ] {
        let ended = FailingSqs::refusing(403, code)
            .start(&["--name", "demo"])
            .finish();
        assert_refused(&ended, &[words]);
    }
}

#[test]
fn an_unreachable_endpoint_is_reported() {
    let ended = start_at(NO_ENDPOINT, &["--name", "demo"], &[]).finish();
    assert_eq!(ended.code, Some(1), "{ended:#?}");
    assert!(ended.stderr.contains("AWS_ENDPOINT_URL_SQS"), "{ended:#?}");
}

#[test]
#[ignore = "needs python3 with venv"]
fn the_region_is_us_east_1_unless_the_environment_sets_another() {
    for (region, shown) in [("", "us-east-1"), ("ap-southeast-2", "ap-southeast-2")] {
        let variables = [("AWS_REGION", region)];
        let ended = start(&["--name", &unused_name("")], &variables).finish();
        assert_refused(&ended, &[shown]);
    }
}

#[test]
fn options_for_the_other_type_of_queue_are_refused_before_any_call() {
    for (arguments, word) in [
        (&["--name", "a.fifo", "--delay", "1s"][..], "--delay"),
        (&["--name", "a", "--dedup-id", "x"], "--dedup-id"),
    ] {
        let ended = start_at(NO_ENDPOINT, arguments, &[]).finish();
        assert_refused(&ended, &[word]);
    }
}

#[test]
#[ignore = "needs python3 with venv"]
fn a_fifo_queue_without_content_based_deduplication_is_explained() {
    let demo = Queue::create(".fifo", &[]);
    let ended = queue(&["--name", &demo.name]);
    assert_eq!(ended.code, Some(2), "{ended:#?}");
    assert!(ended.stderr.contains("--dedup-id"), "{ended:#?}");
}

#[test]
#[ignore = "needs python3 with venv"]
fn a_purge_without_yes_is_refused_if_stdin_is_not_a_terminal() {
    let demo = Queue::standard();
    demo.send(&["kept"]);
    assert_refused(&queue(&["purge", &demo.name]), &["--yes"]);
    assert_eq!(demo.visible(), 1);
}

#[test]
fn help_goes_to_stdout_and_lists_every_option_and_command() {
    let ended = start_at(NO_ENDPOINT, &["--help"], &[]).finish().succeeded();
    let help = ended.lines.join("\n");
    for flag in [
        "--name",
        "--client-name",
        "--receive",
        "--prepend",
        "--count",
        "--rate",
        "--batch",
        "--group",
        "--groups",
        "--dedup-id",
        "--delay",
        "--body",
        "--max",
        "--idle-exit",
        "--no-delete",
        "--visibility",
        "--peek",
        "--json",
        "--create",
        "--delete-queue",
        "--plot",
        "--url",
        "compare",
        "stats",
        "purge",
        "redrive",
        "tail",
        "Examples:",
        "AWS_REGION",
    ] {
        assert!(help.contains(flag), "{flag}");
    }
    assert_eq!(ended.stderr, "");
}
