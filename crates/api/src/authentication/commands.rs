//! The commands that create, list and revoke tokens.

use std::fmt;
use std::io::Write;
use std::process::ExitCode;
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context, bail};
use chrono::{DateTime, Utc};
use clap::ArgAction;
use shared_model::database::{DatabaseConfig, DatabaseError, Pool};
use shared_model::logging::LogConfig;
use shared_model::migrations::{self, MigrationError};
use shared_model::process;
use shared_model::settings::positive_duration;
use tokio::runtime::Runtime;

use super::cache::MAX_AGE;
use super::scope::Scope;
use super::secret::{NewSecret, SecretHash};
use super::tokens::{self, TokenRow};

const STATEMENT_TIMEOUT: Duration = Duration::from_secs(10);

/// The settings of the commands.
#[derive(Debug, Clone, clap::Args)]
pub struct TokensConfig {
    /// The database, with the login of the tables' owner.
    #[command(flatten)]
    pub database: DatabaseConfig,
    /// Whether to run the database migrations first, so that tokens can be created before the API starts for the first time
    #[arg(long, env, value_name = "BOOL", action = ArgAction::Set, num_args = 0..=1, default_value_t = true, default_missing_value = "true")]
    pub migrate: bool,
    /// How the commands log.
    #[command(flatten)]
    pub log: LogConfig,
    /// What to do with the tokens.
    #[command(subcommand)]
    pub command: TokenCommand,
}

/// What to do with the tokens.
#[derive(Debug, Clone, clap::Subcommand)]
pub enum TokenCommand {
    /// Create a token and print it. Only its hash is stored, so it is shown only this once
    Create(NewToken),
    /// List the tokens: name, scope, creation and expiry
    List,
    /// Revoke a token. Running APIs refuse it, and the sessions of browsers that signed in with it, within 5 seconds
    Revoke {
        /// The name of the token
        name: TokenName,
    },
}

/// A token to create.
#[derive(Debug, Clone, clap::Args)]
pub struct NewToken {
    /// The name of the token, such as that of the program or the person who will use it
    name: TokenName,
    /// Allow only requests that change nothing
    #[arg(long)]
    read_only: bool,
    /// Allow only the calls for operators, such as /metrics
    #[arg(long, conflicts_with = "read_only")]
    operator: bool,
    /// How long the token is valid, such as 90d [default: until it is revoked]
    #[arg(long, value_name = "DURATION", value_parser = positive_duration)]
    expires: Option<Duration>,
    /// Store this SHA-256 of a token that you have generated, and print nothing. For machines whose output is logged: see
    /// docs/security.md
    #[arg(long, value_name = "HASH")]
    sha256: Option<SecretHash>,
}

impl NewToken {
    fn scope(&self) -> Scope {
        match (self.read_only, self.operator) {
            (true, _) => Scope::ReadOnly,
            (false, true) => Scope::Operator,
            (false, false) => Scope::Full,
        }
    }
}

/// The name of a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenName(String);

/// A text is not the name of a token.
#[derive(Debug, thiserror::Error)]
#[error("must consist of 1 to 63 letters, digits, '.', '_' and '-', and must not begin with a '-'")]
pub struct InvalidTokenName;

impl FromStr for TokenName {
    type Err = InvalidTokenName;

    fn from_str(text: &str) -> Result<Self, InvalidTokenName> {
        let is_allowed =
            |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
        let is_name = (1..=63).contains(&text.len())
            && !text.starts_with('-')
            && text.bytes().all(is_allowed);
        is_name
            .then(|| Self(text.to_owned()))
            .ok_or(InvalidTokenName)
    }
}

impl fmt::Display for TokenName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Runs a command as a process. Returns the exit code: see [`shared_model::process`].
pub fn run_process(config: TokensConfig) -> ExitCode {
    let TokensConfig {
        database,
        migrate,
        log,
        command,
    } = config;
    process::run(&database.problems(), &log, || {
        let pool = Pool::sized(&database, 1, "taskoverflow-tokens", STATEMENT_TIMEOUT);
        let runtime = Runtime::new().context("can't start the async runtime")?;
        runtime.block_on(async {
            prepare(&pool, migrate).await?;
            run(command, &pool, &mut std::io::stdout()).await
        })?;
        Ok(ExitCode::SUCCESS)
    })
}

async fn prepare(pool: &Pool, migrate: bool) -> anyhow::Result<()> {
    let are_pending = pool.run_long(move |connection| {
        // a role that may not run migrations may look whether there are any
        if !migrations::are_pending(connection)? {
            return Ok(false);
        }
        if migrate {
            migrations::run(connection)?;
        }
        Ok::<_, MigrationError>(!migrate)
    });
    if are_pending.await? {
        bail!(
            "the database schema is not up to date, and MIGRATE is false; run `taskoverflow-api migrate` first"
        );
    }
    Ok(())
}

async fn run(command: TokenCommand, pool: &Pool, out: &mut impl Write) -> anyhow::Result<()> {
    match command {
        TokenCommand::Create(new) => create(new, pool, out).await,
        TokenCommand::List => list(&pool.run(tokens::list).await?, out),
        TokenCommand::Revoke { name } => {
            let TokenName(wanted) = name.clone();
            let revoked = pool.run(move |connection| tokens::revoke(connection, &wanted));
            if !revoked.await.map_err(with_the_login_to_use)? {
                bail!("there is no token named {name}; `tokens list` lists all of them");
            }
            eprintln!("Revoked {name}. Running APIs refuse it within {MAX_AGE:?}.");
            Ok(())
        }
    }
}

async fn create(new: NewToken, pool: &Pool, out: &mut impl Write) -> anyhow::Result<()> {
    let scope = new.scope();
    let NewToken {
        name,
        expires,
        sha256,
        ..
    } = new;
    let (hash, text) = if let Some(hash) = sha256 {
        (hash, None)
    } else {
        let secret = NewSecret::token()?;
        (secret.hash, Some(secret.text))
    };
    let TokenName(wanted) = name.clone();
    let created =
        pool.run(move |connection| tokens::create(connection, &wanted, &hash, scope, expires));
    let created: Option<TokenRow> = created.await.map_err(with_the_login_to_use)?;
    let Some(created) = created else {
        bail!(
            "there is already a token with this name or this hash; revoke {name}, or choose another name"
        );
    };
    let until = expiry(created.expires_at);
    eprintln!("Created {name}: {scope}, valid until {until}.");
    if let Some(text) = text {
        eprintln!("This is the token. It is shown only this once:");
        writeln!(out, "{text}")?;
    }
    Ok(())
}

/// Says what to do about a login that may not change tokens.
fn with_the_login_to_use(error: DatabaseError) -> anyhow::Error {
    let is_not_allowed = error.to_string().contains("permission denied");
    let error = anyhow::Error::from(error);
    if is_not_allowed {
        error.context(
            "this database user may not create or revoke tokens: use the login of the tables' owner, as for \
             `taskoverflow-api migrate`",
        )
    } else {
        error
    }
}

fn list(tokens: &[TokenRow], out: &mut impl Write) -> anyhow::Result<()> {
    let width = tokens
        .iter()
        .map(|token| token.name.len())
        .max()
        .unwrap_or(0)
        .max("NAME".len());
    writeln!(
        out,
        "{:width$}  {:9}  {:20}  EXPIRES",
        "NAME", "SCOPE", "CREATED"
    )?;
    for token in tokens {
        let TokenRow {
            name,
            scope,
            created_at,
            expires_at,
        } = token;
        let (created_at, expires_at) = (time(*created_at), expiry(*expires_at));
        writeln!(
            out,
            "{name:width$}  {scope:9}  {created_at:20}  {expires_at}"
        )?;
    }
    Ok(())
}

fn expiry(expires_at: Option<DateTime<Utc>>) -> String {
    expires_at.map_or_else(|| "it is revoked".to_owned(), time)
}

fn time(time: DateTime<Utc>) -> String {
    time.format("%Y-%m-%dT%H:%M:%SZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_safe_to_log_and_never_looks_like_an_option() {
        for name in [
            "a",
            "laptop-2",
            "ci.example.org",
            "Grafana_1",
            &"x".repeat(63),
        ] {
            assert!(name.parse::<TokenName>().is_ok(), "{name:?}");
        }
        for name in ["", "-x", "a b", "a/b", "ä", "a\n", &"x".repeat(64)] {
            assert!(name.parse::<TokenName>().is_err(), "{name:?}");
        }
    }
}
