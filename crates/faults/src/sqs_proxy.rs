//! A proxy in front of an SQS endpoint. It injects faults into chosen calls, such as network failures and overload.
//!
//! It speaks [SQS's JSON protocol](https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-json-api.html)
//! on a port of 127.0.0.1 and forwards the calls that no rule matches.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use local_services::testing::TIMEOUT;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

mod batch;
mod exchange;
mod rule;

pub use rule::{Entries, EntryError, Fault, Refusal, Rule};

/// The actions that TaskOverflow uses.
pub mod action {
    /// Sends up to ten messages.
    pub const SEND: &str = "SendMessageBatch";
    /// Receives up to ten messages.
    pub const RECEIVE: &str = "ReceiveMessage";
    /// Deletes up to ten messages.
    pub const DELETE: &str = "DeleteMessageBatch";
    /// Extends or releases up to ten messages.
    pub const CHANGE_VISIBILITY: &str = "ChangeMessageVisibilityBatch";
}

/// How many calls are recorded: more than any test makes, and few enough for the memory of a long soak.
const MAX_CALLS: usize = 20_000;

/// How far a call has got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// The proxy has received it.
    Arrived,
    /// SQS has answered it.
    Applied,
    /// The proxy has answered it or closed the connection.
    Over,
}

/// A call.
#[derive(Debug, Clone)]
pub struct Call {
    /// When the call arrived.
    pub at: Instant,
    /// The action, such as `ReceiveMessage`. For a dead-letter queue, `dead letters: ReceiveMessage`.
    pub action: String,
    /// The message bodies or receipt handles of a batch, in order.
    pub entries: Vec<String>,
    /// The injected fault, if any.
    pub fault: Option<Fault>,
    /// How far the call has got.
    pub stage: Stage,
    /// The received messages: the id of each, and how many times it has been received.
    pub received: Vec<(String, u32)>,
}

/// The proxy. Dropping it closes every connection.
#[derive(Debug)]
pub struct SqsProxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    _accepting: AbortOnDropHandle<()>,
}

#[derive(Debug)]
struct Shared {
    upstream: String,
    http: reqwest::Client,
    rules: Mutex<Vec<Rule>>,
    random: Mutex<fastrand::Rng>,
    calls: watch::Sender<Vec<Call>>,
    /// How many entries have been counted to choose those that are lost.
    entries: AtomicUsize,
    /// How many times the proxy was healed.
    heals: watch::Sender<u64>,
}

impl SqsProxy {
    /// Starts a proxy without rules in front of the endpoint at `upstream`. The seed makes rules with a probability
    /// repeatable.
    ///
    /// # Errors
    /// Returns an error if no port can be opened.
    pub async fn start(upstream: &str, seed: u64) -> anyhow::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            upstream: upstream.to_owned(),
            http: reqwest::Client::builder().no_proxy().build()?,
            rules: Mutex::default(),
            random: Mutex::new(fastrand::Rng::with_seed(seed)),
            calls: watch::Sender::default(),
            entries: AtomicUsize::new(0),
            heals: watch::Sender::new(0),
        });
        let accepting = tokio::spawn(accept(listener, Arc::clone(&shared)));
        Ok(Self {
            address,
            shared,
            _accepting: AbortOnDropHandle::new(accepting),
        })
    }

    /// Returns the URL of the proxy.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Adds a rule. If several rules match a call, the first one applies.
    pub fn add(&self, rule: Rule) {
        lock(&self.shared.rules).push(rule);
    }

    /// Removes every rule, and forwards what was held.
    pub fn heal(&self) {
        lock(&self.shared.rules).clear();
        self.shared.heals.send_modify(|heals| *heals += 1);
    }

    /// Returns the calls so far, but no more than the first 20,000.
    pub fn calls(&self) -> Vec<Call> {
        self.shared.calls.borrow().clone()
    }

    /// Returns the calls of one action so far.
    pub fn calls_of(&self, action: &str) -> Vec<Call> {
        let calls = self.shared.calls.borrow();
        calls
            .iter()
            .filter(|call| call.action == action)
            .cloned()
            .collect()
    }

    /// Waits until `holds` returns true for the calls so far.
    ///
    /// # Errors
    /// Returns an error if that takes too long.
    pub async fn wait_until(
        &self,
        what: &str,
        holds: impl Fn(&[Call]) -> bool,
    ) -> anyhow::Result<()> {
        let mut calls = self.shared.calls.subscribe();
        let waiting = calls.wait_for(|calls| holds(calls));
        if tokio::time::timeout(TIMEOUT, waiting).await.is_err() {
            let calls = self.calls();
            let last = calls.iter().rev().take(10).collect::<Vec<_>>();
            anyhow::bail!("the SQS proxy did not see {what} in time; its last calls are {last:#?}")
        }
        Ok(())
    }

    /// Waits until `count` calls of `action` with an injected fault have reached `stage`.
    ///
    /// # Errors
    /// Returns an error if that takes too long.
    pub async fn wait_until_injected(
        &self,
        action: &str,
        stage: Stage,
        count: usize,
    ) -> anyhow::Result<()> {
        let reached = |calls: &[Call]| {
            let faulted = calls.iter().filter(|call| {
                call.action == action && call.fault.is_some() && call.stage >= stage
            });
            faulted.count() >= count
        };
        self.wait_until(&format!("{count} faults in {action} at {stage:?}"), reached)
            .await
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    // Dropped with this task, which closes every connection.
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        while connections.try_join_next().is_some() {}
        let shared = Arc::clone(&shared);
        connections.spawn(async move {
            let service = service_fn(move |request| exchange::serve(Arc::clone(&shared), request));
            // An error means that the connection ended, usually because of an injected fault.
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

impl Shared {
    /// Returns the fault of the first rule that applies to the call.
    fn choose(&self, action: &str) -> Option<Fault> {
        let mut random = lock(&self.random);
        let mut rules = lock(&self.rules);
        let fault = rules
            .iter_mut()
            .find_map(|rule| rule.apply(action, &mut random));
        rules.retain(|rule| !rule.is_used_up());
        fault
    }

    /// Counts one more entry of a batch, and returns its number: 1, 2, and so on.
    fn count_entry(&self) -> usize {
        self.entries.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Records a call. Returns its index, or `None` if it is not recorded because there are too many.
    fn arrived(&self, action: String, body: &[u8], fault: Option<Fault>) -> Option<usize> {
        if self.calls.borrow().len() >= MAX_CALLS {
            return None;
        }
        let call = Call {
            at: Instant::now(),
            action,
            entries: batch::entries(body),
            fault,
            stage: Stage::Arrived,
            received: Vec::new(),
        };
        let mut index = None;
        self.calls.send_modify(|calls| {
            index = Some(calls.len());
            calls.push(call);
        });
        index
    }

    fn applied(&self, call: Option<usize>, answer: &[u8]) {
        let Some(call) = call else { return };
        self.calls.send_modify(|calls| {
            if let Some(call) = calls.get_mut(call) {
                call.stage = call.stage.max(Stage::Applied);
                call.received = batch::received(answer);
            }
        });
    }

    fn reached(&self, call: Option<usize>, stage: Stage) {
        let Some(call) = call else { return };
        self.calls.send_modify(|calls| {
            if let Some(call) = calls.get_mut(call) {
                call.stage = stage;
            }
        });
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
