//! One run of a Redis server.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::PathBuf;
use std::time::Duration;

use super::Setup;
use crate::child_guard::ChildGuard;
use crate::error::{Error, io_error};
use crate::waiting::wait_until;

/// How long a server may take to stop: it writes what it has in memory.
pub(super) const GRACE: Duration = Duration::from_secs(5);

/// How long a start may take. It reads all data, which is little here.
const READY: Duration = Duration::from_mins(1);
/// How long an answer of the server may take.
const ANSWER: Duration = Duration::from_secs(5);

const MISSING: &str = "Redis was not found: install it (Debian: apt-get install redis-server), or use a server that \
    is already running: redis://HOST/STREAM";

/// The consumer group that the workers of TaskOverflow read with.
const GROUP: &str = "taskoverflow";

/// Starts the server and waits until it answers. Returns nothing if it ends before that.
pub(super) fn launch(setup: &Setup, port: u16) -> Result<Option<Vec<ChildGuard>>, Error> {
    let mut server = spawn(program(installed::redis())?, setup, port)?;
    let is_ready = wait_until(READY, || match server.try_wait() {
        Ok(Some(_)) => Ok(Some(false)),
        Ok(None) => Ok(is_answering(port).then_some(true)),
        Err(error) => Err(io_error("watch Redis")(error)),
    })?;
    if is_ready != Some(true) {
        return Ok(None);
    }
    for queue in &setup.queues {
        create(port, queue)?;
    }
    Ok(Some(vec![server]))
}

fn program(found: Option<PathBuf>) -> Result<PathBuf, Error> {
    found.ok_or_else(|| Error::NotInstalled(MISSING.to_owned()))
}

fn spawn(program: PathBuf, setup: &Setup, port: u16) -> Result<ChildGuard, Error> {
    let mut command = setup.policy.command(program);
    let port = port.to_string();
    // A test asks what survives a crash of the server, so there everything reaches the disk before it is confirmed.
    let sync = if setup.is_kept { "everysec" } else { "always" };
    command
        .args(["--port", &port, "--bind", "127.0.0.1", "--daemonize", "no"])
        .arg("--dir")
        .arg(&setup.dir)
        .args(["--appendonly", "yes", "--appendfsync", sync])
        // The log of all writes is the only copy.
        .args(["--save", ""]);
    for (name, value) in &setup.settings {
        command.arg(format!("--{name}")).arg(value);
    }
    command.stdout(setup.output()?).stderr(setup.output()?);
    setup.policy.spawn(command).map_err(io_error("start Redis"))
}

/// Returns whether the server answers. While it reads its data, it answers `LOADING`; a server with a password answers
/// `NOAUTH`.
fn is_answering(port: u16) -> bool {
    ask(port, &["PING"]).is_ok_and(|answer| answer == "+PONG" || answer.starts_with("-NOAUTH"))
}

/// Creates a stream with the group of the workers, unless it exists.
pub(super) fn create(port: u16, stream: &str) -> Result<(), Error> {
    let answer = ask(port, &["XGROUP", "CREATE", stream, GROUP, "0", "MKSTREAM"])
        .map_err(io_error(format!("create the stream {stream} in Redis")))?;
    if answer == "+OK" || answer.starts_with("-BUSYGROUP") {
        return Ok(());
    }
    Err(Error::Failed(format!(
        "Redis did not create the stream {stream}: {answer}"
    )))
}

/// Sends one command, and returns the first line of the answer.
fn ask(port: u16, words: &[&str]) -> io::Result<String> {
    let mut connection = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    connection.set_read_timeout(Some(ANSWER))?;
    write!(connection, "*{}\r\n", words.len())?;
    for word in words {
        write!(connection, "${}\r\n{word}\r\n", word.len())?;
    }
    let mut answer = String::new();
    BufReader::new(connection).read_line(&mut answer)?;
    Ok(answer.trim_end().to_owned())
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use nix::sys::signal::Signal;

    use super::*;
    use crate::brokers::{BrokerKind, LocalBroker};

    fn length(broker: &LocalBroker, stream: &str) -> String {
        ask(broker.port(), &["XLEN", stream]).unwrap()
    }

    #[test]
    fn a_missing_server_is_reported_with_the_ways_to_get_one() {
        let error = program(None).unwrap_err();
        assert!(
            matches!(&error, Error::NotInstalled(text) if text.contains("apt-get install redis-server"))
        );
    }

    #[test]
    #[ignore = "needs redis-server"]
    fn a_server_keeps_its_data_when_it_is_killed_or_restarted() {
        let mut broker = LocalBroker::private(BrokerKind::Redis, &[]).unwrap();
        let port = broker.port();
        create(port, "jobs").unwrap();
        create(port, "jobs").unwrap();
        for (signal, expected) in [(Signal::SIGKILL, ":1"), (Signal::SIGTERM, ":2")] {
            ask(port, &["XADD", "jobs", "*", "m", "x"]).unwrap();
            broker.stop(signal).unwrap();
            assert!(!is_answering(port));
            broker.start_again().unwrap();
            assert_eq!(broker.port(), port);
            assert_eq!(length(&broker, "jobs"), expected);
        }
        assert_eq!(broker.exit_status(), None);
    }

    #[test]
    #[ignore = "needs redis-server"]
    fn a_data_folder_has_one_server_and_keeps_the_queues() {
        let folder = tempfile::tempdir().unwrap();
        let start = || LocalBroker::start(BrokerKind::Redis, folder.path(), &["ical"]);
        let first = start().unwrap();
        assert_eq!(length(&first, "ical"), ":0");
        ask(first.port(), &["XADD", "ical", "*", "m", "x"]).unwrap();
        let log = folder.path().join("redis.log");
        assert!(std::fs::File::open(log).unwrap().try_lock().is_err());
        drop(first);
        let second = start().unwrap();
        assert_eq!(length(&second, "ical"), ":1");
    }

    #[test]
    #[ignore = "needs redis-server"]
    fn a_server_that_cannot_start_shows_its_log() {
        let settings = [("maxmemory-policy", "nonsense")];
        let error = LocalBroker::private(BrokerKind::Redis, &settings).unwrap_err();
        assert!(error.to_string().contains("nonsense"), "{error}");
    }

    #[test]
    fn a_port_that_answers_something_else_is_not_redis() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let other = std::thread::spawn(move || {
            listener
                .accept()
                .unwrap()
                .0
                .write_all(b"HTTP/1.1 400\r\n")
                .unwrap();
        });
        assert!(!is_answering(port));
        other.join().unwrap();
    }
}
