//! What the tests of every crate share: one timeout, one way to wait, one PostgreSQL cluster for each test process, a
//! database of its own for each test, and the memory of a process.
//!
//! ```no_run
//! use local_services::testing::TestDatabases;
//!
//! static DATABASES: TestDatabases = TestDatabases::new(|url| {
//!     // Run the migrations on `url`, and close the connection.
//! });
//!
//! let url = DATABASES.create();
//! ```

pub use databases::{TestDatabases, empty_database, login, shared_cluster};
pub use eventually::{TIMEOUT, TimedOut, eventually, eventually_blocking, within};
pub use memory::{peak_bytes, resident_bytes};

mod databases;
mod eventually;
mod memory;
