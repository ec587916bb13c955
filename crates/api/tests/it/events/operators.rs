//! What operators see of the events, and what they do with those that were given up.

use local_services::testing::eventually;
use serde_json::{Value, json};

use super::{JOBS, KEY, SECRET, accept, cancel, service_for, wait_until_none_is_left};
use crate::support::process::Process;
use crate::support::receiver::{Behaviour, Receiver};
use crate::support::{Service, database, execute, split_at};

#[tokio::test]
async fn neither_operators_nor_the_log_see_the_paths_and_queries_of_urls() {
    const MESSAGE: &str = "a completion event was not delivered";
    let (url, own, named) = (database(), Receiver::start().await, Receiver::start().await);
    for receiver in [&own, &named] {
        receiver.always(Behaviour::status("500 x"));
    }
    let (own_url, named_url) = (
        own.url().replace("hook", "secret-1"),
        named.url().replace("a=b", "secret-2"),
    );
    let mut process = Process::start(
        &[
            ("DATABASE_URL", url.as_str()),
            ("WEBHOOK_SECRET", &SECRET["--webhook-secret=".len()..]),
            ("WEBHOOK_URLS", &own_url),
            ("WEBHOOK_ALLOWED_HOSTS", &named.address()),
            ("RUST_LOG", "debug"),
        ],
        "ready",
    );
    let client = reqwest::Client::new();
    let jobs = format!("{}{JOBS}", process.url);
    let job = client
        .post(&jobs)
        .json(&json!({ "callback_url": named_url }));
    let job: Value = job.send().await.unwrap().json().await.unwrap();
    let job = job["task_id"].as_str().unwrap();
    client.delete(format!("{jobs}/{job}")).send().await.unwrap();
    let url = format!("{}/api/v1/operations/deliveries", process.url);
    let list = async || client.get(&url).send().await.unwrap().text().await.unwrap();
    eventually("both have failed", async || {
        list().await.matches("it answered 500").count() == 2
    })
    .await;
    let list = list().await;
    assert!(!list.contains("secret-"), "{list}");
    for _ in 0..2 {
        while process.next_line()["message"] != MESSAGE {
            assert!(
                !process.last_line.contains("secret-"),
                "{}",
                process.last_line
            );
        }
        assert!(!process.last_line.contains("secret-"));
    }
    for receiver in [own, named] {
        let shown = format!("\"destination\":\"http://{}/…\"", receiver.address());
        assert!(list.contains(&shown), "{list}");
    }
}

#[test]
fn help_does_not_show_the_values_of_variables_that_contain_secrets() {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_taskoverflow-api"))
        .arg("--help")
        .env("WEBHOOK_URLS", "https://a.example/token")
        .env("WEBHOOK_SECRET", &SECRET["--webhook-secret=".len()..])
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("[env: WEBHOOK_URLS]"), "{text}");
    assert!(!text.contains("a.example"), "{text}");
    assert!(!text.contains(KEY), "{text}");
}

/// Lets the service give up all events that wait.
async fn give_up(service: &Service) {
    let give_up =
        "UPDATE event_deliveries SET due_at = NULL, attempts = 36, last_error = 'it hangs'";
    execute(&service.pool, give_up).await;
}

#[tokio::test]
async fn an_event_is_given_up_when_an_attempt_fails_a_day_after_the_first() {
    let receiver = Receiver::start().await;
    let service = service_for(&[&receiver]).await;
    receiver.always(Behaviour::status("500 x"));
    let id = accept(&service, &receiver.url()).await;
    cancel(&service, id).await;
    eventually("the first attempt has failed", async || {
        service
            .count("event_deliveries WHERE last_error IS NOT NULL")
            .await
            == 1
    })
    .await;
    let age = "UPDATE event_deliveries SET first_attempt_at = first_attempt_at - interval '1 day', due_at = now()";
    execute(&service.pool, age).await;
    eventually("it is given up", async || {
        service
            .count("event_deliveries WHERE due_at IS NULL AND attempts < 10")
            .await
            == 1
    })
    .await;
}

#[tokio::test]
async fn operators_see_what_was_given_up_and_can_retry_it() {
    const DELIVERIES: &str = "/api/v1/operations/deliveries";
    let receiver = Receiver::start().await;
    let service = service_for(&[&receiver]).await;
    receiver.always(Behaviour::status("500 x"));
    let mut jobs = Vec::new();
    for _ in 0..3 {
        let id = accept(&service, &receiver.url()).await;
        cancel(&service, id).await;
        jobs.push(id.to_string());
    }
    // until then, an attempt may still be on its way
    eventually("each has failed", async || {
        service
            .count("event_deliveries WHERE last_error IS NOT NULL")
            .await
            == 3
    })
    .await;
    let waiting = service
        .get(&format!("{DELIVERIES}?state=waiting&host=127.0.0.1"))
        .await
        .json();
    assert_eq!(waiting.as_array().unwrap().len(), 3);
    assert_eq!(
        waiting[0]["last_error"],
        "it answered 500 Internal Server Error"
    );
    let id = waiting[0]["id"].as_i64().unwrap();
    let response = service
        .post(&format!("{DELIVERIES}/{id}/retry"), &json!({}))
        .await;
    assert_eq!(response.status, 409, "{}", response.text());
    assert!(response.text().contains("still tries"));

    // no attempt ends after that, because each process has one at a time to a host that fails
    receiver.always(Behaviour::status("200 OK"));
    execute(
        &service.pool,
        "UPDATE event_deliveries SET due_at = now() + interval '1 hour'",
    )
    .await;
    give_up(&service).await;
    let page = service
        .get(&format!("{DELIVERIES}?state=given-up&limit=2"))
        .await;
    let listed = page.json();
    assert_eq!(listed[0]["task_id"], jobs[2]);
    assert_eq!(
        (&listed[0]["due_at"], &listed[0]["last_error"]),
        (&Value::Null, &json!("it hangs"))
    );
    assert!(
        page.header("link")
            .unwrap()
            .contains("state=given-up&limit=2&cursor=")
    );
    assert_eq!(
        service
            .get(&format!("{DELIVERIES}?state=waiting"))
            .await
            .json(),
        json!([])
    );
    assert_eq!(
        service
            .get(&format!("{DELIVERIES}?state=lost"))
            .await
            .status,
        400
    );

    let first = listed[0]["id"].as_i64().unwrap();
    let response = service
        .post(&format!("{DELIVERIES}/{first}/retry"), &json!({}))
        .await;
    assert_eq!(
        (response.status.as_u16(), &response.json()["retried"]),
        (202, &json!(1))
    );
    for unknown in ["0", "x"] {
        let response = service
            .post(&format!("{DELIVERIES}/{unknown}/retry"), &json!({}))
            .await;
        assert_eq!(response.status, 404, "{}", response.text());
    }
    let retry = format!("{DELIVERIES}/retry");
    let other_host = service.post(&retry, &json!({"host": "example.org"})).await;
    let (other_host, _) = split_at(other_host.json());
    assert_eq!(other_host, json!({"retried": 0, "remaining": false}));
    for unclear in [json!({}), json!({"host": null})] {
        let refused = service.post(&retry, &unclear).await;
        refused.assert_problem(400, "send host, or {\"all\": true} to choose all");
    }
    let all = service.post(&retry, &json!({"all": true})).await;
    let (all, _) = split_at(all.json());
    assert_eq!(all, json!({"retried": 2, "remaining": false}));
    assert_eq!(
        service.post(&retry, &json!({"hots": "x"})).await.status,
        400
    );
    // PostgreSQL can't compare such a text
    let nul = service.get(&format!("{DELIVERIES}?host=%00")).await;
    assert_eq!(nul.status, 400, "{}", nul.text());
    wait_until_none_is_left(&service).await;
}
