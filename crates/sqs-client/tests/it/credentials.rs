//! Credentials in a mounted file that rotates. An environment variable names the file, so a child process reads it.

use std::cell::Cell;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use aws_credential_types::provider::ProvideCredentials;
use proptest::collection::vec;
use proptest::sample::select;
use proptest::test_runner::{Config, RngSeed, TestRunner};
use tokio::runtime::Runtime;

/// Parts of credentials files, valid and invalid.
const PIECES: [&[u8]; 24] = [
    b"[default]",
    b"[default]\naws_access_key_id = A\naws_secret_access_key = B\n",
    b"[profile default]",
    b"[other]",
    b"aws_access_key_id = A\n",
    b"aws_secret_access_key = B\n",
    b"aws_session_token=C\n",
    b"aws_access_key_id",
    b"\n",
    b"\r\n",
    b"\n  a = b\n",
    b" ",
    b"\t",
    b"=",
    b"#",
    b";",
    b"[",
    b"]",
    b"\"",
    b"\\",
    b"\0",
    b"\xff",
    b"\xef\xbb\xbf",
    "ä".as_bytes(),
];

fn write(file: &Path, key: &str, modified_at: SystemTime) {
    let profile = format!(
        "[default]\naws_access_key_id = {key}\naws_secret_access_key = secret\naws_session_token = token\n"
    );
    std::fs::write(file, profile).unwrap();
    std::fs::File::options()
        .write(true)
        .open(file)
        .unwrap()
        .set_modified(modified_at)
        .unwrap();
}

/// Returns a command that runs an ignored test of this file in a child process whose environment names this credentials
/// file.
fn child(test: &str, file: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", &format!("credentials::{test}")])
        .args(["--ignored", "--nocapture"])
        .env_clear()
        .env("AWS_SHARED_CREDENTIALS_FILE", file)
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    command
}

#[test]
fn a_credentials_file_is_read_again_only_after_it_changed() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("credentials");
    let start = SystemTime::now();
    write(&file, "FIRST", start);
    let mut reader = child("child_process_that_prints_its_key_for_each_line", &file)
        .spawn()
        .unwrap();
    let mut requests = reader.stdin.take().unwrap();
    let mut answers = BufReader::new(reader.stdout.take().unwrap()).lines();
    let mut key = || {
        writeln!(requests).unwrap();
        let mut keys = answers
            .by_ref()
            .map(Result::unwrap)
            .filter_map(|line| line.strip_prefix("key ").map(str::to_owned));
        keys.next().unwrap()
    };
    assert_eq!(key(), "FIRST");
    write(&file, "UNSEEN", start);
    assert_eq!(key(), "FIRST", "the modification time is unchanged");
    write(&file, "SECOND", start + Duration::from_secs(1));
    assert_eq!(key(), "SECOND");
    drop(requests);
    assert!(reader.wait().unwrap().success());
}

#[tokio::test]
#[ignore = "is the child process of the test above"]
async fn child_process_that_prints_its_key_for_each_line() {
    let config = sqs_client::config::load(None).await;
    let provider = config.credentials_provider().unwrap();
    for line in std::io::stdin().lines() {
        line.unwrap();
        let credentials = provider.provide_credentials().await.unwrap();
        writeln!(std::io::stdout(), "key {}", credentials.access_key_id()).unwrap();
    }
}

#[test]
fn a_folder_in_place_of_the_credentials_file_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let output = child("child_process_that_prints_why_a_call_failed", folder.path())
        .output()
        .unwrap();
    let output = String::from_utf8(output.stdout).unwrap();
    let expected = format!("{} is a folder", folder.path().display());
    assert!(output.contains(&expected), "{output}");
}

#[test]
fn a_profile_of_iam_identity_center_is_refused_only_by_a_program_without_it() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("config");
    let profile = "[default]
sso_session = session
sso_account_id = 123456789012
sso_role_name = role
[sso-session session]
sso_region = us-east-1
sso_start_url = https://example.awsapps.com/start
";
    std::fs::write(&config, profile).unwrap();
    let nothing = folder.path().join("credentials");
    let output = child("child_process_that_prints_why_a_call_failed", &nothing)
        .env("AWS_CONFIG_FILE", config)
        .output()
        .unwrap();
    let output = String::from_utf8(output.stdout).unwrap();
    let refused = output.contains("build it with `--features sso`");
    assert!(refused || output.contains("AWS credentials"), "{output}");
    assert_eq!(refused, !cfg!(feature = "sso"), "{output}");
}

#[tokio::test]
#[ignore = "is the child process of the tests above"]
async fn child_process_that_prints_why_a_call_failed() {
    let config = sqs_client::config::load(Some("us-east-1")).await;
    let call = sqs_client::config::client(&config, 1).get_queue_url();
    let error = call.queue_name("ical").send().await.unwrap_err();
    writeln!(std::io::stdout(), "{}", sqs_client::Failure::from(&error)).unwrap();
}

#[test]
fn random_inputs_in_place_of_a_credentials_file_are_read_or_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("credentials");
    let cases = Config::default().cases / 8;
    let output = child("child_process_that_reads_random_credentials_files", &file)
        .env("PROPTEST_CASES", cases.to_string())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}");
    assert!(text.contains("key AFTERWARDS"), "{text}");
}

#[test]
#[ignore = "is the child process of the test above"]
#[expect(
    clippy::disallowed_methods,
    reason = "the variable is the one that the credentials are read from"
)]
fn child_process_that_reads_random_credentials_files() {
    let file = std::env::var_os("AWS_SHARED_CREDENTIALS_FILE").unwrap();
    let runtime = Runtime::new().unwrap();
    let config = runtime.block_on(sqs_client::config::load(None));
    let provider = config.credentials_provider().unwrap();
    // the file is read again only if its time has changed
    let version = Cell::new(1);
    let read = |content: &[u8]| {
        std::fs::write(&file, content).unwrap();
        let written = std::fs::File::options().write(true).open(&file).unwrap();
        let modified_at = SystemTime::UNIX_EPOCH + Duration::from_secs(version.get());
        written.set_modified(modified_at).unwrap();
        version.set(version.get() + 1);
        runtime.block_on(provider.provide_credentials())
    };
    let rng_seed = match Config::default().rng_seed {
        RngSeed::Random => RngSeed::Fixed(1),
        fixed @ RngSeed::Fixed(_) => fixed,
    };
    let config = Config {
        rng_seed,
        failure_persistence: None,
        ..Config::default()
    };
    let tested = TestRunner::new(config).run(&vec(select(&PIECES[..]), 0..12), |pieces| {
        let _ = read(&pieces.concat());
        Ok(())
    });
    tested.unwrap();
    let valid = b"[default]\naws_access_key_id = AFTERWARDS\naws_secret_access_key = B\n";
    let key = read(valid).unwrap().access_key_id().to_owned();
    writeln!(std::io::stdout(), "key {key}").unwrap();
}
