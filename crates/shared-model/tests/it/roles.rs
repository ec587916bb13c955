//! The roles of the API and the worker: what they may do, and how they are made.

use diesel::PgConnection;
use diesel::connection::SimpleConnection;
use local_services::testing::empty_database;
use shared_model::database::Secret;
use shared_model::migrations::{self, MigrationError};
use shared_model::roles::{Process, Role, RoleError};

use crate::support::{connect, database_url, login};

/// Roles belong to the whole server, so each test has names of its own.
pub(crate) fn role(process: Process, name: &str, password: Option<&str>) -> Role {
    Role {
        process,
        name: name.parse().unwrap(),
        password: password.map(|password| Secret::from(password.to_owned())),
    }
}

/// Migrates an empty database with a role for each process, and returns the URLs of the owner, the API and the worker.
pub(crate) fn migrated(api: &str, worker: &str) -> [String; 3] {
    let owner = empty_database();
    let roles = [
        role(Process::Api, api, Some("of the api")),
        role(Process::Worker, worker, Some("of the worker")),
    ];
    migrations::run_for(&mut connect(&owner), &roles).unwrap();
    let api = login(&owner, api, "of%20the%20api");
    let worker = login(&owner, worker, "of%20the%20worker");
    [owner, api, worker]
}

fn refusal(connection: &mut PgConnection, statement: &str) -> String {
    match connection.batch_execute(statement) {
        Err(error) => error.to_string(),
        Ok(()) => panic!("allowed: {statement}"),
    }
}

#[test]
fn a_worker_can_neither_write_todos_nor_create_jobs_nor_see_feeds() {
    let [_, _, url] = migrated("seen_api", "seen_worker");
    let mut worker = connect(&url);
    worker
        .batch_execute(
            "SELECT FROM todos; SELECT FROM calendar_jobs FOR NO KEY UPDATE; UPDATE calendar_jobs SET attempt = 1;
             INSERT INTO queue_evidence (queue) VALUES ('q') ON CONFLICT (queue) DO UPDATE SET empty_since = now()",
        )
        .unwrap();
    for (statement, table) in [
        ("INSERT INTO todos (title) VALUES ('x')", "todos"),
        ("UPDATE todos SET completed = true", "todos"),
        ("DELETE FROM todos", "todos"),
        ("TRUNCATE todos", "todos"),
        ("INSERT INTO calendar_jobs DEFAULT VALUES", "calendar_jobs"),
        ("DELETE FROM calendar_jobs", "calendar_jobs"),
        ("SELECT FROM calendar_results", "calendar_results"),
        ("DELETE FROM calendar_results", "calendar_results"),
        ("SELECT FROM calendar_feeds", "calendar_feeds"),
        ("UPDATE calendar_feeds SET request = '{}'", "calendar_feeds"),
        ("SELECT FROM api_tokens", "api_tokens"),
        ("INSERT INTO api_tokens DEFAULT VALUES", "api_tokens"),
        ("UPDATE api_tokens SET scope = 'full'", "api_tokens"),
        ("DELETE FROM api_tokens", "api_tokens"),
        ("SELECT FROM api_sessions", "api_sessions"),
        ("INSERT INTO api_sessions DEFAULT VALUES", "api_sessions"),
        ("DELETE FROM queue_evidence", "queue_evidence"),
    ] {
        let refusal = refusal(&mut worker, statement);
        assert_eq!(refusal, format!("permission denied for table {table}"));
    }
}

#[test]
fn an_api_can_neither_write_results_nor_make_tokens_nor_say_what_workers_know_about_queues() {
    let [_, url, _] = migrated("writing_api", "writing_worker");
    let mut api = connect(&url);
    api.batch_execute(
        "INSERT INTO todos (title) VALUES ('x'); UPDATE todos SET completed = true; DELETE FROM todos;
         SELECT FROM calendar_results; DELETE FROM calendar_results; SELECT FROM queue_evidence;
         SELECT FROM api_tokens FOR NO KEY UPDATE; DELETE FROM api_sessions",
    )
    .unwrap();
    for (statement, table) in [
        (
            "INSERT INTO calendar_results DEFAULT VALUES",
            "calendar_results",
        ),
        (
            "UPDATE calendar_results SET content = ''",
            "calendar_results",
        ),
        (
            "INSERT INTO queue_evidence (queue) VALUES ('q')",
            "queue_evidence",
        ),
        ("UPDATE queue_evidence SET queue = 'q'", "queue_evidence"),
        ("INSERT INTO api_tokens DEFAULT VALUES", "api_tokens"),
        ("UPDATE api_tokens SET scope = 'operator'", "api_tokens"),
        ("UPDATE api_tokens SET expires_at = NULL", "api_tokens"),
        ("DELETE FROM api_tokens", "api_tokens"),
        ("TRUNCATE todos", "todos"),
        ("TRUNCATE calendar_jobs", "calendar_jobs"),
    ] {
        let refusal = refusal(&mut api, statement);
        assert_eq!(refusal, format!("permission denied for table {table}"));
    }
}

#[test]
fn a_role_can_look_at_the_migrations_but_can_neither_run_them_nor_change_the_schema() {
    let urls = migrated("looking_api", "looking_worker");
    for url in &urls[1..] {
        let mut connection = connect(url);
        assert!(!migrations::are_pending(&mut connection).unwrap());
        for (statement, message) in [
            ("CREATE TABLE x ()", "permission denied for schema public"),
            ("DROP TABLE todos", "must be owner of table todos"),
            ("CREATE ROLE x", "permission denied to create role"),
            (
                "DELETE FROM __diesel_schema_migrations",
                "permission denied for table __diesel_schema_migrations",
            ),
            (
                "UPDATE __diesel_schema_migrations SET version = 'x'",
                "permission denied for table __diesel_schema_migrations",
            ),
            (
                "SELECT FROM pg_authid",
                "permission denied for table pg_authid",
            ),
        ] {
            assert_eq!(refusal(&mut connection, statement), message);
        }
    }
    connect(&urls[0])
        .batch_execute("DELETE FROM __diesel_schema_migrations")
        .unwrap();
    let error = migrations::run(&mut connect(&urls[1])).unwrap_err();
    assert!(matches!(error, MigrationError::NotAllowed(_)), "{error}");
    assert!(
        error.to_string().contains("run `taskoverflow-api migrate`"),
        "{error}"
    );
}

#[test]
fn a_second_run_restores_the_privileges_and_sets_a_new_password() {
    let [owner, url, _] = migrated("repaired_api", "repaired_worker");
    connect(&owner)
        .batch_execute(
            "GRANT ALL ON calendar_results TO repaired_api; REVOKE DELETE ON todos FROM repaired_api",
        )
        .unwrap();
    let again = [role(Process::Api, "repaired_api", Some("new"))];
    migrations::run_for(&mut connect(&owner), &again).unwrap();
    let mut api = connect(&login(&owner, "repaired_api", "new"));
    api.batch_execute("DELETE FROM todos").unwrap();
    refusal(&mut api, "UPDATE calendar_results SET content = ''");
    let old = diesel::Connection::establish(&url).map(|_: PgConnection| ());
    assert!(old.is_err(), "the old password is still accepted");

    let unchanged = [role(Process::Api, "repaired_api", None)];
    migrations::run_for(&mut connect(&owner), &unchanged).unwrap();
    connect(&login(&owner, "repaired_api", "new"));
}

#[test]
fn roles_are_made_once_even_if_several_databases_of_a_server_are_migrated_at_the_same_time() {
    let urls: Vec<_> = (0..3).map(|_| empty_database()).collect();
    let roles = [
        role(Process::Api, "shared_api", Some("secret")),
        role(Process::Worker, "shared_worker", Some("secret")),
    ];
    std::thread::scope(|scope| {
        let runs: Vec<_> = urls
            .iter()
            .chain(&urls)
            .map(|url| scope.spawn(|| migrations::run_for(&mut connect(url), &roles)))
            .collect();
        for run in runs {
            run.join().unwrap().unwrap();
        }
    });
    for url in &urls {
        connect(&login(url, "shared_worker", "secret"))
            .batch_execute("SELECT FROM todos")
            .unwrap();
    }
}

/// Returns why a role is refused.
fn role_refusal(owner: &str, name: &str) -> String {
    let roles = [role(Process::Api, name, None)];
    let error = migrations::run_for(&mut connect(owner), &roles).unwrap_err();
    assert!(matches!(error, MigrationError::Role(_)), "{error}");
    error.to_string()
}

#[test]
fn a_role_with_more_power_than_grants_give_is_refused_with_the_statement_that_takes_it_away() {
    let owner = database_url();
    let mut connection = connect(&owner);
    for (name, attribute) in [
        ("too_super", "SUPERUSER"),
        ("too_creating", "CREATEROLE"),
        ("too_big", "CREATEDB"),
        ("too_replicating", "REPLICATION"),
        ("too_bypassing", "BYPASSRLS"),
    ] {
        let create = format!("CREATE ROLE {name} {attribute}");
        connection.batch_execute(&create).unwrap();
        let refusal = role_refusal(&owner, name);
        let remedy = format!("ALTER ROLE {name} NO{attribute}");
        assert!(refusal.contains(&format!("`{remedy}`")), "{refusal}");
        connection.batch_execute(&remedy).unwrap();
        let roles = [role(Process::Api, name, None)];
        migrations::run_for(&mut connection, &roles).unwrap();
    }
    connection
        .batch_execute(
            "CREATE ROLE too_reading CREATEDB IN ROLE pg_read_all_data, pg_write_all_data",
        )
        .unwrap();
    let refusal = role_refusal(&owner, "too_reading");
    let remedy = "ALTER ROLE too_reading NOCREATEDB; REVOKE pg_read_all_data, pg_write_all_data FROM too_reading";
    assert!(refusal.contains(remedy), "{refusal}");
    connection.batch_execute(remedy).unwrap();
    let roles = [role(Process::Api, "too_reading", None)];
    migrations::run_for(&mut connection, &roles).unwrap();
}

#[test]
fn the_owner_of_the_tables_is_refused_whoever_runs_the_command() {
    let owner = database_url();
    assert!(role_refusal(&owner, "taskoverflow").contains("choose another role"));
    connect(&owner)
        .batch_execute("CREATE ROLE other_owner; ALTER TABLE todos OWNER TO other_owner")
        .unwrap();
    assert!(role_refusal(&owner, "other_owner").contains("owns the tables"));
    let member = "CREATE ROLE member_of_owner IN ROLE other_owner";
    connect(&owner).batch_execute(member).unwrap();
    let refusal = role_refusal(&owner, "member_of_owner");
    let remedy = "REVOKE other_owner FROM member_of_owner";
    assert!(refusal.contains(remedy), "{refusal}");
}

#[test]
fn a_privilege_that_everyone_has_is_not_overlooked() {
    let [owner, ..] = migrated("public_api", "public_worker");
    let roles = [role(Process::Worker, "public_worker", None)];
    for (grant, revoke) in [
        (
            "GRANT SELECT ON api_tokens TO PUBLIC",
            "REVOKE ALL ON api_tokens FROM PUBLIC, public_worker",
        ),
        (
            "GRANT UPDATE (title) ON todos TO PUBLIC",
            "REVOKE ALL ON todos FROM PUBLIC, public_worker",
        ),
    ] {
        connect(&owner).batch_execute(grant).unwrap();
        let error = migrations::run_for(&mut connect(&owner), &roles).unwrap_err();
        assert!(error.to_string().contains(revoke), "{error}");
        connect(&owner).batch_execute(revoke).unwrap();
        migrations::run_for(&mut connect(&owner), &roles).unwrap();
    }
}

#[test]
fn a_user_without_the_right_to_create_roles_is_told_what_to_do() {
    let owner = empty_database();
    connect(&owner)
        .batch_execute(
            "CREATE ROLE plain_owner LOGIN PASSWORD 'x'; GRANT CREATE ON SCHEMA public TO plain_owner",
        )
        .unwrap();
    let mut plain = connect(&login(&owner, "plain_owner", "x"));
    let roles = [role(Process::Worker, "made_by_hand", None)];
    let error = migrations::run_for(&mut plain, &roles).unwrap_err();
    assert!(
        error.to_string().contains("CREATE ROLE made_by_hand LOGIN"),
        "{error}"
    );
    connect(&owner)
        .batch_execute("CREATE ROLE made_by_hand")
        .unwrap();
    migrations::run_for(&mut plain, &roles).unwrap();
}

#[test]
fn a_password_that_could_be_encoded_in_two_ways_is_refused() {
    let roles = [role(Process::Api, "encoded_api", Some("pässword"))];
    let error = migrations::run_for(&mut connect(&database_url()), &roles).unwrap_err();
    assert!(
        matches!(error, MigrationError::Role(RoleError::InvalidPassword(_))),
        "{error}"
    );
}
