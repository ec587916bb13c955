//! Clusters that are started again, killed and restarted.

use std::fs;
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use local_services::Error;
use local_services::postgres::Cluster;
use local_services::testing::eventually_blocking;
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, Uid};

use crate::support::{Owner, is_alive};

/// Server settings that make a test faster.
const FAST: [(&str, &str); 1] = [("fsync", "off")];

fn count(cluster: &Cluster) -> String {
    cluster
        .execute("taskoverflow", "SELECT count(*) FROM kept")
        .unwrap()
}

fn fill(cluster: &Cluster) {
    cluster
        .execute(
            "taskoverflow",
            "CREATE TABLE kept AS SELECT generate_series(1, 3)",
        )
        .unwrap();
}

#[test]
fn a_cluster_uses_utf8_and_listens_on_loopback_only() {
    let cluster = Cluster::ephemeral().unwrap();
    let setting = |name: &str| {
        cluster
            .execute("taskoverflow", &format!("SHOW {name}"))
            .unwrap()
    };
    assert_eq!(setting("server_encoding"), "UTF8");
    assert_eq!(setting("listen_addresses"), "127.0.0.1");
    assert_eq!(setting("unix_socket_directories"), "");
    assert_eq!(
        cluster.url(),
        format!(
            "postgres://taskoverflow:{}@127.0.0.1:{}/taskoverflow",
            cluster.url().split([':', '@']).nth(2).unwrap(),
            cluster.port()
        )
    );
}

#[test]
fn every_connection_needs_the_password() {
    let cluster = Cluster::ephemeral().unwrap();
    let rules = cluster
        .execute(
            "taskoverflow",
            "SELECT DISTINCT auth_method FROM pg_hba_file_rules",
        )
        .unwrap();
    assert_eq!(rules, "scram-sha-256");
}

#[test]
fn an_invalid_statement_returns_postgresqls_message() {
    let cluster = Cluster::ephemeral().unwrap();
    let error = cluster.execute("taskoverflow", "SELEKT").unwrap_err();
    assert!(error.to_string().contains("syntax error"), "{error}");
}

#[test]
fn a_second_start_keeps_the_data_the_password_and_the_port() {
    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path().join("deep/er");
    let cluster = Cluster::start(&data_dir, &FAST).unwrap();
    fill(&cluster);
    let (url, pid) = (cluster.url(), cluster.pid().unwrap());
    drop(cluster);
    assert!(!is_alive(pid.cast_signed()), "the server still runs");

    let cluster = Cluster::start(&data_dir, &FAST).unwrap();
    assert_eq!(count(&cluster), "3");
    assert_eq!(cluster.url(), url);
}

#[test]
fn the_password_is_readable_by_its_owner_only() {
    let folder = tempfile::tempdir().unwrap();
    let _cluster = Cluster::start(folder.path(), &FAST).unwrap();
    let mode = |path: &str| {
        let metadata = fs::metadata(folder.path().join(path)).unwrap();
        metadata.permissions().mode() & 0o777
    };
    assert_eq!(mode("postgres"), 0o700);
    assert_eq!(mode("postgres/password"), 0o600);
}

#[test]
fn a_second_process_on_the_same_folder_is_refused_with_the_id_of_the_first() {
    let folder = tempfile::tempdir().unwrap();
    let owner = Owner::of_cluster(folder.path());
    let error = Cluster::start(folder.path(), &FAST).unwrap_err();
    assert!(matches!(error, Error::InUse { .. }), "{error}");
    let expected = format!("is in use by process {}: stop it", owner.pid());
    assert!(error.to_string().contains(&expected), "{error}");
    owner.kill();
}

#[test]
fn a_cluster_stops_when_its_owner_is_killed_and_can_start_again_immediately() {
    let folder = tempfile::tempdir().unwrap();
    let owner = Owner::of_cluster(folder.path());
    let server = owner.owned;
    owner.kill();
    let cluster = Cluster::start(folder.path(), &FAST).unwrap();
    assert_eq!(cluster.execute("taskoverflow", "SELECT 1").unwrap(), "1");
    eventually_blocking("the old server has ended", || !is_alive(server));
}

#[test]
fn a_cluster_starts_again_after_its_server_was_killed() {
    let folder = tempfile::tempdir().unwrap();
    let mut cluster = Cluster::start(folder.path(), &FAST).unwrap();
    fill(&cluster);
    let pid = Pid::from_raw(cluster.pid().unwrap().cast_signed());
    kill(pid, Signal::SIGKILL).unwrap();
    eventually_blocking("the server has ended", || cluster.exit_status().is_some());
    assert!(folder.path().join("postgres/data/postmaster.pid").exists());
    drop(cluster);

    let cluster = Cluster::start(folder.path(), &FAST).unwrap();
    assert_eq!(count(&cluster), "3");
}

#[test]
fn a_lock_file_with_the_id_of_an_unrelated_process_does_not_prevent_a_start() {
    let folder = tempfile::tempdir().unwrap();
    drop(Cluster::start(folder.path(), &FAST).unwrap());
    let lock_file = folder.path().join("postgres/data/postmaster.pid");
    let unrelated = std::process::id();
    fs::write(&lock_file, format!("{unrelated}\n/somewhere\n")).unwrap();
    Cluster::start(folder.path(), &FAST).unwrap();
}

#[test]
fn a_start_completes_an_interrupted_first_start() {
    let folder = tempfile::tempdir().unwrap();
    drop(Cluster::start(folder.path(), &FAST).unwrap());
    let home = folder.path().join("postgres");
    fs::rename(home.join("data"), home.join("data.1")).unwrap();
    let cluster = Cluster::start(folder.path(), &FAST).unwrap();
    assert_eq!(cluster.execute("taskoverflow", "SELECT 1").unwrap(), "1");
    assert!(!home.join("data.1").exists());
}

#[test]
fn a_restart_keeps_the_url_and_a_crash_keeps_the_data() {
    let mut cluster = Cluster::ephemeral().unwrap();
    fill(&cluster);
    let url = cluster.url();

    cluster.restart().unwrap();
    assert_eq!((cluster.url(), count(&cluster)), (url, "3".to_owned()));

    cluster.execute("taskoverflow", "CHECKPOINT").unwrap();
    cluster.stop_immediately().unwrap();
    assert_eq!(cluster.pid(), None);
    let refused = TcpStream::connect(("127.0.0.1", cluster.port()));
    assert!(refused.is_err());
    cluster.start_again().unwrap();
    assert_eq!(count(&cluster), "3");
}

#[test]
fn an_ephemeral_cluster_removes_its_files() {
    let cluster = Cluster::ephemeral().unwrap();
    let data = cluster.execute("taskoverflow", "SHOW data_directory");
    let data = data.unwrap();
    assert!(Path::new(&data).exists());
    drop(cluster);
    assert!(!Path::new(&data).exists());
}

#[test]
fn an_invalid_setting_is_reported_with_the_servers_log() {
    let folder = tempfile::tempdir().unwrap();
    let error = Cluster::start(folder.path(), &[("no_such_setting", "1")]).unwrap_err();
    let expected = "unrecognized configuration parameter \"no_such_setting\"";
    assert!(error.to_string().contains(expected), "{error}");
}

#[test]
fn a_cluster_of_a_version_that_is_not_installed_is_refused_with_that_version() {
    let folder = tempfile::tempdir().unwrap();
    drop(Cluster::start(folder.path(), &FAST).unwrap());
    fs::write(folder.path().join("postgres/data/PG_VERSION"), "7\n").unwrap();
    let error = Cluster::start(folder.path(), &FAST).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("was created by PostgreSQL 7, which was not found"),
        "{error}"
    );
}

#[test]
fn root_can_use_a_data_folder_that_only_root_may_enter() {
    if !Uid::effective().is_root() {
        return;
    }
    let closed = tempfile::tempdir().unwrap();
    fs::set_permissions(closed.path(), fs::Permissions::from_mode(0o700)).unwrap();
    let data_dir = closed.path().join("checkout/.taskoverflow");
    fill(&Cluster::start(&data_dir, &FAST).unwrap());

    let elsewhere = fs::read_link(data_dir.join("postgres")).unwrap();
    assert!(elsewhere.starts_with("/var/lib/taskoverflow"));
    assert_eq!(count(&Cluster::start(&data_dir, &FAST).unwrap()), "3");
    fs::remove_dir_all(elsewhere).unwrap();
}
