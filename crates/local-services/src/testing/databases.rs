//! A cluster for the test process, and copies of one migrated database in it.

use std::borrow::Borrow;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use crate::error::{Error, explain};
use crate::postgres::Cluster;

/// Returns the cluster of this test process. The first call starts it; it ends with the process. If the start fails, it
/// is not repeated: a download that times out would delay every test.
///
/// # Panics
///
/// Panics if PostgreSQL cannot be started. The message says what to do about it.
pub fn shared_cluster() -> &'static Cluster {
    static SHARED: OnceLock<Result<Cluster, Error>> = OnceLock::new();
    or_panic(SHARED.get_or_init(Cluster::ephemeral).as_ref())
}

/// Creates an empty database that no other test uses, and returns its URL.
///
/// # Panics
///
/// Panics if PostgreSQL cannot be started.
pub fn empty_database() -> String {
    let cluster = shared_cluster();
    cluster.url_of(&create_database(cluster, "template1"))
}

/// Returns the URL of the same database for another user.
pub fn login(url: &str, user: &str, password: &str) -> String {
    let (_scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let host = rest.rsplit_once('@').map_or(rest, |(_user, host)| host);
    format!("postgres://{user}:{password}@{host}")
}

/// Databases that are copies of one migrated template, all in [`shared_cluster`].
#[derive(Debug)]
pub struct TestDatabases {
    migrate: fn(&str),
    /// The template's name. PostgreSQL copies a database only while nobody is connected to it, so the lock
    /// lets one copy be made at a time.
    template: Mutex<Option<String>>,
}

impl TestDatabases {
    /// Declares the template. `migrate` is called once, with the URL of an empty database, and must close its
    /// connections to it.
    pub const fn new(migrate: fn(&str)) -> Self {
        Self {
            migrate,
            template: Mutex::new(None),
        }
    }

    /// Creates a migrated database that no other test uses, and returns its URL.
    ///
    /// # Panics
    ///
    /// Panics if PostgreSQL cannot be started or `migrate` panics.
    pub fn create(&self) -> String {
        let cluster = shared_cluster();
        // If `migrate` panicked, there is no template yet: this test runs it again, and shows the reason too.
        let mut template = self.template.lock().unwrap_or_else(PoisonError::into_inner);
        let template = template.get_or_insert_with(|| {
            let name = create_database(cluster, "template1");
            (self.migrate)(&cluster.url_of(&name));
            name
        });
        cluster.url_of(&create_database(cluster, template))
    }
}

/// Copies a database, and returns the name of the copy.
fn create_database(cluster: &Cluster, template: &str) -> String {
    static CREATED: AtomicUsize = AtomicUsize::new(1);
    let name = format!("test_{}", CREATED.fetch_add(1, Ordering::Relaxed));
    let statement = format!("CREATE DATABASE {name} TEMPLATE {template}");
    or_panic(cluster.execute("postgres", &statement));
    name
}

#[expect(clippy::panic, reason = "a test without its services can only fail")]
fn or_panic<T>(result: Result<T, impl Borrow<Error>>) -> T {
    result.unwrap_or_else(|error| panic!("{}", explain(error.borrow())))
}
