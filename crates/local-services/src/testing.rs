//! What tests of other crates use: one cluster for a test process, a fresh database for a test.
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

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use crate::error::{Error, explain};
use crate::postgres::Cluster;

/// The cluster of this test process, started by the first caller. It goes away with the process.
///
/// # Panics
///
/// When PostgreSQL cannot be started, with what to do about it.
pub fn shared_cluster() -> &'static Cluster {
    static SHARED: OnceLock<Cluster> = OnceLock::new();
    SHARED.get_or_init(|| or_panic(Cluster::ephemeral()))
}

/// Databases that are copies of a migrated one, all in [`shared_cluster`].
#[derive(Debug)]
pub struct TestDatabases {
    migrate: fn(&str),
    /// The migrated one. Copying needs it alone, so copies are made one after the other.
    template: Mutex<Option<String>>,
}

impl TestDatabases {
    /// `migrate` gets the URL of an empty database, once, and must leave no connection to it.
    pub const fn new(migrate: fn(&str)) -> Self {
        Self {
            migrate,
            template: Mutex::new(None),
        }
    }

    /// Makes a database that nobody else uses, and gives its URL.
    ///
    /// # Panics
    ///
    /// When PostgreSQL cannot be started or `migrate` panics.
    pub fn create(&self) -> String {
        let cluster = shared_cluster();
        // A `migrate` that panicked made no template; the next test tries again and says why too.
        let mut template = self.template.lock().unwrap_or_else(PoisonError::into_inner);
        let template = template.get_or_insert_with(|| {
            let name = create_database(cluster, "template1");
            (self.migrate)(&cluster.url_of(&name));
            name
        });
        cluster.url_of(&create_database(cluster, template))
    }
}

/// Copies a database under a new name.
fn create_database(cluster: &Cluster, template: &str) -> String {
    static MADE: AtomicUsize = AtomicUsize::new(1);
    let name = format!("test_{}", MADE.fetch_add(1, Ordering::Relaxed));
    let statement = format!("CREATE DATABASE {name} TEMPLATE {template}");
    or_panic(cluster.execute("postgres", &statement));
    name
}

#[expect(clippy::panic, reason = "a test without its services can only fail")]
fn or_panic<T>(result: Result<T, Error>) -> T {
    result.unwrap_or_else(|error| panic!("{}", explain(&error)))
}
