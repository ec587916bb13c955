//! The database and the queue: started here or given.

use local_services::Error;
use local_services::postgres::Cluster;
use local_services::sqs::LocalSqs;

use crate::cli::{Options, QueueChoice};

/// The queues of a local SQS: the standard one and the FIFO one.
const STANDARD: &str = "ical";
const FIFO: &str = "ical.fifo";
/// Above the attempts that the worker counts itself (`MAX_ATTEMPTS`), so that only what no worker can even read is moved
/// to the dead letters.
const MAX_RECEIVE_COUNT: u32 = 10;

/// Connections beside those of the processes: psql, and PostgreSQL's own reserve.
const SPARE_CONNECTIONS: u32 = 50;
/// A process's pool (`DATABASE_POOL`, 16) and its listener, generously.
const CONNECTIONS_PER_PROCESS: u32 = 32;

/// What the API and the workers need, and how a person gets at it.
#[derive(Debug)]
pub(crate) struct Services {
    /// Where the database is, with the password.
    pub(crate) database_url: String,
    /// The same for a person: with the password only if it is of our own making.
    pub(crate) shown_database: String,
    /// The URL of the queue that carries the jobs.
    pub(crate) queue_url: String,
    cluster: Option<Cluster>,
    sqs: Option<LocalSqs>,
}

impl Services {
    /// Starts what is not given. Blocks; the first time for a good many seconds.
    pub(crate) fn start(options: &Options) -> Result<Self, Error> {
        let cluster = match options.database_url {
            Some(_) => None,
            None => Some(start_cluster(options)?),
        };
        let (queue_url, sqs) = match &options.queue {
            QueueChoice::Existing(url) => (url.to_string(), None),
            QueueChoice::LocalStandard => (sqs_url(STANDARD), Some(start_sqs(options)?)),
            QueueChoice::LocalFifo => (sqs_url(FIFO), Some(start_sqs(options)?)),
        };
        let own = cluster.as_ref().map(Cluster::url);
        let given = options.database_url.as_ref();
        Ok(Self {
            database_url: own
                .clone()
                .or_else(|| given.map(|url| url.expose().to_owned()))
                .unwrap_or_default(),
            shown_database: own
                .or_else(|| given.map(ToString::to_string))
                .unwrap_or_default(),
            queue_url,
            cluster,
            sqs,
        })
    }

    /// The queue for a person: where to find a local one too.
    pub(crate) fn shown_queue(&self) -> String {
        match &self.sqs {
            Some(sqs) => format!("{} at {}", self.queue_url, sqs.endpoint_url()),
            None => self.queue_url.clone(),
        }
    }

    /// Whether the queue is one that was started here.
    pub(crate) fn has_local_sqs(&self) -> bool {
        self.sqs.is_some()
    }

    /// What leads an AWS SDK to a local SQS. It replaces what we were started with: a local SQS takes every key, but
    /// other keys and regions would mean other queues.
    pub(crate) fn sqs_environment(&self) -> Vec<(&'static str, String)> {
        self.sqs.iter().flat_map(LocalSqs::environment).collect()
    }

    /// What ended although nobody asked it to.
    pub(crate) fn ended(&mut self) -> Option<String> {
        let postgres = self.cluster.as_mut().and_then(Cluster::exit_status);
        let sqs = self.sqs.as_mut().and_then(LocalSqs::exit_status);
        postgres
            .map(|status| format!("PostgreSQL ended ({status})"))
            .or_else(|| sqs.map(|status| format!("the local SQS ended ({status})")))
    }

    /// Stops what was started, in good order. Blocks.
    pub(crate) fn stop(self) -> Result<(), Error> {
        drop(self.sqs);
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
}

fn start_sqs(options: &Options) -> Result<LocalSqs, Error> {
    let sqs = LocalSqs::start(&options.data_dir.join("sqs"))?;
    for name in [STANDARD, FIFO] {
        sqs.create_queue_with_dead_letters(name, MAX_RECEIVE_COUNT)?;
    }
    Ok(sqs)
}

fn sqs_url(name: &str) -> String {
    format!("sqs://{name}")
}
