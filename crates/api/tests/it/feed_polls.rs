//! What it costs when programs poll a feed, and how soon they see a change.

use std::collections::BTreeMap;

use api::feed_token::FeedToken;
use api::store::{feed_calendars, feeds};
use diesel::connection::SimpleConnection;
use diesel::sql_types::{BigInt, Text};
use diesel::{Connection, PgConnection, QueryableByName, RunQueryDsl};
use futures_util::future::{join, join_all};
use local_services::testing::eventually;
use shared_model::database::DatabaseError;
use shared_model::job::CalendarRequest;
use uuid::Uuid;

use crate::support::feeds::{
    FEEDS, add_todo, complete_newest_job, first_calendar, let_a_minute_pass, let_no_time_pass,
    new_feed_url, with_wrong_secret,
};
use crate::support::{Service, config, database, execute, lock_todos, send};

/// Starts a service and creates a feed that has a calendar. Returns the calendar's address too.
async fn service_with_calendar() -> (Service, String) {
    let service = Service::start().await;
    let url = new_feed_url(&service).await;
    first_calendar(&service, &url, b"the first").await;
    (service, url)
}

/// Returns how often each table was looked up so far.
fn lookups(connection: &mut PgConnection) -> BTreeMap<String, i64> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Text)]
        table: String,
        #[diesel(sql_type = BigInt)]
        lookups: i64,
    }
    connection
        .batch_execute("SELECT pg_stat_force_next_flush()")
        .unwrap();
    let rows = diesel::sql_query(
        "SELECT relname::text AS table, seq_scan + coalesce(idx_scan, 0) AS lookups FROM pg_stat_user_tables",
    )
    .load::<Row>(connection)
    .unwrap();
    rows.into_iter()
        .map(|row| (row.table, row.lookups))
        .collect()
}

#[test]
fn a_wrong_token_costs_one_lookup() {
    let mut connection = PgConnection::establish(&database()).unwrap();
    let token = FeedToken::generate(Uuid::now_v7()).unwrap();
    feeds::insert(&mut connection, &token, &CalendarRequest::default()).unwrap();
    let wrong_secret = FeedToken::generate(token.id).unwrap();
    let unknown = FeedToken::generate(Uuid::now_v7()).unwrap();
    for wrong in [wrong_secret, unknown] {
        let mut expected = lookups(&mut connection);
        let found = feed_calendars::find(&mut connection, &wrong).unwrap();
        assert!(found.is_none());
        *expected.get_mut("calendar_feeds").unwrap() += 1;
        assert_eq!(lookups(&mut connection), expected);
    }
    assert!(
        feed_calendars::find(&mut connection, &token)
            .unwrap()
            .is_some()
    );
}

/// Ends all other sessions of the database. That publishes what they counted, and new sessions have new defaults.
const END_OTHER_SESSIONS: &str = "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity
     WHERE datname = current_database() AND pid <> pg_backend_pid()";

/// Returns how often the feeds and the todos were looked up so far, by any session.
async fn lookups_of_polls(service: &Service) -> (i64, i64) {
    let counted = service.pool.run(|connection| {
        connection.batch_execute(END_OTHER_SESSIONS)?;
        Ok::<_, DatabaseError>(lookups(connection))
    });
    let counted = counted.await.unwrap();
    (counted["calendar_feeds"], counted["todos"])
}

/// Makes every measurement of what is stored fail from now on, because it reads feeds and todos too.
async fn stop_measuring(service: &Service) {
    let rename = "ALTER FUNCTION pg_total_relation_size(regclass) RENAME TO no_size";
    execute(&service.pool, rename).await;
    execute(&service.pool, END_OTHER_SESSIONS).await;
}

/// Makes every session of the database read only. PostgreSQL then refuses row locks too.
async fn make_read_only(service: &Service) {
    let set_default = "DO $$BEGIN
         EXECUTE format('ALTER DATABASE %I SET default_transaction_read_only = on', current_database());
     END$$";
    execute(&service.pool, set_default).await;
    execute(&service.pool, END_OTHER_SESSIONS).await;
}

#[tokio::test]
async fn polls_within_a_minute_write_nothing_and_lock_no_row() {
    let (service, url) = service_with_calendar().await;
    let_no_time_pass(&service).await;
    add_todo(&service).await;
    make_read_only(&service).await;
    let poll = |method| service.request(method, &url);
    for method in ["GET", "HEAD"] {
        let response = send(poll(method)).await;
        assert_eq!(response.status, 200);
        let etag = response.header("etag").unwrap();
        let known = send(poll(method).header("If-None-Match", etag)).await;
        assert_eq!(
            (known.status.as_u16(), known.header("etag")),
            (304, Some(etag))
        );
        let gzip = send(poll(method).header("Accept-Encoding", "gzip")).await;
        assert_eq!(gzip.status, 200);
        assert_ne!(gzip.header("etag"), Some(etag));
    }
    assert_eq!(service.get(&with_wrong_secret(&url)).await.status, 404);
    let write = service.request("POST", FEEDS);
    assert!(send(write).await.status.is_server_error());
}

#[tokio::test]
async fn polls_within_a_minute_read_no_todos() {
    let (service, url) = service_with_calendar().await;
    let_no_time_pass(&service).await;
    stop_measuring(&service).await;
    let (feeds, todos) = lookups_of_polls(&service).await;
    for _ in 0..3 {
        assert_eq!(service.get(&url).await.text(), "the first");
    }
    assert_eq!(service.get(&with_wrong_secret(&url)).await.status, 404);
    assert_eq!(lookups_of_polls(&service).await, (feeds + 4, todos));
}

#[tokio::test]
async fn a_feed_is_refreshed_at_most_once_a_minute() {
    let (service, url) = service_with_calendar().await;
    let_no_time_pass(&service).await;
    add_todo(&service).await;
    service.get(&url).await;
    assert_eq!(service.count("calendar_jobs").await, 1);
    let_a_minute_pass(&service).await;
    service.get(&url).await;
    assert_eq!(service.count("calendar_jobs").await, 2);
    complete_newest_job(&service, b"the second").await;
    assert_eq!(service.get(&url).await.text(), "the second");
}

#[tokio::test]
async fn a_feed_is_refreshed_although_the_clock_was_set_back() {
    let (service, url) = service_with_calendar().await;
    add_todo(&service).await;
    let future = "UPDATE calendar_feeds SET refreshed_at = now() + interval '1 hour'";
    execute(&service.pool, future).await;
    service.get(&url).await;
    assert_eq!(service.count("calendar_jobs").await, 2);
}

#[tokio::test]
async fn of_many_polls_of_two_processes_one_refreshes_the_feed() {
    let url = database();
    let services = [(); 2].map(|()| Service::launch(&config(&url, &[])));
    for service in &services {
        service.wait_until_ready().await;
    }
    let feed = new_feed_url(&services[0]).await;
    first_calendar(&services[0], &feed, b"the first").await;
    add_todo(&services[0]).await;
    let_a_minute_pass(&services[0]).await;
    stop_measuring(&services[0]).await;
    let (_, todos) = lookups_of_polls(&services[0]).await;
    let path = feed.strip_prefix(&services[0].url).unwrap();
    let polls = services.iter().cycle().take(24);
    for response in join_all(polls.map(|service| service.get(path))).await {
        assert_eq!(response.text(), "the first");
    }
    assert_eq!(services[0].count("calendar_jobs").await, 2);
    assert_eq!(lookups_of_polls(&services[0]).await.1, todos + 1);
}

#[tokio::test]
async fn polls_that_come_together_wait_for_the_same_first_calendar() {
    let service = Service::start().await;
    let url = new_feed_url(&service).await;
    let polls = join_all((0..8).map(|_| service.get(&url)));
    let completed = complete_newest_job(&service, b"the first");
    for response in join(polls, completed).await.0 {
        assert_eq!(response.text(), "the first");
    }
    assert_eq!(service.count("calendar_jobs").await, 1);
}

#[test]
fn a_refresh_does_not_wait_for_a_locked_feed_and_is_not_lost() {
    let url = database();
    let [mut other, mut connection] = [(); 2].map(|()| PgConnection::establish(&url).unwrap());
    let token = FeedToken::generate(Uuid::now_v7()).unwrap();
    feeds::insert(&mut connection, &token, &CalendarRequest::default()).unwrap();
    let feed = feed_calendars::find(&mut connection, &token)
        .unwrap()
        .unwrap();

    other
        .batch_execute("BEGIN; SELECT FROM calendar_feeds FOR UPDATE")
        .unwrap();
    connection.batch_execute("SET lock_timeout = '1s'").unwrap();
    let mut claim = || feed_calendars::claim_refresh(&mut connection, feed.clone()).unwrap();
    assert!(claim().is_none());
    other.batch_execute("ROLLBACK").unwrap();
    assert!(claim().is_some());
    assert!(claim().is_none(), "the feed has been refreshed meanwhile");
}

#[tokio::test]
async fn a_feed_serves_its_calendar_while_the_todos_cannot_be_read() {
    let (service, url) = service_with_calendar().await;
    let locked = lock_todos(&service).await;
    let_a_minute_pass(&service).await;
    assert_eq!(service.get(&url).await.text(), "the first");
    locked.release().await;
    add_todo(&service).await;
    let_a_minute_pass(&service).await;
    service.get(&url).await;
    assert_eq!(service.count("calendar_jobs").await, 2);
}

#[tokio::test]
async fn a_feed_gets_a_new_calendar_before_and_after_the_old_one_expires() {
    let (service, url) = service_with_calendar().await;
    let soon = "UPDATE calendar_jobs SET expires_at = now() + expiry / 2";
    execute(&service.pool, soon).await;
    let_a_minute_pass(&service).await;
    assert_eq!(service.get(&url).await.text(), "the first");
    assert_eq!(service.count("calendar_jobs").await, 2);
    complete_newest_job(&service, b"the second").await;
    assert_eq!(service.get(&url).await.text(), "the second");

    execute(&service.pool, "DELETE FROM calendar_results").await;
    let_a_minute_pass(&service).await;
    let third = async {
        eventually("the job is stored", async || {
            service.count("calendar_jobs").await == 3
        })
        .await;
        complete_newest_job(&service, b"the third").await;
    };
    let (response, ()) = join(service.get(&url), third).await;
    assert_eq!(response.text(), "the third");
}

#[tokio::test]
async fn a_feed_that_another_process_deletes_is_gone_immediately() {
    let (service, url) = service_with_calendar().await;
    execute(&service.pool, "DELETE FROM calendar_feeds").await;
    service.get(&url).await.assert_problem(404, "no such feed");
}
