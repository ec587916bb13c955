//! The databases that tests get.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use local_services::testing::{TestDatabases, shared_cluster};

static MIGRATED: AtomicUsize = AtomicUsize::new(0);

static DATABASES: TestDatabases = TestDatabases::new(|url| {
    MIGRATED.fetch_add(1, Ordering::Relaxed);
    let create = "CREATE TABLE todos AS SELECT 1 AS id";
    shared_cluster().execute(name_in(url), create).unwrap();
});

fn name_in(url: &str) -> &str {
    url.rsplit_once('/').unwrap().1
}

#[test]
fn each_test_has_a_migrated_database_of_its_own() {
    let urls: BTreeSet<_> = thread::scope(|scope| {
        let makers: Vec<_> = (0..8).map(|_| scope.spawn(|| DATABASES.create())).collect();
        makers
            .into_iter()
            .map(|maker| maker.join().unwrap())
            .collect()
    });
    assert_eq!(urls.len(), 8);
    assert_eq!(MIGRATED.load(Ordering::Relaxed), 1);

    let (first, last) = (urls.first().unwrap(), urls.last().unwrap());
    let run = |url: &str, sql| shared_cluster().execute(name_in(url), sql).unwrap();
    run(first, "INSERT INTO todos VALUES (2)");
    assert_eq!(run(first, "SELECT count(*) FROM todos"), "2");
    assert_eq!(run(last, "SELECT count(*) FROM todos"), "1");
}
