//! Completion events to an SNS topic.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use diesel::prelude::*;
use local_services::sqs::LocalSqs;
use local_services::testing::eventually;
use shared_model::database::{DatabaseError, Pool};
use shared_model::schema::event_deliveries::dsl;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::support::process::Process;
use crate::support::{config, database, execute, pool};

/// Passes on what a client sends to the local endpoint, and records it.
#[derive(Debug, Clone)]
struct Recorder {
    address: SocketAddr,
    /// What came through each connection.
    recorded: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Recorder {
    async fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let recorder = Self {
            address: listener.local_addr().unwrap(),
            recorded: Arc::default(),
        };
        let accepting = recorder.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let recorder = accepting.clone();
                tokio::spawn(async move { recorder.pass_on(client).await });
            }
        });
        recorder
    }

    async fn pass_on(&self, mut client: TcpStream) -> std::io::Result<()> {
        let upstream = LocalSqs::shared().endpoint_url();
        let upstream = upstream.strip_prefix("http://").unwrap();
        let mut upstream = TcpStream::connect(upstream).await?;
        let (mut requests, mut to_client) = client.split();
        let (mut answers, mut to_upstream) = upstream.split();
        let connection = {
            let mut recorded = self.recorded.lock().unwrap();
            recorded.push(Vec::new());
            recorded.len() - 1
        };
        let record = async {
            let mut chunk = vec![0; 64 * 1024];
            loop {
                let read = requests.read(&mut chunk).await?;
                if read == 0 {
                    return to_upstream.shutdown().await;
                }
                let read = &chunk[..read];
                self.recorded.lock().unwrap()[connection].extend_from_slice(read);
                to_upstream.write_all(read).await?;
            }
        };
        tokio::try_join!(record, tokio::io::copy(&mut answers, &mut to_client))?;
        Ok(())
    }

    /// Returns how many requests for an action have passed.
    fn count(&self, action: &str) -> usize {
        let recorded = self.recorded.lock().unwrap();
        let wanted = format!("Action={action}&");
        let windows = recorded.iter().flat_map(|sent| sent.windows(wanted.len()));
        windows.filter(|one| *one == wanted.as_bytes()).count()
    }
}

async fn create_topic(name: &str) {
    let create = reqwest::Client::new()
        .post(LocalSqs::shared().endpoint_url())
        .header("content-type", "application/x-www-form-urlencoded")
        .body(format!("Action=CreateTopic&Version=2010-03-31&Name={name}"));
    let response = create.send().await.unwrap();
    assert_eq!(response.status(), 200);
}

/// Stores events of as many jobs, as if these had ended. The error of the one with the number `long` is too long for SNS.
async fn store_events(pool: &Pool, count: u32, long: u32) {
    let sql = format!(
        "INSERT INTO event_deliveries (job_id, event_id, destination, event)
         SELECT id, id || '_1', 'sns', jsonb_build_object(
             'task_id', id, 'task_status', 'FAILURE', 'attempt', 1, 'created_at', now(), 'finished_at', now(),
             'expires_at', now(), 'error', jsonb_build_object(
                 'code', 'x', 'detail', repeat('x', CASE WHEN n = {long} THEN 300000 ELSE 10 END)))
         FROM (SELECT gen_random_uuid() AS id, n FROM generate_series(1, {count}) AS n) AS job"
    );
    execute(pool, sql).await;
}

/// Starts an API that publishes the events in the database to a topic, through the recorder.
fn publish_to(topic: &str, database_url: &str, recorder: &Recorder) -> Process {
    let environment = LocalSqs::shared().environment();
    let mut settings: Vec<_> = environment
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    let (address, endpoint) = (
        format!("sns://{topic}"),
        format!("http://{}", recorder.address),
    );
    settings.extend([
        ("DATABASE_URL", database_url),
        ("EVENTS_URL", address.as_str()),
        ("AWS_ENDPOINT_URL_SNS", endpoint.as_str()),
    ]);
    Process::start(&settings, "ready")
}

/// Returns how many attempts were made for each event that is left, and why the last one failed.
async fn left(pool: &Pool) -> Vec<(i32, Option<String>)> {
    let query = |connection: &mut PgConnection| {
        let columns = dsl::event_deliveries.select((dsl::attempts, dsl::last_error));
        Ok::<_, DatabaseError>(columns.load(connection)?)
    };
    pool.run(query).await.unwrap()
}

#[tokio::test]
#[ignore = "needs python3 with venv"]
async fn ten_events_are_published_in_one_request() {
    let (url, recorder) = (database(), Recorder::start().await);
    let pool = pool(&config(&url, &[]));
    create_topic("tens").await;
    store_events(&pool, 31, 0).await;
    let _api = publish_to("tens", &url, &recorder);
    eventually("all events are published", async || {
        left(&pool).await.is_empty()
    })
    .await;
    // the first event is alone, because it is not known yet whether the topic accepts any
    assert_eq!(recorder.count("PublishBatch"), 1 + 3);
}

#[tokio::test]
#[ignore = "needs python3 with venv"]
async fn an_event_that_the_topic_refuses_is_tried_again_and_the_others_are_delivered() {
    let (url, recorder) = (database(), Recorder::start().await);
    let pool = pool(&config(&url, &[]));
    create_topic("strict").await;
    store_events(&pool, 11, 5).await;
    let _api = publish_to("strict", &url, &recorder);
    eventually("only the refused event is left", async || {
        let left = left(&pool).await;
        matches!(left.as_slice(), [(2.., Some(reason))] if reason.contains("too long"))
    })
    .await;
}

#[tokio::test]
#[ignore = "needs python3 with venv"]
async fn a_process_without_webhooks_leaves_their_events_alone() {
    let (url, recorder) = (database(), Recorder::start().await);
    let pool = pool(&config(&url, &[]));
    create_topic("only").await;
    let store = "INSERT INTO event_deliveries (job_id, event_id, destination, event)
                 SELECT gen_random_uuid(), '1', destination, '{}'
                 FROM unnest(ARRAY['own:https://127.0.0.1:1/', 'https://127.0.0.1:1/']) AS destination";
    execute(&pool, store).await;
    store_events(&pool, 11, 0).await;
    let _api = publish_to("only", &url, &recorder);
    eventually("all events for the topic are published", async || {
        left(&pool).await.len() == 2
    })
    .await;
    assert_eq!(left(&pool).await, [(0, None), (0, None)]);
}
