//! A worker of Kafka whose process is killed.

use std::io::{self, BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use tokio::task::block_in_place;

use super::{new_setup, receive_count};
use crate::setup::{SLOTS, Setup, take_all};

/// The value of `QUEUE_URL` of the process that is killed.
const URL: &str = "TEST_KAFKA_URL";

/// Kafka gives its partition to another worker 6 seconds later.
#[tokio::test(flavor = "multi_thread")]
async fn a_worker_of_kafka_that_is_killed_leaves_its_messages_to_others() {
    let setup = new_setup(1);
    let published = setup.publish(SLOTS).await;
    let mut holder = block_in_place(|| start_holder(&setup.url));
    holder.kill().unwrap();
    holder.wait().unwrap();
    take_all(setup.subscription().as_ref(), &published).await;
}

/// Starts a process, and waits until it has received all messages.
fn start_holder(url: &str) -> Child {
    let mut process = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "kafka::killed::child_process_that_holds_messages",
        ])
        .args(["--ignored", "--nocapture"])
        .env(URL, url)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
    let holds = lines.any(|line| line.unwrap() == "it holds them");
    assert!(holds, "the process received nothing");
    process
}

/// What the process runs.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "not a test: another test runs it as a process of its own"]
#[expect(clippy::print_stdout, reason = "tells the test that it is ready")]
#[expect(clippy::disallowed_methods, reason = "tests have no config struct")]
async fn child_process_that_holds_messages() {
    let url = std::env::var(URL).expect("only the test runs this");
    let worker = Setup::of(url).subscription();
    let held = receive_count(worker.as_ref(), SLOTS).await;
    println!("\nit holds them");
    let _ = block_in_place(|| io::stdin().read_line(&mut String::new()));
    panic!("the test ended without killing the holder of {held:?}");
}
