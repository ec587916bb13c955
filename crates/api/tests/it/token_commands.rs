//! The commands that manage tokens, and what the process says about them at its start and in its log.

use std::process::{Command, Output};

use api::authentication::scope::Scope;
use local_services::testing::{empty_database, eventually};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::support::process::Process;
use crate::support::{API_ROLE, Service, config, database, login};

/// Runs `taskoverflow-api` with `arguments`.
fn run(database_url: &str, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_taskoverflow-api"))
        .env_clear()
        .env("DATABASE_URL", database_url)
        .args(arguments)
        .output()
        .unwrap()
}

/// Runs `taskoverflow-api tokens`, which must succeed, and returns what it prints.
fn tokens(database_url: &str, arguments: &[&str]) -> String {
    let output = run(database_url, &[&["tokens"], arguments].concat());
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test]
async fn a_token_can_be_created_listed_used_and_revoked() {
    let url = database();
    let token = tokens(&url, &["create", "laptop", "--expires", "90d"]);
    tokens(&url, &["create", "phone", "--read-only"]);
    tokens(&url, &["create", "metrics", "--operator"]);
    let service = Service::launch(&config(&url, &["--auth=tokens"]));
    service.wait_until_ready().await;
    let bearer = format!("Bearer {}", token.trim());
    assert_eq!(service.status_with("Authorization", &bearer).await, 200);

    let list = tokens(&url, &["list"]);
    assert!(!list.contains(token.trim()), "{list}");
    let rows: Vec<Vec<&str>> = list
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(rows[0], ["NAME", "SCOPE", "CREATED", "EXPIRES"]);
    let scopes: Vec<_> = rows[1..].iter().map(|row| (row[0], row[1])).collect();
    assert_eq!(
        scopes,
        [
            ("laptop", "full"),
            ("metrics", "operator"),
            ("phone", "read-only")
        ]
    );

    tokens(&url, &["revoke", "laptop"]);
    eventually("the token is refused", async || {
        service.status_with("Authorization", &bearer).await == 401
    })
    .await;
    assert!(!tokens(&url, &["list"]).contains("laptop"));
}

#[tokio::test]
async fn a_token_that_was_generated_elsewhere_is_stored_by_its_hash_and_printed_nowhere() {
    let url = database();
    let service = Service::launch(&config(&url, &["--auth=tokens"]));
    service.wait_until_ready().await;
    let token = format!("taskoverflow_{}", "0123456789abcdef0123".repeat(2));
    let hash = hex::encode(Sha256::digest(&token));
    let output = run(&url, &["tokens", "create", "ci", "--sha256", &hash]);
    assert!(
        output.status.success() && output.stdout.is_empty(),
        "{output:?}"
    );
    let bearer = format!("Bearer {token}");
    assert_eq!(service.status_with("Authorization", &bearer).await, 200);
}

#[test]
fn a_token_can_be_created_before_the_api_starts_for_the_first_time() {
    let url = empty_database();
    assert!(tokens(&url, &["create", "first"]).starts_with("taskoverflow_"));
    let url = empty_database();
    let output = run(&url, &["tokens", "--migrate=false", "create", "first"]);
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(
        text.contains("the database schema is not up to date"),
        "{text}"
    );
}

#[test]
fn a_command_that_can_do_nothing_fails_and_says_why() {
    let url = database();
    tokens(&url, &["create", "laptop"]);
    for (arguments, code, words) in [
        (
            &["create", "laptop"][..],
            1,
            "there is already a token with this name",
        ),
        (&["revoke", "phone"], 1, "there is no token named phone"),
        (&["create", "a b"], 2, "letters, digits"),
        (
            &["create", "a", "--read-only", "--operator"],
            2,
            "cannot be used with",
        ),
        (
            &["create", "a", "--expires", "soon"],
            2,
            "must be a number with a unit",
        ),
        (
            &["create", "a", "--expires", "178000000years"],
            2,
            "must be at most ten years",
        ),
        (
            &["create", "a", "--sha256", "12"],
            2,
            "64 hexadecimal digits",
        ),
    ] {
        let output = run(&url, &[&["tokens"], arguments].concat());
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {text}");
        assert!(text.contains(words), "{arguments:?}: {text}");
    }
}

#[test]
fn only_the_owner_of_the_tables_may_create_and_revoke_tokens() {
    let owner = database();
    tokens(&owner, &["create", "laptop"]);
    let api = login(&owner, API_ROLE, API_ROLE);
    for arguments in [&["create", "mine"], &["revoke", "laptop"]] {
        let output = run(&api, &[&["tokens"], &arguments[..]].concat());
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(
            text.contains("use the login of the tables' owner"),
            "{text}"
        );
    }
    assert!(tokens(&api, &["list"]).contains("laptop"));
}

#[test]
fn an_api_that_others_can_reach_does_not_start_until_it_is_told_whether_to_use_tokens() {
    let url = database();
    for (flag, setting) in [
        ("--bind-addr=0.0.0.0:0", "BIND_ADDR 0.0.0.0:0"),
        ("--public-url=https://todo.example.org", "PUBLIC_URL"),
        ("--trust-proxy", "TRUST_PROXY"),
        ("--allowed-hosts=todo.example.org", "ALLOWED_HOSTS"),
    ] {
        let output = run(&url, &["--queue-url=postgres:", flag]);
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{text}");
        for words in [setting, "AUTH=tokens", "tokens create NAME", "AUTH=off"] {
            assert!(text.contains(words), "{words} is not in\n{text}");
        }
    }
    for mode in ["tokens", "off"] {
        let settings = [
            ("BIND_ADDR", "0.0.0.0:0"),
            ("AUTH", mode),
            ("DATABASE_URL", &url),
        ];
        Process::start(&settings, "ready");
    }
}

#[tokio::test]
async fn no_secret_appears_in_the_log() {
    let service = Service::start_with_tokens().await;
    let token = service.token(Scope::ReadOnly).await;
    let url = service.database_url.clone();
    let mut process = Process::start(
        &[
            ("DATABASE_URL", &url),
            ("AUTH", "tokens"),
            ("RUST_LOG", "debug"),
        ],
        "ready",
    );
    let client = reqwest::Client::new();
    let address = format!("{}/api/v1", process.url);
    let signed_in = client
        .post(format!("{address}/session"))
        .json(&json!({ "token": token }))
        .send()
        .await
        .unwrap();
    let cookie = signed_in.headers()["set-cookie"]
        .to_str()
        .unwrap()
        .to_owned();
    let cookie = cookie.split(';').next().unwrap();
    for (header, value) in [
        ("Authorization", format!("Bearer {token}")),
        ("Authorization", format!("Bearer {token}x")),
        ("Cookie", cookie.to_owned()),
    ] {
        for method in [reqwest::Method::GET, reqwest::Method::POST] {
            let request = client.request(method, format!("{address}/todos"));
            request.header(header, &value).send().await.unwrap();
        }
    }
    let last = client
        .get(format!("{address}/todos"))
        .header("X-Request-Id", "last");
    last.bearer_auth(&token).send().await.unwrap();
    let secrets = [
        token.trim_start_matches("taskoverflow_"),
        cookie.split_once('=').unwrap().1,
    ];
    loop {
        let line: Value = process.next_line();
        let text = line.to_string();
        assert!(
            secrets.iter().all(|secret| !text.contains(secret)),
            "{text}"
        );
        if line["request.id"] == "last" {
            assert_eq!(line["auth.token"], "read-only");
            return;
        }
    }
}

#[tokio::test]
async fn refusals_sign_ins_and_calls_of_operators_are_logged_and_other_requests_are_not() {
    let service = Service::start_with_tokens().await;
    let full = service.token(Scope::Full).await;
    let operator = service.token(Scope::Operator).await;
    let url = service.database_url.clone();
    let settings = [("DATABASE_URL", url.as_str()), ("AUTH", "tokens")];
    let mut process = Process::start(&settings, "ready");
    let client = reqwest::Client::new();
    let todos = format!("{}/api/v1/todos", process.url);
    let session = format!("{}/api/v1/session", process.url);
    let metrics = format!("{}/metrics", process.url);
    for (id, request) in [
        ("quiet", client.get(&todos).bearer_auth(&full)),
        ("missing", client.get(&todos)),
        ("invalid", client.get(&todos).bearer_auth("guess")),
        ("forbidden", client.get(&metrics).bearer_auth(&full)),
        (
            "sign-in",
            client.post(session).json(&json!({ "token": full })),
        ),
        ("operator", client.get(&metrics).bearer_auth(&operator)),
    ] {
        request.header("X-Request-Id", id).send().await.unwrap();
    }
    let mut logged = Vec::new();
    while logged.last().is_none_or(|(id, _, _)| id != "operator") {
        let line = process.next_line();
        if let Some(id) = line["request.id"].as_str() {
            let token = line["auth.token"].as_str().unwrap().to_owned();
            logged.push((id.to_owned(), line["http.status"].as_u64().unwrap(), token));
        }
    }
    let logged = logged
        .iter()
        .map(|(id, status, token)| (id.as_str(), *status, token.as_str()));
    let expected = [
        ("missing", 401, ""),
        ("invalid", 401, ""),
        ("forbidden", 403, "full"),
        ("sign-in", 204, "full"),
        ("operator", 200, "operator"),
    ];
    assert_eq!(logged.collect::<Vec<_>>(), expected);
}
