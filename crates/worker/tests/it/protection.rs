//! The protection of the worker's task in ECS, with a stand-in for the agent of ECS.

use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use actix_web::web::{self, Data, Json};
use actix_web::{App, HttpResponse, HttpServer};
use local_services::testing::eventually;
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use shared_model::database::DatabaseError;
use shared_model::job::{CalendarRequest, JobStatus};
use shared_model::job_store::requests;

use crate::support::{Database, Worker};

/// Longer than an attempt takes that is not protected.
const LONG: (&str, &str) = ("RENDER_DELAY", "6s");

/// Returns the agent's answer to a request: the status and the body.
type Answer = fn(&Value) -> (u16, Value);

/// What an agent was asked for.
type Asked = Mutex<Vec<Value>>;

/// A stand-in for the agent, which keeps what it is asked for.
struct Agent {
    uri: String,
    asked: Arc<Asked>,
}

async fn put(asked: Data<Asked>, answer: Data<Answer>, request: Json<Value>) -> HttpResponse {
    asked.lock().unwrap().push(request.0.clone());
    let (status, body) = answer(&request);
    HttpResponse::build(status.try_into().unwrap()).json(body)
}

impl Agent {
    /// Starts it in the current runtime, with the runtime.
    fn start(answer: Answer) -> Self {
        let asked = Arc::<Asked>::default();
        let data = (Data::from(Arc::clone(&asked)), Data::new(answer));
        let server = HttpServer::new(move || {
            App::new()
                .app_data(data.0.clone())
                .app_data(data.1.clone())
                .route("/api/1/task-protection/v1/state", web::put().to(put))
        })
        .workers(1)
        .disable_signals()
        .bind("127.0.0.1:0")
        .unwrap();
        let uri = format!("http://{}/api/1", server.addrs()[0]);
        tokio::spawn(server.run());
        Self { uri, asked }
    }

    fn asked(&self) -> Vec<Value> {
        self.asked.lock().unwrap().clone()
    }
}

fn protects(request: &Value) -> (u16, Value) {
    let protection = json!({
        "ProtectionEnabled": request["ProtectionEnabled"],
        "TaskArn": "arn:aws:ecs:us-east-1:1:task/t/1",
    });
    (200, json!({ "protection": protection }))
}

/// The version before this one still has protected tasks.
fn is_blocked(_: &Value) -> (u16, Value) {
    (
        200,
        json!({ "failure": { "Reason": "DEPLOYMENT_BLOCKED" } }),
    )
}

fn denies(_: &Value) -> (u16, Value) {
    let error = json!({ "Code": "AccessDeniedException", "Message": "not authorized" });
    (400, json!({ "error": error }))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_is_protected_while_an_attempt_takes_long() {
    let database = Database::new();
    let agent = Agent::start(protects);
    let id = database.accept(CalendarRequest::default()).await;
    let settings = [
        ("RENDER_DELAY", "9m"),
        ("ECS_AGENT_URI", agent.uri.as_str()),
    ];
    let _worker = Worker::start(&database, "postgres:", &settings);
    let protected = json!({ "ProtectionEnabled": true, "ExpiresInMinutes": 11 });
    eventually("the task is protected", async || {
        agent.asked() == [protected.clone()]
    })
    .await;

    let cancelled = database
        .pool
        .run::<_, DatabaseError, _>(move |connection| requests::cancel(connection, id));
    cancelled.await.unwrap();
    let unprotected = json!({ "ProtectionEnabled": false });
    eventually("the task is no longer protected", async || {
        agent.asked() == [protected.clone(), unprotected.clone()]
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_protection_jobs_run_all_the_same() {
    // A connection to this one is established, and nobody answers.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = format!("http://{}", listener.local_addr().unwrap());
    let nobody = "http://127.0.0.1:1".to_owned();
    let mut running = Vec::new();
    for (agent, warning) in [
        (silent, "timeout"),
        (nobody, "Connection refused"),
        (Agent::start(is_blocked).uri, "DEPLOYMENT_BLOCKED"),
        (Agent::start(denies).uri, "may not protect it"),
    ] {
        let database = Database::new();
        let id = database.accept(CalendarRequest::default()).await;
        let settings = [LONG, ("ECS_AGENT_URI", agent.as_str())];
        let worker = Worker::start(&database, "postgres:", &settings);
        running.push((database, id, worker, warning));
    }
    for (database, id, worker, warning) in &mut running {
        let job = database.wait_until_ended(*id).await;
        assert_eq!((job.status, job.attempt), (JobStatus::Success, 1));
        worker.wait_for_log(warning);
        worker.signal(Signal::SIGTERM);
        assert!(worker.wait().success(), "{:#?}", worker.seen);
    }
}
