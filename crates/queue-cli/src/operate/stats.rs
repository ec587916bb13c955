//! `queue stats`: the attributes of a queue.

use std::time::{Duration, SystemTime};

use aws_sdk_sqs::types::QueueAttributeName;
use serde::Serialize;
use sqs_client::QueueAttributes;
use sqs_client::limits::MAX_BATCH;

use crate::broker::{self, BrokerUrl};
use crate::cli;
use crate::error::Error;
use crate::output::Output;
use crate::queue::Queue;
use crate::report::pairs;
use crate::target::Target;
use crate::transport::ReceiveRequest;

/// The receive that looks for the oldest message.
const SAMPLE: ReceiveRequest = ReceiveRequest {
    max: MAX_BATCH,
    // a receive that waits asks all servers of SQS, and one that does not wait asks only some
    wait: Duration::from_secs(1),
    // the messages stay visible
    visibility: Some(Duration::ZERO),
};

#[derive(Debug, Serialize)]
struct Statistics {
    event: &'static str,
    queue: String,
    kind: &'static str,
    #[serde(flatten)]
    depth: Depth,
    /// Only with `--age`.
    oldest_seconds: Option<u64>,
    created_seconds_ago: Option<u64>,
    visibility_timeout_seconds: Option<u64>,
    retention_seconds: Option<u64>,
    delay_seconds: Option<u64>,
    dead_letters: Option<DeadLetters>,
}

/// Numbers of messages, which are approximate.
#[derive(Debug, Serialize)]
struct Depth {
    visible: Option<u64>,
    in_flight: Option<u64>,
    delayed: Option<u64>,
}

#[derive(Debug, Serialize)]
struct DeadLetters {
    queue: String,
    max_receive_count: u64,
    /// `None` if the credentials do not allow reading its attributes.
    #[serde(flatten)]
    depth: Option<Depth>,
}

/// Prints the attributes of a queue and of its dead-letter queue.
pub(crate) async fn stats(arguments: cli::Stats) -> Result<(), Error> {
    let mut output = Output::new(arguments.json);
    let address = match &arguments.name {
        Target::Sqs(address) => address,
        Target::Broker(_) if arguments.age => {
            return Err(Error::Setup("--age: this works only with SQS".to_owned()));
        }
        Target::Broker(url) => return of_broker(url, &mut output).await,
    };
    let mut queue = Queue::open(address).await?;
    let attributes = queue.attributes().await?;
    let oldest = if arguments.age {
        oldest(&mut queue).await?
    } else {
        None
    };
    let statistics = Statistics {
        event: "stats",
        kind: if queue.is_fifo { "FIFO" } else { "standard" },
        depth: Depth::of(&attributes),
        oldest_seconds: oldest.map(|age| age.as_secs()),
        created_seconds_ago: attributes
            .created_at()
            .and_then(age)
            .map(|age| age.as_secs()),
        visibility_timeout_seconds: attributes.number(&QueueAttributeName::VisibilityTimeout),
        retention_seconds: attributes.number(&QueueAttributeName::MessageRetentionPeriod),
        delay_seconds: attributes.number(&QueueAttributeName::DelaySeconds),
        dead_letters: dead_letters(&queue, &attributes).await,
        queue: queue.name,
    };
    output.result(|| statistics.text(arguments.age), &statistics)
}

#[derive(Debug, Serialize)]
struct BrokerStatistics<'a> {
    event: &'static str,
    queue: &'a str,
    kind: &'static str,
    visible: u64,
    /// `None` if the service does not tell it.
    in_flight: Option<u64>,
}

/// Prints what a broker tells about a queue.
async fn of_broker(url: &BrokerUrl, output: &mut Output) -> Result<(), Error> {
    let depth = broker::depth(url).await?;
    let statistics = BrokerStatistics {
        event: "stats",
        queue: url.name(),
        kind: url.kind.service(),
        visible: depth.visible,
        in_flight: depth.in_flight,
    };
    let text = || {
        let unknown = || format!("not told by {}", url.kind.service());
        let in_flight = depth
            .in_flight
            .map_or_else(unknown, |count| count.to_string());
        pairs(&[
            ("queue", format!("{} ({})", url.name(), url.kind.service())),
            ("visible", depth.visible.to_string()),
            ("in flight", in_flight),
        ])
    };
    output.result(text, &statistics)
}

async fn dead_letters(queue: &Queue, attributes: &QueueAttributes) -> Option<DeadLetters> {
    let policy = attributes.redrive_policy()?;
    let depth = async {
        let mut dead_letters = queue.by_arn(&policy.dead_letters_arn).await.ok()?;
        Some(Depth::of(&dead_letters.attributes().await.ok()?))
    };
    Some(DeadLetters {
        queue: policy.dead_letters_name().to_owned(),
        max_receive_count: policy.max_receive_count,
        depth: depth.await,
    })
}

/// Returns the age of the oldest message that one receive returns.
async fn oldest(queue: &mut Queue) -> Result<Option<Duration>, Error> {
    let messages = queue.receive(SAMPLE).await?;
    let sent = messages.iter().filter_map(|message| message.sent_at).min();
    Ok(sent.and_then(age))
}

fn age(time: SystemTime) -> Option<Duration> {
    time.elapsed().ok()
}

impl Depth {
    fn of(attributes: &QueueAttributes) -> Self {
        Self {
            visible: attributes.number(&QueueAttributeName::ApproximateNumberOfMessages),
            in_flight: attributes
                .number(&QueueAttributeName::ApproximateNumberOfMessagesNotVisible),
            delayed: attributes.number(&QueueAttributeName::ApproximateNumberOfMessagesDelayed),
        }
    }
}

impl Statistics {
    fn text(&self, with_age: bool) -> String {
        let number =
            |value: Option<u64>| value.map_or_else(|| "?".to_owned(), |value| value.to_string());
        let oldest = match (with_age, self.oldest_seconds) {
            (true, Some(seconds)) => {
                format!(
                    "sent {} ago (the oldest of up to ten messages)",
                    time(Some(seconds))
                )
            }
            (true, None) => "no message was received".to_owned(),
            (false, _) => "not reported by SQS; --age receives messages to find it".to_owned(),
        };
        let dead_letters = self.dead_letters.as_ref().map_or_else(
            || {
                "none: a message is delivered again and again until it is deleted or its retention period ends"
                    .to_owned()
            },
            DeadLetters::text,
        );
        let rows = [
            ("queue", format!("{} ({})", self.queue, self.kind)),
            ("visible", number(self.depth.visible)),
            ("in flight", number(self.depth.in_flight)),
            ("delayed", number(self.depth.delayed)),
            ("oldest", oldest),
            ("created", format!("{} ago", time(self.created_seconds_ago))),
            ("visibility", time(self.visibility_timeout_seconds)),
            ("retention", time(self.retention_seconds)),
            ("delay", time(self.delay_seconds)),
            ("dead letters", dead_letters),
        ];
        pairs(&rows)
    }
}

impl DeadLetters {
    fn text(&self) -> String {
        let Self {
            queue,
            max_receive_count,
            depth,
        } = self;
        let visible = depth.as_ref().and_then(|depth| depth.visible);
        let visible = visible.map_or_else(|| "?".to_owned(), |count| count.to_string());
        format!("{queue} after {max_receive_count} receives: {visible} visible")
    }
}

fn time(seconds: Option<u64>) -> String {
    seconds.map_or_else(
        || "?".to_owned(),
        |seconds| humantime::format_duration(Duration::from_secs(seconds)).to_string(),
    )
}
