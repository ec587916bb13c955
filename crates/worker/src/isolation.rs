//! Decides which attempts of a worker may run at the same time.
//!
//! A job that seems to crash its workers runs in isolation, so that it takes no other job down with it.

use std::sync::Arc;

use shared_model::job_store::claims::Isolation;
use tokio::sync::{OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock};

/// Lets attempts run side by side or in isolation. Clones share the gate.
#[derive(Debug, Clone, Default)]
pub struct IsolationGate(Arc<RwLock<()>>);

/// The right to run. It ends when dropped.
#[derive(Debug)]
pub enum IsolationPass {
    /// Other attempts with a shared pass may run at the same time.
    Shared(OwnedRwLockReadGuard<()>),
    /// No other attempt runs.
    Isolated(OwnedRwLockWriteGuard<()>),
}

impl IsolationGate {
    /// Waits until the attempt may run. Isolation has precedence: attempts that arrive later wait until it is over.
    pub async fn enter(&self, isolation: Isolation) -> IsolationPass {
        let lock = Arc::clone(&self.0);
        match isolation {
            Isolation::Shared => IsolationPass::Shared(lock.read_owned().await),
            Isolation::Isolated => IsolationPass::Isolated(lock.write_owned().await),
        }
    }
}
