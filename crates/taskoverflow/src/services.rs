//! The database and the queue: started here, or existing.

use anyhow::Context;
use job_queue::QueueUrl;
use local_services::Error;
use local_services::brokers::{BrokerKind, LocalBroker};
use local_services::postgres::Cluster;
use local_services::sqs::LocalSqs;

use crate::cli::{Options, QueueChoice};
use crate::logins::Logins;

/// The names of the two queues of a local SQS. A local broker has the first.
const STANDARD: &str = "ical";
const FIFO: &str = "ical.fifo";
/// More than the attempts that the worker counts itself (`MAX_ATTEMPTS`), so that SQS moves only messages that no worker
/// can read to the dead-letter queue.
const MAX_RECEIVE_COUNT: u32 = 10;

/// Connections in addition to those of the processes: for psql, and for PostgreSQL's own reserve.
const SPARE_CONNECTIONS: u32 = 50;
/// More than a process needs: its pool (`DATABASE_POOL`, 16 by default) and its listener.
const CONNECTIONS_PER_PROCESS: u32 = 32;

/// The services that the API and the workers need, and how a user can reach them.
#[derive(Debug)]
pub(crate) struct Services {
    /// The database URLs of the processes, with their passwords.
    pub(crate) logins: Logins,
    /// The database URL for the user. It contains the password only if the launcher made it.
    pub(crate) shown_database: String,
    /// The queue that carries the jobs.
    queue: QueueUrl,
    cluster: Option<Cluster>,
    sqs: Option<LocalSqs>,
    broker: Option<LocalBroker>,
}

impl Services {
    /// Starts the services that do not exist yet. Blocks the thread; the first start takes several seconds.
    pub(crate) fn start(options: &Options) -> anyhow::Result<Self> {
        let (cluster, logins, shown_database) = if let Some(url) = &options.database_url {
            (None, Logins::shared(url), url.to_string())
        } else {
            let cluster = start_cluster(options)?;
            let url = cluster.url();
            let logins =
                Logins::make(&url).with_context(|| format!("{}", options.data_dir.display()))?;
            (Some(cluster), logins, url)
        };
        let (mut sqs, mut broker) = (None, None);
        let queue = match &options.queue {
            QueueChoice::Existing(url) => url.clone(),
            QueueChoice::LocalStandard | QueueChoice::LocalFifo => {
                sqs = Some(start_sqs(options)?);
                let is_fifo = options.queue == QueueChoice::LocalFifo;
                sqs_url(if is_fifo { FIFO } else { STANDARD }).parse()?
            }
            QueueChoice::LocalBroker(kind) => broker
                .insert(start_broker(*kind, options)?)
                .url(STANDARD, None)
                .parse()?,
        };
        Ok(Self {
            logins,
            shown_database,
            queue,
            cluster,
            sqs,
            broker,
        })
    }

    /// Returns the URL of the queue with its password, for the processes.
    pub(crate) fn queue_url(&self) -> String {
        self.queue.with_password()
    }

    /// Returns the queue for the user: without a password, and with the endpoint of a local SQS.
    pub(crate) fn shown_queue(&self) -> String {
        match &self.sqs {
            Some(sqs) => format!("{} at {}", self.queue, sqs.endpoint_url()),
            None => self.queue.to_string(),
        }
    }

    /// Returns whether the queue is in a local SQS.
    pub(crate) fn has_local_sqs(&self) -> bool {
        self.sqs.is_some()
    }

    /// Returns whether the queue is in a local broker.
    pub(crate) fn has_local_broker(&self) -> bool {
        self.broker.is_some()
    }

    /// Returns the environment variables with which an AWS SDK finds the local SQS. They replace those of the launcher: a
    /// local SQS accepts any key and region, but keeps separate queues for each.
    pub(crate) fn sqs_environment(&self) -> Vec<(&'static str, String)> {
        self.sqs.iter().flat_map(LocalSqs::environment).collect()
    }

    /// Describes a service that ended without being asked to, if there is one.
    pub(crate) fn ended(&mut self) -> Option<String> {
        let postgres = self.cluster.as_mut().and_then(Cluster::exit_status);
        let sqs = self.sqs.as_mut().and_then(LocalSqs::exit_status);
        let broker = self.broker.as_mut().and_then(LocalBroker::exit_status);
        postgres
            .map(|status| format!("PostgreSQL ended ({status})"))
            .or_else(|| sqs.map(|status| format!("the local SQS ended ({status})")))
            .or_else(|| broker.map(|status| format!("the local broker ended ({status})")))
    }

    /// Stops the services that were started here. Blocks the thread.
    pub(crate) fn stop(self) -> Result<(), Error> {
        drop(self.sqs);
        drop(self.broker);
        self.cluster.map_or(Ok(()), |mut cluster| cluster.stop())
    }
}

fn start_cluster(options: &Options) -> Result<Cluster, Error> {
    let processes = 1 + u32::from(options.workers);
    let connections = SPARE_CONNECTIONS + processes * CONNECTIONS_PER_PROCESS;
    Cluster::start(
        &options.data_dir,
        &[("max_connections", &connections.to_string())],
    )
    .map_err(with_the_way_to_do_without)
}

/// Adds to an error about a missing PostgreSQL that the launcher can use a server that is already running.
fn with_the_way_to_do_without(error: Error) -> Error {
    match error {
        Error::NotInstalled(message) => Error::NotInstalled(format!(
            "{message};\nor use a server that is already running: DATABASE_URL=postgres://user:password@host/database"
        )),
        error => error,
    }
}

fn start_sqs(options: &Options) -> Result<LocalSqs, Error> {
    let sqs = LocalSqs::start(&options.data_dir.join("sqs"))?;
    for name in [STANDARD, FIFO] {
        sqs.create_queue_with_dead_letters(name, MAX_RECEIVE_COUNT)?;
    }
    Ok(sqs)
}

fn start_broker(kind: BrokerKind, options: &Options) -> Result<LocalBroker, Error> {
    LocalBroker::start(kind, &options.data_dir.join(kind.name()), &[STANDARD])
}

fn sqs_url(name: &str) -> String {
    format!("sqs://{name}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_about_a_missing_postgresql_says_how_to_use_a_running_server() {
        let missing = Error::NotInstalled("PostgreSQL was not found: install it".to_owned());
        let message = with_the_way_to_do_without(missing).to_string();
        let start = "PostgreSQL was not found: install it;\nor use a server";
        assert!(message.starts_with(start), "{message}");
        assert!(message.contains("DATABASE_URL=postgres://"), "{message}");
    }
}
