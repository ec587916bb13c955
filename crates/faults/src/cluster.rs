//! A private PostgreSQL cluster that a run can stop and start again.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;

use local_services::postgres::Cluster;
use tempfile::TempDir;

use crate::database::prepare;

/// How far a commit gets before it is acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Storage {
    /// To the operating system, so a crash of the server loses nothing. The machine itself does not crash in a test.
    Memory,
    /// To the disk, as in production.
    Disk,
}

impl Storage {
    /// Returns the settings of the server.
    fn options(self) -> [(&'static str, &'static str); 4] {
        let flushes = match self {
            Self::Memory => "off",
            Self::Disk => "on",
        };
        [
            ("fsync", flushes),
            ("full_page_writes", flushes),
            ("synchronous_commit", "on"),
            ("max_connections", "200"),
        ]
    }
}

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
    pub fn start(storage: Storage) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("faults-")
            // The unprivileged user who runs the server has to enter the folder.
            .permissions(Permissions::from_mode(0o755))
            .tempdir()?;
        let cluster = Cluster::start(folder.path(), &storage.options())?;
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
