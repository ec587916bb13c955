//! One queue: publishers and two subscribers, one of which is killed when half of the messages have been sent.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sqs_client::limits::MAX_BATCH;
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::Load;
use super::address::Address;
use super::plan::Contender;
use super::publisher::Publisher;
use super::record::{Arrival, Key, Record, Sending, Subscriber, arrived};
use super::subscriber::{Listener, delete, request};
use super::victim::Victim;
use crate::broker::Role;
use crate::error::Error;

/// How many messages are sent while nobody listens.
const UNATTENDED: u64 = 10;
/// How long nobody listens.
const NOBODY: Duration = Duration::from_secs(2);
/// How long messages that were sent while nobody listened are waited for.
const LATE: Duration = Duration::from_secs(30);
/// How long messages are waited for, beyond the time that redelivery may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long duplicates are waited for after everything has been completed.
const LINGER: Duration = Duration::from_millis(1500);
const TICK: Duration = Duration::from_millis(20);
/// How long the subscriber that will be killed may take to receive its last messages.
const HOLDING: Duration = Duration::from_secs(20);

/// Sends and receives, and returns what happened.
pub(super) async fn run(contender: &Contender, load: &Load) -> Result<Record, Error> {
    let name = run_name();
    let kept = unattended(contender, load, &format!("{name}-alone")).await?;
    let mut record = attended(contender, load, &name).await?;
    record.kept = kept;
    record.unattended = usize::try_from(UNATTENDED).unwrap_or_default();
    Ok(record)
}

/// Returns a text that is in no other run's messages.
fn run_name() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let seconds = since.unwrap_or_default().as_millis();
    format!("run-{}-{seconds}", std::process::id())
}

/// Sends while nobody listens, and returns how many messages arrive later at every subscriber.
async fn unattended(contender: &Contender, load: &Load, run: &str) -> Result<usize, Error> {
    let publisher = Publisher {
        address: contender.publish_to.clone(),
        run: run.to_owned(),
        number: 0,
        count: UNATTENDED,
        rate: load.rate,
        progress: Arc::default(),
    };
    publisher.publish().await?;
    sleep(NOBODY).await;
    let mut kept = Vec::new();
    for address in &contender.audiences {
        kept.push(collect(address, load, run).await?);
    }
    Ok(kept.into_iter().min().unwrap_or_default())
}

/// Receives until all messages have arrived, or none has for a while. Returns how many different ones did.
async fn collect(address: &Address, load: &Load, run: &str) -> Result<usize, Error> {
    let mut queue = address.open(Role::Subscriber).await?;
    let mut keys = HashSet::new();
    let deadline = Instant::now() + LATE;
    while (keys.len() as u64) < UNATTENDED && Instant::now() < deadline {
        let messages = queue.receive(request(MAX_BATCH, load.visibility)).await?;
        keys.extend(
            messages
                .iter()
                .filter_map(|message| arrived(message, run))
                .map(|(key, _)| key),
        );
        delete(queue.as_mut(), &messages).await?;
        if !is_stored(address) && messages.is_empty() {
            break;
        }
    }
    queue.close().await;
    Ok(keys.len())
}

/// Whether it is worth waiting for messages that were sent before.
fn is_stored(address: &Address) -> bool {
    !matches!(address, Address::Broker(url) if !url.kind.is_stored())
}

/// What is being run.
struct Scene<'a> {
    contender: &'a Contender,
    load: &'a Load,
    run: &'a str,
    arrivals: UnboundedSender<Arrival>,
    stop: CancellationToken,
    subscribers: JoinSet<Result<u64, Error>>,
}

impl Scene<'_> {
    fn listener(&self, subscriber: Subscriber, audience: usize) -> Option<Listener> {
        Some(Listener {
            address: self.contender.audiences.get(audience)?.clone(),
            run: self.run.to_owned(),
            subscriber,
            audience,
            visibility: self.load.visibility,
        })
    }

    /// Starts a subscriber of this process, and returns when it has connected.
    async fn start(&mut self, subscriber: Subscriber, audience: usize) -> Result<(), Error> {
        if let Some(listener) = self.listener(subscriber, audience) {
            let queue = listener.open().await?;
            let listening = listener.listen(queue, self.arrivals.clone(), self.stop.clone());
            self.subscribers.spawn(listening);
        }
        Ok(())
    }
}

async fn attended(contender: &Contender, load: &Load, run: &str) -> Result<Record, Error> {
    let (arrivals, mut incoming) = mpsc::unbounded_channel();
    let mut scene = Scene {
        contender,
        load,
        run,
        arrivals,
        stop: CancellationToken::new(),
        subscribers: JoinSet::new(),
    };
    let victim = scene.listener(Subscriber::A, 0);
    let victim = victim.ok_or_else(|| Error::Failed("no queue to listen to".to_owned()))?;
    let victim = Victim::start(&victim).await?;
    let last = contender.audiences.len().saturating_sub(1);
    scene.start(Subscriber::B, last).await?;
    let mut record = Record {
        audiences: contender.audiences.len(),
        ..Record::default()
    };
    let progress = Arc::new(AtomicU64::new(0));
    let mut publishers = start_publishers(&scene, &progress);
    let death = die_at_half(victim, &scene, &progress);
    // publishers and subscribers run meanwhile
    let (killed_at, calls) = timeout(HOLDING + sending_time(load), death)
        .await
        .map_err(|_elapsed| {
            Error::Failed("the subscriber to kill received nothing".to_owned())
        })??;
    record.killed_at = Some(killed_at);
    record.calls += calls;
    if contender.audiences.len() > 1 {
        scene.start(Subscriber::C, 0).await?;
    }
    while let Some(published) = publishers.join_next().await {
        let (sent, calls) = published.map_err(|error| Error::Failed(error.to_string()))??;
        record.sent.extend(sent);
        record.calls += calls;
    }
    record.sent.sort_unstable_by_key(|sending| sending.started);
    let left = contender.longest_redelivery(load.visibility) + PATIENCE;
    record.arrivals = await_arrivals(
        &mut incoming,
        &record.sent,
        record.audiences,
        left,
        &mut scene.subscribers,
    )
    .await?;
    scene.stop.cancel();
    while let Some(ended) = scene.subscribers.join_next().await {
        record.calls += ended.map_err(|error| Error::Failed(error.to_string()))??;
    }
    // what came while the subscribers stopped
    while let Ok(arrival) = incoming.try_recv() {
        record.arrivals.push(arrival);
    }
    record.arrivals.sort_by_key(|arrival| arrival.at);
    Ok(record)
}

fn start_publishers(
    scene: &Scene<'_>,
    progress: &Arc<AtomicU64>,
) -> JoinSet<Result<(Vec<Sending>, u64), Error>> {
    let load = scene.load;
    let mut publishers = JoinSet::new();
    for number in 1..=load.publishers {
        let publisher = Publisher {
            address: scene.contender.publish_to.clone(),
            run: scene.run.to_owned(),
            number,
            count: load.count,
            rate: rate_of_one(load),
            progress: Arc::clone(progress),
        };
        publishers.spawn(publisher.publish());
    }
    publishers
}

#[expect(
    clippy::cast_precision_loss,
    reason = "there are at most 16 publishers"
)]
fn rate_of_one(load: &Load) -> f64 {
    load.rate / load.publishers as f64
}

/// Returns how long sending should take.
#[expect(clippy::cast_precision_loss, reason = "no run sends 2^52 messages")]
fn sending_time(load: &Load) -> Duration {
    let seconds = load.count as f64 / rate_of_one(load);
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
}

/// Passes on what the subscriber receives. When half of the messages have been sent, lets it hold its next messages, and kills
/// it. Returns the time of its death and the number of its calls.
async fn die_at_half(
    mut victim: Victim,
    scene: &Scene<'_>,
    progress: &AtomicU64,
) -> Result<(u64, u64), Error> {
    let half = scene.load.publishers * scene.load.count / 2;
    let mut is_told = false;
    loop {
        if !is_told && progress.load(Ordering::Relaxed) >= half {
            victim.hold();
            is_told = true;
        }
        // reading a line can be interrupted without losing a part of it
        match timeout(TICK, victim.next_arrival()).await {
            Err(_elapsed) => {}
            Ok(Ok(Ok(arrival))) => {
                let _ = scene.arrivals.send(arrival);
            }
            Ok(Ok(Err(calls))) => return Ok((victim.kill().await?, calls)),
            Ok(Err(error)) => return Err(error),
        }
    }
}

/// Waits until every message has been completed by every audience and a little longer, or until nothing has come for `patience`.
/// Fails if a subscriber fails.
async fn await_arrivals(
    incoming: &mut UnboundedReceiver<Arrival>,
    sent: &[Sending],
    audiences: usize,
    patience: Duration,
    subscribers: &mut JoinSet<Result<u64, Error>>,
) -> Result<Vec<Arrival>, Error> {
    let mut missing: HashSet<(usize, Key)> = (0..audiences)
        .flat_map(|audience| sent.iter().map(move |sending| (audience, sending.key)))
        .collect();
    let mut arrivals = Vec::new();
    loop {
        let wait = if missing.is_empty() { LINGER } else { patience };
        tokio::select! {
            arrival = incoming.recv() => {
                let Some(arrival) = arrival else { break };
                if arrival.is_completed {
                    missing.remove(&(arrival.audience, arrival.key));
                }
                arrivals.push(arrival);
            }
            // a subscriber ends only if it fails
            Some(ended) = subscribers.join_next() => {
                ended.map_err(|error| Error::Failed(error.to_string()))??;
            }
            () = sleep(wait) => break,
        }
    }
    Ok(arrivals)
}
