//! The settings of the database connection.

use std::num::NonZeroU32;
use std::path::PathBuf;

use secret::Secret;

use super::connector::{Connector, Notation};
use super::tls;
use super::url::DatabaseUrl;

/// Keepalives and the user timeout end a connection whose other side is gone. libpq's own defaults wait for hours.
const CONNECTION_PARAMETERS: [(&str, &str); 5] = [
    ("connect_timeout", "5"),
    ("keepalives_idle", "10"),
    ("keepalives_interval", "5"),
    ("keepalives_count", "3"),
    ("tcp_user_timeout", "20000"),
];

/// The location of the database: one URL, or its parts. The secret of a managed database contains the parts.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Database")]
pub struct DatabaseConfig {
    /// URL of the database: postgres://USER:PASSWORD@HOST:PORT/NAME?sslmode=MODE
    #[arg(
        long,
        env,
        value_name = "URL",
        hide_env_values = true,
        required_unless_present = "database_host"
    )]
    pub database_url: Option<DatabaseUrl>,
    /// The database's host, instead of a URL
    #[arg(long, env, value_name = "HOST", conflicts_with = "database_url")]
    pub database_host: Option<String>,
    /// The database's port, if no URL is set
    #[arg(long, env, value_name = "PORT", default_value_t = 5432)]
    pub database_port: u16,
    /// The database's name, if no URL is set
    #[arg(long, env, value_name = "NAME", default_value = "taskoverflow")]
    pub database_name: String,
    /// The database user, if no URL is set
    #[arg(long, env, value_name = "USER", default_value = "taskoverflow")]
    pub database_user: String,
    /// The user's password, if no URL is set
    #[arg(long, env, value_name = "PASSWORD", hide_env_values = true)]
    pub database_password: Option<Secret>,
    /// A file that contains the user's password and nothing else. It is read for every new connection, so a changed
    /// password needs no restart. It also replaces the password of a URL
    #[arg(long, env, value_name = "FILE", conflicts_with = "database_password")]
    pub database_password_file: Option<PathBuf>,
    /// When to use TLS, and what to verify, if no URL is set; libpq's sslmode. TLS needs a program that was built with the
    /// feature `tls`
    #[arg(long, env, value_name = "MODE", default_value = "prefer", value_parser = ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"])]
    pub database_sslmode: String,
    /// The maximum number of connections of this process.
    #[arg(
        long,
        env,
        value_name = "COUNT",
        default_value = "16",
        help = "Maximum connections of the process, in addition to one that listens for notifications"
    )]
    pub database_pool: NonZeroU32,
}

impl DatabaseConfig {
    /// Returns the problems of settings that were parsed without an error. Empty if there are none.
    pub fn problems(&self) -> Vec<String> {
        let problem = match &self.database_url {
            Some(url) => tls::problem(
                "DATABASE_URL",
                url.parameter("sslmode"),
                url.parameter("sslrootcert"),
            ),
            None => tls::problem("DATABASE_SSLMODE", Some(&self.database_sslmode), None),
        };
        problem.into_iter().collect()
    }

    /// Returns a warning if everything may go over a network without TLS, though the settings do not ask for that.
    pub(crate) fn warning(&self) -> Option<String> {
        if let Some(url) = &self.database_url {
            let disabled = "sslmode=disable in DATABASE_URL";
            return tls::warning(&url.hosts(), url.parameter("sslmode"), disabled);
        }
        let hosts = self.database_host.as_deref().unwrap_or_default();
        let hosts: Vec<_> = hosts.split(',').collect();
        let sslmode = Some(self.database_sslmode.as_str());
        tls::warning(&hosts, sslmode, "DATABASE_SSLMODE=disable")
    }

    /// The environment variable that says where the database is.
    pub(crate) fn location_setting(&self) -> &'static str {
        match self.database_url {
            Some(_) => "DATABASE_URL",
            None => "DATABASE_HOST",
        }
    }

    /// Whether the password can change while the process runs.
    pub(crate) fn rereads_password(&self) -> bool {
        self.database_password_file.is_some()
    }

    /// What makes the connections of this process.
    pub(super) fn connector(&self, application_name: &str) -> Connector {
        let (connection_string, notation) = match &self.database_url {
            Some(url) => (
                url.with_default_parameters(&parameters(application_name)),
                Notation::Url,
            ),
            None => (self.keyword_string(application_name), Notation::Keywords),
        };
        Connector::new(
            connection_string,
            notation,
            self.database_password_file.clone(),
        )
    }

    /// The parts in libpq's form `host='…' port='…'`.
    fn keyword_string(&self, application_name: &str) -> String {
        let port = self.database_port.to_string();
        let password = self.database_password.as_ref().map_or("", Secret::expose);
        let parts = [
            ("host", self.database_host.as_deref().unwrap_or("")),
            ("port", &port),
            ("dbname", &self.database_name),
            ("user", &self.database_user),
            ("password", password),
            ("sslmode", &self.database_sslmode),
        ];
        let mut string = String::new();
        for (name, value) in parts.into_iter().chain(parameters(application_name)) {
            Notation::Keywords.add(&mut string, name, value);
        }
        string
    }
}

fn parameters(application_name: &str) -> Vec<(&str, &str)> {
    let mut parameters = vec![("application_name", application_name)];
    parameters.extend(CONNECTION_PARAMETERS);
    parameters
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Cli {
        #[command(flatten)]
        database: DatabaseConfig,
    }

    fn connection_string(flags: &[&str]) -> String {
        let cli = Cli::parse_from([&["x"], flags].concat());
        cli.database.connector("test").connection_string().unwrap()
    }

    #[test]
    fn a_url_keeps_its_own_parameters_and_gets_the_missing_ones() {
        let string = connection_string(&["--database-url", "postgres://h/n?connect_timeout=9"]);
        assert!(
            string.starts_with("postgres://h/n?connect_timeout=9&"),
            "{string}"
        );
        assert!(string.contains("&application_name=test"), "{string}");
        assert_eq!(string.matches("connect_timeout").count(), 1, "{string}");
    }

    #[test]
    fn parts_are_quoted() {
        let string = connection_string(&[
            "--database-host",
            "h",
            "--database-password",
            r"it's a \ here",
        ]);
        assert!(string.contains(r"password='it\'s a \\ here'"), "{string}");
        assert!(string.contains("keepalives_idle='10'"), "{string}");
    }

    #[test]
    fn the_password_in_a_file_replaces_the_one_in_the_url() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("password");
        std::fs::write(&file, "p&ss\n").unwrap();
        let flag = format!("--database-password-file={}", file.display());
        for location in ["--database-url=postgres://me:old@h/n", "--database-host=h"] {
            let string = connection_string(&[location, &flag]);
            // of two values, libpq uses the last one
            let last = string.rsplit("password=").next().unwrap();
            assert!(["p%26ss", "'p&ss'"].contains(&last), "{string}");
        }
    }

    #[test]
    #[cfg(not(feature = "tls"))]
    fn settings_of_a_database_on_another_machine_cause_a_warning() {
        let warning = |flags: [&str; 2]| {
            let cli = Cli::parse_from([&["x"][..], &flags].concat());
            cli.database.warning().unwrap_or_default()
        };
        let by_url = warning(["--database-url", "postgres://me:s3cret@db/todos"]);
        assert!(by_url.contains("on db is not encrypted"), "{by_url}");
        assert!(
            by_url.contains("sslmode=disable in DATABASE_URL"),
            "{by_url}"
        );
        let by_parts = warning(["--database-host", "db"]);
        assert!(by_parts.contains("DATABASE_SSLMODE=disable"), "{by_parts}");
        assert_eq!(warning(["--database-host", "127.0.0.1"]), "");
        assert_eq!(
            warning(["--database-url", "postgres://localhost/todos"]),
            ""
        );
    }
}
