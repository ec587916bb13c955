//! The API and the workers, each as a process of its own.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::{Command, ExitStatus};
use std::time::Duration;

use clap::ValueEnum;
use local_services::child_guard::{ChildGuard, StopPolicy};
use local_services::http;
use nix::sys::signal::Signal;

use crate::cli::Options;
use crate::services::Services;

/// How long a process may take to stop: a little longer than the default `DRAIN_TIMEOUT` of a worker (30 s).
pub(crate) const DRAIN: Duration = Duration::from_secs(35);

/// A stopping worker finishes its current poll. Polls of a local SQS cost nothing, so they can be short, and Ctrl-C
/// takes effect quickly.
const LOCAL_RECEIVE_WAIT: &str = "1s";

/// The settings for the parts of a database URL. They conflict with the URL that the launcher passes, or replace a part of it.
const DATABASE_PARTS: [&str; 7] = [
    "DATABASE_HOST",
    "DATABASE_PORT",
    "DATABASE_NAME",
    "DATABASE_USER",
    "DATABASE_PASSWORD",
    "DATABASE_PASSWORD_FILE",
    "DATABASE_SSLMODE",
];

/// The running processes. Dropping them stops them.
#[derive(Debug)]
pub(crate) struct Processes(Vec<Process>);

#[derive(Debug)]
struct Process {
    /// Its name in messages, such as "worker 2".
    name: String,
    role: Role,
    addr: SocketAddr,
    child: ChildGuard,
}

#[derive(Debug, Clone, Copy)]
enum Role {
    Api,
    Worker,
}

/// A process that ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) name: String,
    pub(crate) status: ExitStatus,
    index: usize,
}

impl Processes {
    /// Starts the API on a port of the loopback interface, and the workers.
    pub(crate) fn start(options: &Options, services: &Services, port: u16) -> io::Result<Self> {
        let mut processes = Self(Vec::new());
        processes.add(
            "the API".to_owned(),
            Role::Api,
            loopback(port),
            options,
            services,
        )?;
        let admin_addrs = free_addresses(options.workers)?;
        for (number, admin_addr) in (1..).zip(admin_addrs) {
            let name = format!("worker {number}");
            processes.add(name, Role::Worker, admin_addr, options, services)?;
        }
        Ok(processes)
    }

    fn add(
        &mut self,
        name: String,
        role: Role,
        addr: SocketAddr,
        options: &Options,
        services: &Services,
    ) -> io::Result<()> {
        self.0.push(Process {
            name,
            role,
            addr,
            child: start(role, addr, options, services)?,
        });
        Ok(())
    }

    /// Restarts a process that ended, at its old address.
    pub(crate) fn restart(
        &mut self,
        ended: &Ended,
        options: &Options,
        services: &Services,
    ) -> io::Result<()> {
        if let Some(process) = self.0.get_mut(ended.index) {
            process.child = start(process.role, process.addr, options, services)?;
        }
        Ok(())
    }

    /// Returns the `/readyz` URL of each process.
    pub(crate) fn ready_urls(&self) -> Vec<String> {
        let url = |process: &Process| format!("http://{}/readyz", process.addr);
        self.0.iter().map(url).collect()
    }

    /// Returns a process that has ended, if there is one.
    pub(crate) fn ended(&mut self) -> io::Result<Option<Ended>> {
        for (index, process) in self.0.iter_mut().enumerate() {
            if let Some(status) = process.child.try_wait()? {
                let name = process.name.clone();
                return Ok(Some(Ended {
                    name,
                    status,
                    index,
                }));
            }
        }
        Ok(None)
    }

    /// Returns whether all processes have ended.
    pub(crate) fn all_ended(&mut self) -> io::Result<bool> {
        for process in &mut self.0 {
            if process.child.try_wait()?.is_none() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Asks all processes to stop.
    pub(crate) fn terminate(&mut self) -> io::Result<()> {
        self.signal(Signal::SIGTERM)
    }

    /// Asks all stopping processes to hurry. This uses another signal than [`terminate`](Self::terminate), because two
    /// signals of one kind that arrive in quick succession count as one.
    pub(crate) fn hurry(&mut self) -> io::Result<()> {
        self.signal(Signal::SIGINT)
    }

    fn signal(&mut self, signal: Signal) -> io::Result<()> {
        self.0
            .iter_mut()
            .try_for_each(|process| process.child.signal(signal))
    }

    /// Kills the processes that are still running.
    pub(crate) fn kill(&mut self) -> io::Result<()> {
        for process in &mut self.0 {
            if process.child.try_wait()?.is_none() {
                log::warn!(
                    "{} did not stop within {DRAIN:?} and is being killed",
                    process.name
                );
                process.child.stop_with(Signal::SIGKILL)?;
            }
        }
        Ok(())
    }
}

fn start(
    role: Role,
    addr: SocketAddr,
    options: &Options,
    services: &Services,
) -> io::Result<ChildGuard> {
    let policy = StopPolicy {
        signal: Signal::SIGTERM,
        grace: DRAIN,
        remove: None,
    };
    let mut command = policy.command(std::env::current_exe()?);
    let (words, database_url) = match role {
        Role::Api => (["api", "--bind-addr"], &services.logins.api),
        Role::Worker => (["worker", "--admin-addr"], &services.logins.worker),
    };
    command.args(words).arg(addr.to_string());
    configure(&mut command, options, services);
    // The password goes into the environment, which `ps` does not show to other users.
    command.env("DATABASE_URL", database_url.expose());
    policy.spawn(command)
}

/// Passes the settings on.
fn configure(command: &mut Command, options: &Options, services: &Services) {
    // An empty variable counts as not set.
    let empty = std::env::vars_os().filter(|(_, value)| value.is_empty());
    for (name, _) in empty {
        command.env_remove(name);
    }
    for name in DATABASE_PARTS {
        command.env_remove(name);
    }
    if let Some(format) = options
        .log
        .log_format
        .and_then(|format| format.to_possible_value())
    {
        command.env("LOG_FORMAT", format.get_name());
    }
    command
        // In the environment, because it may contain a password.
        .env("QUEUE_URL", services.queue_url())
        .env("RUST_LOG", &options.log.rust_log)
        .envs(services.sqs_environment());
    if services.has_local_broker() {
        // They are for another broker.
        for name in ["QUEUE_PASSWORD_FILE", "QUEUE_CA_FILE"] {
            command.env_remove(name);
        }
    }
    if services.has_local_sqs() && !is_set("RECEIVE_WAIT") {
        command.env("RECEIVE_WAIT", LOCAL_RECEIVE_WAIT);
    }
}

fn is_set(variable: &str) -> bool {
    std::env::vars_os().any(|(name, value)| name == variable && !value.is_empty())
}

/// Returns whether a process reports that it is ready. Blocks the thread.
pub(crate) fn is_ready(url: &str) -> bool {
    http::get(url).is_ok_and(|answer| answer.status == 200)
}

fn loopback(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

/// Returns different addresses on which no program listens.
fn free_addresses(count: u16) -> io::Result<Vec<SocketAddr>> {
    let listeners: Vec<_> = (0..count)
        .map(|_| TcpListener::bind(loopback(0)))
        .collect::<io::Result<_>>()?;
    listeners.iter().map(TcpListener::local_addr).collect()
}
