//! The settings of the process.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use clap::ArgAction;
use job_queue::QueueConfig;
use shared_model::database::DatabaseConfig;
use shared_model::healthcheck::Healthcheck;
use shared_model::logging::LogConfig;
use shared_model::settings::{duration, positive_duration};
use shared_model::telemetry::MetricsConfig;
use shared_model::trace::TraceConfig;

use crate::allowed_hosts::AllowedHosts;
use crate::authentication::commands::TokensConfig;
use crate::authentication::mode::AuthMode;
use crate::connections::{MIN_POOL, RESERVED};
use crate::events::secret_command::WebhookSecretConfig;
use crate::events::settings::EventSettings;
use crate::host::Host;
use crate::limits::settings::LimitSettings;
use crate::migrate::MigrateConfig;
use crate::public_url::PublicUrl;

/// Only this machine can reach it. The clients of the original use this port.
const DEFAULT_BIND_ADDR: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 6400);

/// The HTTP API of TaskOverflow, for todos, calendar jobs and feeds, and the relay that publishes the jobs to the queue
#[derive(Debug, clap::Parser)]
#[command(name = "taskoverflow-api", version)]
pub struct Cli {
    /// The settings.
    #[command(flatten)]
    pub config: Config,
    /// What to do instead of serving requests.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// A command that ends, instead of serving requests.
#[derive(Debug, Clone, clap::Subcommand)]
pub enum Command {
    /// Check the API that runs with these settings. The exit code is 0 if it is alive and ready, otherwise 1
    Healthcheck(Healthcheck),
    /// A command that has settings of its own.
    #[command(flatten)]
    Separate(SeparateCommand),
}

/// A command that needs none of the settings of the API, and has its own instead.
#[derive(Debug, Clone, clap::Subcommand)]
pub enum SeparateCommand {
    /// Print the OpenAPI 3.1 description of the API, as JSON
    Openapi,
    /// Run the database migrations as the owner of the tables, and make the roles that the API and the worker log in with
    Migrate(Box<MigrateConfig>),
    /// Print the secret with which the receiver at a URL verifies its events: one line for each secret of the service
    WebhookSecret(Box<WebhookSecretConfig>),
    /// Create, list and revoke the tokens of the API's clients, as the owner of the tables
    Tokens(Box<TokensConfig>),
}

/// Such a command alone.
#[derive(Debug, clap::Parser)]
#[command(name = "taskoverflow-api", version)]
pub struct SeparateCli {
    /// The command.
    #[command(subcommand)]
    pub command: SeparateCommand,
}

/// All settings of the API.
#[derive(Debug, Clone, clap::Args)]
pub struct Config {
    /// The address and port to listen on. By default only this machine can reach the API. In a container, use
    /// 0.0.0.0:6400
    #[arg(long, env, value_name = "ADDRESS:PORT", default_value_t = DEFAULT_BIND_ADDR)]
    pub bind_addr: SocketAddr,
    /// Whether clients need a token, which `taskoverflow-api tokens create` makes [default: off if only this machine can
    /// reach the API. It must be set if the address is not a loopback address, and if --public-url, --trust-proxy or
    /// --allowed-hosts says that others use the API]
    #[arg(long, env, value_name = "MODE", value_enum)]
    pub auth: Option<AuthMode>,
    /// The base of the URLs in responses: http or https, a host, and optionally a port and a path [default: the address
    /// that each request used]
    #[arg(long, env, value_name = "URL")]
    pub public_url: Option<PublicUrl>,
    /// More hosts that requests may be for, separated by commas: names, addresses, or .example.org for example.org and
    /// all names below it, each without a port. Loopback hosts, the address at which a request arrives, and the host of
    /// --public-url are always allowed. * allows every host, which lets pages of other sites read everything
    #[arg(
        long,
        env,
        value_name = "HOSTS",
        default_value = "",
        hide_default_value = true
    )]
    pub allowed_hosts: AllowedHosts,
    /// Whether to trust the headers X-Forwarded-Proto and X-Forwarded-Host, and the last address in X-Forwarded-For. Enable
    /// it only behind a proxy that sets the first two and adds the address of its client to the last
    #[arg(long, env, value_name = "BOOL", action = ArgAction::Set, num_args = 0..=1, default_value_t = false, default_missing_value = "true")]
    pub trust_proxy: bool,
    /// How long a job may wait, and how long it is kept after its end. Rounded up to whole seconds
    #[arg(long, env, value_name = "DURATION", default_value = "24h", value_parser = positive_duration)]
    pub job_expiry: Duration,
    /// How long a job waits for its message before the message may count as lost, and is sent again. Doubles each time,
    /// to at most eight times as long
    #[arg(long, env, value_name = "DURATION", default_value = "15m", value_parser = positive_duration)]
    pub republish_after: Duration,
    /// How often to look for lost messages, overdue jobs and expired rows
    #[arg(long, env, value_name = "DURATION", default_value = "30s", value_parser = positive_duration)]
    pub sweep_interval: Duration,
    /// How long to go on serving requests after SIGTERM, if the process has been ready, before no new ones are accepted: the
    /// time in which a load balancer finds another process. A second SIGTERM ends it
    #[arg(long, env, value_name = "DURATION", default_value = "0s", value_parser = duration)]
    pub shutdown_delay: Duration,
    /// Whether to run the database migrations at startup, which only the owner of the tables may do. If false, the process
    /// waits until `taskoverflow-api migrate` or another process has run them
    #[arg(long, env, value_name = "BOOL", action = ArgAction::Set, num_args = 0..=1, default_value_t = true, default_missing_value = "true")]
    pub migrate: bool,
    /// What clients may use.
    #[command(flatten)]
    pub limits: LimitSettings,
    /// Who is told when a job ends.
    #[command(flatten)]
    pub events: EventSettings,
    /// Where the database is.
    #[command(flatten)]
    pub database: DatabaseConfig,
    /// Which queue carries the jobs.
    #[command(flatten)]
    pub queue: QueueConfig,
    /// How the process logs.
    #[command(flatten)]
    pub log: LogConfig,
    /// Where the metrics go.
    #[command(flatten)]
    pub metrics: MetricsConfig,
    /// Where the traces go.
    #[command(flatten)]
    pub traces: TraceConfig,
}

impl Config {
    /// Returns the problems of settings that were parsed without an error. Empty if there are none.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = self.database.problems();
        problems.extend(self.queue.problems());
        problems.extend(self.events.problems());
        problems.extend(AuthMode::of(self.auth, self.exposed_by().as_deref()).err());
        if self.database.database_pool.get() < MIN_POOL {
            problems.push(format!(
                "DATABASE_POOL must be at least {MIN_POOL}: the API keeps {RESERVED} connections for its background tasks"
            ));
        }
        problems
    }

    /// Returns whether clients need a token. They do if it is not decided.
    pub fn auth_mode(&self) -> AuthMode {
        AuthMode::of(self.auth, self.exposed_by().as_deref()).unwrap_or(AuthMode::Tokens)
    }

    /// Returns which setting shows that other machines can reach the API, or `None`. A proxy on this machine may pass their
    /// requests on to a loopback address.
    fn exposed_by(&self) -> Option<String> {
        if !self.bind_addr.ip().to_canonical().is_loopback() {
            Some(format!(
                "other machines can reach BIND_ADDR {}",
                self.bind_addr
            ))
        } else if let Some(published_by) = self.published_by() {
            Some(published_by)
        } else if !self.allowed_hosts.is_empty() {
            Some("ALLOWED_HOSTS names hosts under which other machines may reach it".to_owned())
        } else {
            None
        }
    }

    /// Returns which setting shows that other machines use the API through a proxy, or `None`. The address to listen on does
    /// not show this: a container listens on all addresses, even if its port is published to its own machine only.
    pub fn published_by(&self) -> Option<String> {
        let is_local = |url: &&PublicUrl| url.host().is_some_and(Host::is_loopback);
        let public_url = self.public_url.as_ref().filter(|url| !is_local(url));
        if let Some(url) = public_url {
            Some(format!("PUBLIC_URL {url} is an address for other machines"))
        } else if self.trust_proxy {
            Some("TRUST_PROXY is for a proxy, which other machines may reach".to_owned())
        } else {
            None
        }
    }

    /// Returns [`job_expiry`](Self::job_expiry) in whole seconds, at least one.
    pub fn job_expiry_seconds(&self) -> u32 {
        let whole = self.job_expiry.as_secs();
        let rounded_up = whole + u64::from(self.job_expiry.subsec_nanos() > 0);
        u32::try_from(rounded_up).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::*;

    const REQUIRED: [&str; 5] = [
        "taskoverflow-api",
        "--database-url",
        "postgres://db/todos",
        "--queue-url",
        "postgres:",
    ];

    fn parse(flags: &[&str]) -> Config {
        Cli::try_parse_from(REQUIRED.iter().chain(flags))
            .unwrap()
            .config
    }

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
        SeparateCli::command().debug_assert();
    }

    #[test]
    fn a_switch_may_have_a_value() {
        assert!(!parse(&[]).trust_proxy);
        assert!(parse(&["--trust-proxy"]).trust_proxy);
        assert!(parse(&["--trust-proxy", "true"]).trust_proxy);
        assert!(parse(&[]).migrate);
        assert!(!parse(&["--migrate=false"]).migrate);
    }

    #[test]
    fn hosts_are_given_as_a_list() {
        let is_allowed = |flags: &[&str], host| {
            let host = Host::parse(host).unwrap();
            parse(flags).allowed_hosts.contains(host)
        };
        assert!(!is_allowed(&[], "api"));
        assert!(is_allowed(&["--allowed-hosts", "todo,api,"], "api"));
    }

    #[test]
    fn an_expiry_is_rounded_up_to_whole_seconds() {
        assert_eq!(parse(&[]).job_expiry_seconds(), 24 * 60 * 60);
        assert_eq!(parse(&["--job-expiry", "1ms"]).job_expiry_seconds(), 1);
        assert_eq!(parse(&["--job-expiry", "1001ms"]).job_expiry_seconds(), 2);
    }

    #[test]
    fn contradictory_settings_are_reported() {
        let problems = parse(&["--queue-group", "all"]).problems();
        assert!(problems[0].contains("QUEUE_GROUP"), "{problems:?}");
        let problems = parse(&["--database-pool", "7"]).problems();
        assert!(
            problems[0].contains("DATABASE_POOL must be at least 9"),
            "{problems:?}"
        );
        assert!(parse(&[]).problems().is_empty());
    }

    #[test]
    fn auth_must_be_set_if_a_setting_says_that_others_use_the_api() {
        for (flag, setting) in [
            ("--bind-addr=0.0.0.0:6400", "BIND_ADDR 0.0.0.0:6400"),
            ("--bind-addr=[::]:6400", "BIND_ADDR"),
            ("--bind-addr=10.0.0.1:6400", "BIND_ADDR"),
            ("--bind-addr=[::ffff:10.0.0.1]:1", "BIND_ADDR"),
            (
                "--public-url=https://todo.example.org",
                "PUBLIC_URL https://todo.example.org",
            ),
            ("--trust-proxy", "TRUST_PROXY"),
            ("--allowed-hosts=todo.example.org", "ALLOWED_HOSTS"),
            ("--allowed-hosts=*", "ALLOWED_HOSTS"),
        ] {
            let problems = parse(&[flag]).problems();
            assert!(problems[0].starts_with("AUTH: not set"), "{problems:?}");
            assert!(problems[0].contains(setting), "{problems:?}");
            assert_eq!(parse(&[flag]).auth_mode(), AuthMode::Tokens, "{flag}");
            for mode in ["off", "tokens"] {
                let problems = parse(&[flag, "--auth", mode]).problems();
                assert!(problems.is_empty(), "{flag}: {problems:?}");
            }
        }
        for flag in [
            "--bind-addr=127.8.0.1:1",
            "--bind-addr=[::1]:6400",
            "--bind-addr=[::ffff:127.0.0.1]:1",
            "--public-url=http://localhost:6400/todo",
            "--public-url=http://[::1]:6400",
            "--trust-proxy=false",
            "--allowed-hosts=,",
        ] {
            assert!(parse(&[flag]).problems().is_empty(), "{flag}");
            assert_eq!(parse(&[flag]).auth_mode(), AuthMode::Off, "{flag}");
        }
    }
}
