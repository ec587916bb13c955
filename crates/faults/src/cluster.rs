//! A Postgres of a run's own, to be stopped and started again.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;

use local_services::postgres::Cluster;
use tempfile::TempDir;

use crate::database::prepare;

/// Nobody pulls the plug of this machine, so nothing waits for the disk. What is committed has left the server's process
/// all the same, so that its crash loses nothing.
const OPTIONS: [(&str, &str); 3] = [
    ("fsync", "off"),
    ("full_page_writes", "off"),
    ("max_connections", "200"),
];

/// A server that loses nothing it has promised when it crashes. Its functions block.
#[derive(Debug)]
pub struct DurableCluster {
    // before the folder, which it writes to
    cluster: Cluster,
    _folder: TempDir,
}

impl DurableCluster {
    /// Starts one with a prepared database.
    ///
    /// # Errors
    /// When PostgreSQL is not installed or does not start.
    pub fn start() -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("faults-")
            // the unprivileged user who runs the server has to enter it
            .permissions(Permissions::from_mode(0o755))
            .tempdir()?;
        let cluster = Cluster::start(folder.path(), &OPTIONS)?;
        prepare(&cluster.url())?;
        Ok(Self {
            cluster,
            _folder: folder,
        })
    }

    /// Where its prepared database is.
    pub fn url(&self) -> String {
        self.cluster.url()
    }

    /// Stops the server as a crash would, and starts it again.
    ///
    /// # Errors
    /// When it does not start.
    pub fn crash(&mut self) -> anyhow::Result<()> {
        self.cluster.stop_immediately()?;
        Ok(self.cluster.start_again()?)
    }

    /// Stops the server in good order, and starts it again.
    ///
    /// # Errors
    /// When it does not start.
    pub fn restart(&mut self) -> anyhow::Result<()> {
        Ok(self.cluster.restart()?)
    }
}
