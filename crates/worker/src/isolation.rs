//! Decides which attempts of a worker may run at the same time.
//!
//! A job that seems to crash its workers runs in isolation, so that it takes no other job down with it.

use std::sync::Arc;

use tokio::sync::{OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock};

/// Lets attempts run side by side or in isolation. Clones share the gate.
#[derive(Debug, Clone, Default)]
pub struct IsolationGate(Arc<RwLock<()>>);

/// The right to run beside other attempts. It ends when dropped.
#[derive(Debug)]
pub struct SharedPass(#[expect(dead_code, reason = "holds the lock")] OwnedRwLockReadGuard<()>);

/// The right to run while no other attempt does. It ends when dropped.
#[derive(Debug)]
pub struct ExclusivePass(#[expect(dead_code, reason = "holds the lock")] OwnedRwLockWriteGuard<()>);

impl IsolationGate {
    /// Waits until no attempt runs in isolation or waits to.
    pub async fn enter(&self) -> SharedPass {
        SharedPass(Arc::clone(&self.0).read_owned().await)
    }

    /// Waits until no other attempt runs. Attempts that arrive later wait for this one.
    pub async fn enter_alone(&self) -> ExclusivePass {
        ExclusivePass(Arc::clone(&self.0).write_owned().await)
    }
}
