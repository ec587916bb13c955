//! One run of a RabbitMQ server, with its port mapper (`epmd`).

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::Setup;
use crate::child_guard::ChildGuard;
use crate::environment;
use crate::error::{Error, io_error};
use crate::ports::free_port;
use crate::waiting::wait_until;

mod amqp;

pub(super) use amqp::create;

/// How long a server may take to stop: it writes what it has in memory.
pub(super) const GRACE: Duration = Duration::from_secs(10);

/// How long a start may take. Erlang reads hundreds of files, and then compiles; six seconds on an idle machine.
const READY: Duration = Duration::from_mins(2);

const MISSING: &str = "RabbitMQ was not found: install it (Debian: apt-get install rabbitmq-server), or use a server that \
    is already running: amqp://HOST/QUEUE";

/// Erlang connects servers by their names. This one is always alone, because its port mapper knows no other.
const NODE: &str = "taskoverflow@localhost";

/// Listens on no other interface, not even for other servers of a cluster. Does not keep a processor busy with waiting.
const ERLANG: &str =
    "-noinput -kernel inet_dist_use_interface {127,0,0,1} +sbwt none +sbwtdcpu none +sbwtdio none";

/// Starts the server and waits until it answers. Returns nothing if it ends before that.
pub(super) fn launch(setup: &Setup, port: u16) -> Result<Option<Vec<ChildGuard>>, Error> {
    let program = program(installed::rabbitmq())?;
    write_configuration(setup, port)?;
    let other_port = || free_port(None).map_err(io_error("find a free port on 127.0.0.1"));
    let (mapper_port, cluster_port) = (other_port()?, other_port()?);
    // If RabbitMQ starts the port mapper, it stays when RabbitMQ ends.
    let mapper = start_mapper(setup, mapper_port)?;
    let mut command = setup.policy.command(program);
    configure(&mut command, setup, mapper_port, cluster_port);
    command.stdout(setup.output()?).stderr(setup.output()?);
    let mut server = setup
        .policy
        .spawn(command)
        .map_err(io_error("start RabbitMQ"))?;
    let is_ready = wait_until(READY, || match server.try_wait() {
        Ok(Some(_)) => Ok(Some(false)),
        Ok(None) => Ok(amqp::is_answering(port).then_some(true)),
        Err(error) => Err(io_error("watch RabbitMQ")(error)),
    })?;
    if is_ready != Some(true) {
        return Ok(None);
    }
    for queue in &setup.queues {
        create(port, queue)?;
    }
    Ok(Some(vec![server, mapper]))
}

fn program(found: Option<PathBuf>) -> Result<PathBuf, Error> {
    found.ok_or_else(|| Error::NotInstalled(MISSING.to_owned()))
}

/// Writes the settings, and the list of plugins, which is empty.
fn write_configuration(setup: &Setup, port: u16) -> Result<(), Error> {
    let listener = format!("listeners.tcp.1 = 127.0.0.1:{port}\n");
    let others = setup.settings.iter();
    let others = others.map(|(name, value)| format!("{name} = {value}\n"));
    let settings: Vec<String> = std::iter::once(listener).chain(others).collect();
    let write = |name: &str, text: &str| {
        let path = setup.dir.join(name);
        fs::write(&path, text).map_err(io_error(format!("write {}", path.display())))
    };
    write("rabbitmq.conf", &settings.concat())?;
    write("enabled_plugins", "[].\n")?;
    // Erlang keeps a secret there.
    let home = home(&setup.dir);
    fs::create_dir_all(&home).map_err(io_error(format!("create {}", home.display())))
}

fn home(dir: &Path) -> PathBuf {
    dir.join("home")
}

/// Starts the program that tells the ports of Erlang's servers. RabbitMQ asks it whether its name is in use.
fn start_mapper(setup: &Setup, port: u16) -> Result<ChildGuard, Error> {
    let mut command = setup.policy.command("epmd");
    command
        .args(["-address", "127.0.0.1", "-port", &port.to_string()])
        .stdout(setup.output()?)
        .stderr(setup.output()?);
    setup
        .policy
        .spawn(command)
        .map_err(io_error("start RabbitMQ's port mapper (epmd)"))
}

/// Sets the environment, which is where RabbitMQ's start script looks for what is not in its configuration.
fn configure(command: &mut Command, setup: &Setup, mapper_port: u16, cluster_port: u16) {
    let dir = &setup.dir;
    command
        // Variables of another installation would move its data and its ports.
        .env_clear()
        .envs(environment::variable("PATH").map(|path| ("PATH", path)))
        .env("LANG", "C.UTF-8")
        .env("HOME", home(dir))
        // The script then becomes the server, so that signals reach the server.
        .env("RUNNING_UNDER_SYSTEMD", "1")
        .env("RABBITMQ_CONF_ENV_FILE", "/dev/null")
        .env("RABBITMQ_NODENAME", NODE)
        .env("RABBITMQ_DIST_PORT", cluster_port.to_string())
        .env("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", ERLANG)
        .env("RABBITMQ_CONFIG_FILE", dir.join("rabbitmq"))
        .env("RABBITMQ_ENABLED_PLUGINS_FILE", dir.join("enabled_plugins"))
        .env("RABBITMQ_MNESIA_BASE", dir.join("data"))
        .env("RABBITMQ_LOG_BASE", dir)
        .env("RABBITMQ_LOGS", "-")
        .env("RABBITMQ_PID_FILE", dir.join("rabbitmq.pid"))
        .env("ERL_EPMD_ADDRESS", "127.0.0.1")
        .env("ERL_EPMD_PORT", mapper_port.to_string())
        .current_dir(dir);
}

#[cfg(test)]
mod tests {
    use nix::sys::signal::Signal;

    use super::*;
    use crate::brokers::{BrokerKind, LocalBroker};

    #[test]
    fn a_missing_server_is_reported_with_the_ways_to_get_one() {
        let error = program(None).unwrap_err();
        assert!(
            matches!(&error, Error::NotInstalled(text) if text.contains("apt-get install rabbitmq-server"))
        );
    }

    #[test]
    #[ignore = "needs rabbitmq-server"]
    fn rabbitmq_keeps_its_queues_when_it_is_killed_or_started_again_in_its_folder() {
        let folder = tempfile::tempdir().unwrap();
        let start = || LocalBroker::start(BrokerKind::RabbitMq, folder.path(), &["ical"]);
        let mut broker = start().unwrap();
        let port = broker.port();
        assert!(amqp::exists(port, "ical").unwrap());
        assert!(amqp::exists(port, "ical.dead").unwrap());
        assert!(!amqp::exists(port, "other").unwrap());
        broker.create_queue("other").unwrap();
        broker.stop(Signal::SIGKILL).unwrap();
        assert!(!amqp::is_answering(port));
        broker.start_again().unwrap();
        assert_eq!(broker.port(), port);
        assert!(amqp::exists(port, "other").unwrap());
        assert_eq!(broker.exit_status(), None);
        drop(broker);
        assert!(!amqp::is_answering(port));
        let broker = start().unwrap();
        assert!(amqp::exists(broker.port(), "other").unwrap());
    }
}
