//! A private PostgreSQL cluster that a run can stop and start again.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;

use local_services::postgres::Cluster;
use tempfile::TempDir;

use crate::database::prepare;

/// The machine itself does not crash, so writes need not reach the disk. A commit still reaches the operating system,
/// so a crash of the server loses nothing.
const OPTIONS: [(&str, &str); 3] = [
    ("fsync", "off"),
    ("full_page_writes", "off"),
    ("max_connections", "200"),
];

/// A server whose crash loses no committed transaction. The functions block.
#[derive(Debug)]
pub struct DurableCluster {
    // Declared before the folder, because the server writes to it until it is dropped.
    cluster: Cluster,
    _folder: TempDir,
}

impl DurableCluster {
    /// Starts a server with a prepared database.
    ///
    /// # Errors
    /// Returns an error if PostgreSQL is not installed or does not start.
    pub fn start() -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("faults-")
            // The unprivileged user who runs the server has to enter the folder.
            .permissions(Permissions::from_mode(0o755))
            .tempdir()?;
        let cluster = Cluster::start(folder.path(), &OPTIONS)?;
        prepare(&cluster.url())?;
        Ok(Self {
            cluster,
            _folder: folder,
        })
    }

    /// Returns the URL of the prepared database.
    pub fn url(&self) -> String {
        self.cluster.url()
    }

    /// Stops the server as a crash would, and starts it again.
    ///
    /// # Errors
    /// Returns an error if the server does not start.
    pub fn crash(&mut self) -> anyhow::Result<()> {
        self.cluster.stop_immediately()?;
        Ok(self.cluster.start_again()?)
    }

    /// Shuts the server down cleanly, and starts it again.
    ///
    /// # Errors
    /// Returns an error if the server does not start.
    pub fn restart(&mut self) -> anyhow::Result<()> {
        Ok(self.cluster.restart()?)
    }
}
