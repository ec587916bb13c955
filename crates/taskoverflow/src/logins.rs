//! The database logins of the API and the workers. In the private database each has a role of its own, which may do no more
//! than its process needs.

use anyhow::Context;
use diesel::{Connection, PgConnection};
use shared_model::database::{DatabaseUrl, Secret};
use shared_model::migrations;
use shared_model::roles::{Process, Role};

const API_ROLE: &str = "taskoverflow_api";
const WORKER_ROLE: &str = "taskoverflow_worker";

/// The database URLs of the processes, with their passwords.
#[derive(Debug)]
pub(crate) struct Logins {
    pub(crate) api: DatabaseUrl,
    pub(crate) worker: DatabaseUrl,
}

impl Logins {
    /// Uses one login for all processes.
    pub(crate) fn shared(url: &DatabaseUrl) -> Self {
        Self {
            api: url.clone(),
            worker: url.clone(),
        }
    }

    /// Runs the migrations as the owner of the private database, and makes a role for each kind of process. The roles get
    /// new passwords at every start, so nothing has to store them. Blocks the thread.
    pub(crate) fn make(owner: &str) -> anyhow::Result<Self> {
        let (api_password, worker_password) = (random_password()?, random_password()?);
        let role = |process, name: &str, password: &str| -> anyhow::Result<Role> {
            Ok(Role {
                process,
                name: name.parse()?,
                password: Some(Secret::from(password.to_owned())),
            })
        };
        let roles = [
            role(Process::Api, API_ROLE, &api_password)?,
            role(Process::Worker, WORKER_ROLE, &worker_password)?,
        ];
        let mut connection =
            PgConnection::establish(owner).context("cannot connect to the private database")?;
        migrations::run_for(&mut connection, &roles)
            .context("cannot prepare the private database")?;
        Ok(Self {
            api: url_of(owner, API_ROLE, &api_password)?,
            worker: url_of(owner, WORKER_ROLE, &worker_password)?,
        })
    }
}

/// Returns the URL of the same database for another user.
fn url_of(owner: &str, user: &str, password: &str) -> anyhow::Result<DatabaseUrl> {
    let (_, location) = owner.rsplit_once('@').unwrap_or_default();
    Ok(format!("postgres://{user}:{password}@{location}").parse()?)
}

/// Returns 128 random bits in characters that need no escaping in a URL.
fn random_password() -> anyhow::Result<String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).context("the system has no random numbers")?;
    Ok(format!("{:032x}", u128::from_ne_bytes(bytes)))
}
