//! Credentials in a mounted file that rotates. The environment names the file, so a process of its own reads it.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use aws_credential_types::provider::ProvideCredentials;

fn write(file: &Path, key: &str, changed_at: SystemTime) {
    let profile = format!(
        "[default]\naws_access_key_id = {key}\naws_secret_access_key = secret\naws_session_token = token\n"
    );
    std::fs::write(file, profile).unwrap();
    std::fs::File::options()
        .write(true)
        .open(file)
        .unwrap()
        .set_modified(changed_at)
        .unwrap();
}

#[test]
fn a_credentials_file_is_read_again_when_it_changed_and_only_then() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("credentials");
    let start = SystemTime::now();
    write(&file, "FIRST", start);
    let mut reader = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "credentials::says_its_key_for_each_line",
            "--ignored",
            "--nocapture",
        ])
        .env_clear()
        .env("AWS_SHARED_CREDENTIALS_FILE", &file)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut asks = reader.stdin.take().unwrap();
    let mut answers = BufReader::new(reader.stdout.take().unwrap()).lines();
    let mut key = || {
        writeln!(asks).unwrap();
        let mut keys = answers
            .by_ref()
            .map(Result::unwrap)
            .filter_map(|line| line.strip_prefix("key ").map(str::to_owned));
        keys.next().unwrap()
    };
    assert_eq!(key(), "FIRST");
    write(&file, "UNSEEN", start);
    assert_eq!(key(), "FIRST", "the file's time of change is the same");
    write(&file, "SECOND", start + Duration::from_secs(1));
    assert_eq!(key(), "SECOND");
    drop(asks);
    assert!(reader.wait().unwrap().success());
}

#[tokio::test]
#[ignore = "is the other process of the test above"]
async fn says_its_key_for_each_line() {
    let config = job_queue::sqs::load_config().await;
    let provider = config.credentials_provider().unwrap();
    for line in std::io::stdin().lines() {
        line.unwrap();
        let credentials = provider.provide_credentials().await.unwrap();
        writeln!(std::io::stdout(), "key {}", credentials.access_key_id()).unwrap();
    }
}
