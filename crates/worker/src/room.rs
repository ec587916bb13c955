//! Which attempts run side by side. A job that seems to kill its workers is tried alone, so that it takes no other with it.

use std::sync::Arc;

use tokio::sync::{OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock};

/// Where the attempts of one worker run. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Room(Arc<RwLock<()>>);

/// A place beside others, until it is dropped.
#[derive(Debug)]
pub struct Place(#[expect(dead_code, reason = "held")] OwnedRwLockReadGuard<()>);

/// The whole room, until it is dropped.
#[derive(Debug)]
pub struct Solitude(#[expect(dead_code, reason = "held")] OwnedRwLockWriteGuard<()>);

impl Room {
    /// Waits until nobody has or wants the room alone.
    pub async fn enter(&self) -> Place {
        Place(Arc::clone(&self.0).read_owned().await)
    }

    /// Waits until the room is empty. Who comes later waits in turn.
    pub async fn enter_alone(&self) -> Solitude {
        Solitude(Arc::clone(&self.0).write_owned().await)
    }
}
