//! Finds the brokers that are installed on this machine.
//!
//! A test that needs a broker is ignored if the broker is missing, so that a minimal machine can run the rest. A crate
//! with such tests calls [`tell_cargo`] in its build script, and the tests have attributes such as
//! `#[cfg_attr(not(has_redis), ignore = "needs redis-server")]`.

use std::path::{Path, PathBuf};

/// Where programs are, in addition to the folders in `PATH`. An ordinary user's `PATH` may lack the second.
const FOLDERS: [&str; 2] = ["/usr/bin", "/usr/sbin"];
/// The server itself. Debian's `/usr/sbin/rabbitmq-server` is a script that only root and the user `rabbitmq` can use.
const RABBITMQ: &str = "/usr/lib/rabbitmq/bin/rabbitmq-server";
/// The folder in which Debian installs ActiveMQ.
const ACTIVEMQ: &str = "/usr/share/activemq";

/// What starts ActiveMQ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActiveMq {
    /// Java's program.
    pub java: PathBuf,
    /// The folder that contains `bin/activemq.jar`.
    pub home: PathBuf,
}

/// Returns Redis's server, or Valkey's, which accepts the same options.
pub fn redis() -> Option<PathBuf> {
    program("redis-server").or_else(|| program("valkey-server"))
}

/// Returns RabbitMQ's server.
pub fn rabbitmq() -> Option<PathBuf> {
    Path::new(RABBITMQ).is_file().then(|| RABBITMQ.into())
}

/// Returns ActiveMQ, unless it or Java is missing.
pub fn activemq() -> Option<ActiveMq> {
    let home = PathBuf::from(ACTIVEMQ);
    let java = program("java")?;
    home.join("bin/activemq.jar")
        .is_file()
        .then_some(ActiveMq { java, home })
}

/// Sets `has_redis`, `has_rabbitmq` and `has_activemq` for the crate whose build script calls it, if they are installed.
/// The script runs again when a program has been installed or removed.
#[expect(clippy::print_stdout, reason = "cargo reads it")]
pub fn tell_cargo() {
    // cargo looks at the times of folders, and of what is in them. A path that does not exist would run the script before
    // every build, so these are folders that exist everywhere and in which each package has a program.
    for folder in FOLDERS {
        println!("cargo::rerun-if-changed={folder}");
    }
    println!("cargo::rerun-if-env-changed=PATH");
    let found = [
        ("has_redis", redis().is_some()),
        ("has_rabbitmq", rabbitmq().is_some()),
        ("has_activemq", activemq().is_some()),
    ];
    for (name, is_installed) in found {
        println!("cargo::rustc-check-cfg=cfg({name})");
        if is_installed {
            println!("cargo::rustc-cfg={name}");
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "PATH says where programs are, and configures nothing of the service"
)]
fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(FOLDERS.map(PathBuf::from))
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_found_and_a_missing_one_is_not() {
        assert!(program("sh").is_some());
        assert_eq!(program("no-such-program"), None);
    }
}
