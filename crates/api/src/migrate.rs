//! The command `migrate`: runs the migrations as the owner of the tables, and makes the roles of the API and the worker.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use shared_model::database::{DatabaseConfig, Pool, Secret};
use shared_model::logging::LogConfig;
use shared_model::process;
use shared_model::roles::{Process, Role, RoleName};
use shared_model::startup;

/// Does not apply to the migrations themselves.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(30);

/// The settings of the command.
#[derive(Debug, Clone, clap::Args)]
pub struct MigrateConfig {
    /// The database, with the login of the tables' owner.
    #[command(flatten)]
    pub database: DatabaseConfig,
    /// The role that the API logs in with. It is created if it does not exist, and gets the privileges that the API needs
    #[arg(long, env, value_name = "NAME", help_heading = "Roles")]
    pub api_role: Option<RoleName>,
    /// The password of this role [default: the one that it has]
    #[arg(
        long,
        env,
        value_name = "PASSWORD",
        hide_env_values = true,
        requires = "api_role",
        help_heading = "Roles"
    )]
    pub api_role_password: Option<Secret>,
    /// A file that contains this password and nothing else
    #[arg(
        long,
        env,
        value_name = "FILE",
        requires = "api_role",
        conflicts_with = "api_role_password",
        help_heading = "Roles"
    )]
    pub api_role_password_file: Option<PathBuf>,
    /// The role that workers log in with. It is created if it does not exist, and gets the privileges that a worker needs
    #[arg(long, env, value_name = "NAME", help_heading = "Roles")]
    pub worker_role: Option<RoleName>,
    /// The password of this role [default: the one that it has]
    #[arg(
        long,
        env,
        value_name = "PASSWORD",
        hide_env_values = true,
        requires = "worker_role",
        help_heading = "Roles"
    )]
    pub worker_role_password: Option<Secret>,
    /// A file that contains this password and nothing else
    #[arg(
        long,
        env,
        value_name = "FILE",
        requires = "worker_role",
        conflicts_with = "worker_role_password",
        help_heading = "Roles"
    )]
    pub worker_role_password_file: Option<PathBuf>,
    /// How the command logs.
    #[command(flatten)]
    pub log: LogConfig,
}

impl MigrateConfig {
    /// Returns the roles to make. Reads the files with their passwords.
    ///
    /// # Errors
    /// Returns the problems of the settings, if there are any.
    fn roles(&self) -> Result<Vec<Role>, Vec<String>> {
        let api = role(
            Process::Api,
            self.api_role.as_ref(),
            self.api_role_password.as_ref(),
            (
                "API_ROLE_PASSWORD_FILE",
                self.api_role_password_file.as_deref(),
            ),
        );
        let worker = role(
            Process::Worker,
            self.worker_role.as_ref(),
            self.worker_role_password.as_ref(),
            (
                "WORKER_ROLE_PASSWORD_FILE",
                self.worker_role_password_file.as_deref(),
            ),
        );
        let mut roles = Vec::new();
        let mut problems = self.database.problems();
        for role in [api, worker] {
            match role {
                Ok(role) => roles.extend(role),
                Err(problem) => problems.push(problem),
            }
        }
        if self.api_role.is_some() && self.api_role == self.worker_role {
            problems.push(
                "WORKER_ROLE must differ from API_ROLE: the processes need different privileges"
                    .to_owned(),
            );
        }
        if problems.is_empty() {
            Ok(roles)
        } else {
            Err(problems)
        }
    }
}

/// Returns the role of a process, if it has a name. Its password may be in a file, which comes with the name of its setting.
fn role(
    process: Process,
    name: Option<&RoleName>,
    password: Option<&Secret>,
    (setting, file): (&str, Option<&Path>),
) -> Result<Option<Role>, String> {
    let password = match file {
        Some(file) => Some(
            Secret::read(file)
                .map_err(|error| format!("{setting}: can't read {}: {error}", file.display()))?,
        ),
        None => password.cloned(),
    };
    Ok(name.map(|name| Role {
        process,
        name: name.clone(),
        password,
    }))
}

/// Runs the command. Returns the exit code: see [`shared_model::process`].
pub fn run_process(config: &MigrateConfig) -> ExitCode {
    let (roles, problems) = match config.roles() {
        Ok(roles) => (roles, Vec::new()),
        Err(problems) => (Vec::new(), problems),
    };
    process::run(&problems, &config.log, || {
        let pool = Pool::sized(
            &config.database,
            1,
            "taskoverflow-migrate",
            STATEMENT_TIMEOUT,
        );
        let names: Vec<_> = roles.iter().map(|role| role.name.to_string()).collect();
        actix_web::rt::System::new().block_on(startup::migrate(&pool, &config.database, roles))?;
        log::info!("database.roles" = names.join(" "); "the database is up to date");
        Ok(ExitCode::SUCCESS)
    })
}
