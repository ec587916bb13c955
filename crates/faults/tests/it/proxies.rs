//! The database proxy itself, with the statements that diesel prepares once and then runs by name.

use diesel::prelude::*;
use faults::postgres_proxy::PostgresProxy;
use faults::queue::QueueKind;
use faults::system::System;
use local_services::testing::eventually;
use shared_model::schema::todos;
use tokio::task::JoinHandle;

use crate::support::system;

/// The text of the statement that [`insert`] runs.
const INSERT: &str = "INSERT INTO \"todos\"";

fn insert(connection: &mut PgConnection) {
    let todo = (todos::title.eq("one"), todos::completed.eq(false));
    let inserted = diesel::insert_into(todos::table).values(todo);
    inserted.execute(connection).unwrap();
}

/// Connects through the proxy, and runs the statement once, so that later only its name is sent.
async fn connect(system: &System, proxy: &PostgresProxy) -> PgConnection {
    let url = system.database.url_through(proxy.port()).unwrap();
    let connecting = tokio::task::spawn_blocking(move || {
        let mut connection = PgConnection::establish(&url).unwrap();
        insert(&mut connection);
        connection
    });
    connecting.await.unwrap()
}

fn insert_again(mut connection: PgConnection) -> JoinHandle<PgConnection> {
    tokio::task::spawn_blocking(move || {
        insert(&mut connection);
        connection
    })
}

async fn count(system: &System) -> i64 {
    let todos = "SELECT count(*) FROM todos";
    system.database.number(todos).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_that_was_prepared_long_ago_is_held_before_the_server_runs_it() {
    let system = system(QueueKind::Postgres).await;
    let proxy = PostgresProxy::start(system.database.port().unwrap());
    let proxy = proxy.await.unwrap();
    let connection = connect(&system, &proxy).await;
    let connection = insert_again(connection).await.unwrap();
    proxy.hold_request(INSERT);
    let held = insert_again(connection);
    proxy.wait_until_held(1).await.unwrap();
    assert_eq!(count(&system).await, 2);
    assert!(!held.is_finished());
    proxy.heal();
    let connection = held.await.unwrap();
    assert_eq!(count(&system).await, 3);
    // A hold ends with the statement that it has held.
    insert_again(connection).await.unwrap();
    assert_eq!(count(&system).await, 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_answer_to_a_statement_that_was_prepared_long_ago_is_held_after_the_server_has_run_it()
{
    let system = system(QueueKind::Postgres).await;
    let proxy = PostgresProxy::start(system.database.port().unwrap());
    let proxy = proxy.await.unwrap();
    let connection = connect(&system, &proxy).await;
    proxy.hold_answer(INSERT);
    let held = insert_again(connection);
    eventually("the server has run it", async || count(&system).await == 2).await;
    assert!(!held.is_finished());
    proxy.heal();
    held.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_answer_to_a_statement_that_changed_nothing_is_not_held() {
    const UPDATE: &str = "UPDATE todos SET title = 'two'";
    let system = system(QueueKind::Postgres).await;
    let proxy = PostgresProxy::start(system.database.port().unwrap());
    let proxy = proxy.await.unwrap();
    let mut connection = connect(&system, &proxy).await;
    proxy.hold_answer(UPDATE);
    let updates = tokio::task::spawn_blocking(move || {
        let nothing = diesel::sql_query(format!("{UPDATE} WHERE title = 'none'"));
        assert_eq!(nothing.execute(&mut connection).unwrap(), 0);
        diesel::sql_query(UPDATE).execute(&mut connection).unwrap()
    });
    proxy.wait_until_held(1).await.unwrap();
    assert!(!updates.is_finished());
    proxy.heal();
    assert_eq!(updates.await.unwrap(), 1);
}
