//! What does not suit in the settings of a queue.

use std::time::Duration;

use super::arguments::{Arguments, DeadLetters};
use super::queue::Looked;
use super::session::Sessions;
use crate::error::QueueError;
use crate::findings::Findings;
use crate::subscription::WorkerNeeds;

/// How long RabbitMQ waits for a settlement, unless its setting `consumer_timeout` says otherwise. After that it closes
/// the channel: <https://www.rabbitmq.com/docs/consumers#acknowledgement-timeout>.
const CONSUMER_TIMEOUT: Duration = Duration::from_mins(30);

/// Each restart of a worker returns what it had in flight, so a low limit moves readable messages to the dead letters.
const MIN_DELIVERY_LIMIT: i64 = 5;

/// Arguments that make RabbitMQ drop messages or the whole queue, and what they do.
const DROPPING: [(&str, &str); 4] = [
    ("x-message-ttl", "removes messages that wait too long"),
    ("x-expires", "is deleted if nobody uses it for a while"),
    (
        "x-max-length",
        "drops or refuses messages if it has too many",
    ),
    (
        "x-max-length-bytes",
        "drops or refuses messages if it has too many",
    ),
];

/// Looks at a queue. `worker` is `None` for a publisher.
///
/// # Errors
/// Returns an error if RabbitMQ does not answer.
pub(super) async fn queue(
    sessions: &Sessions,
    queue: &str,
    worker: Option<WorkerNeeds>,
) -> Result<Findings, QueueError> {
    let looking = async {
        let session = sessions.get().await?;
        let looked = session.arguments(queue).await?;
        Ok(findings(queue, looked, worker))
    };
    match looking.await {
        Err(QueueError::Refused(reason)) => Ok(Findings {
            unusable: vec![reason],
            warnings: Vec::new(),
        }),
        looked => looked,
    }
}

fn findings(queue: &str, looked: &Looked, worker: Option<WorkerNeeds>) -> Findings {
    let mut findings = Findings::default();
    match looked {
        Looked::NotQuorum(answer) => findings.unusable.push(format!(
            "the queue {queue} is no quorum queue, so RabbitMQ may lose its messages ({answer}): delete it, and create it again as a quorum queue"
        )),
        Looked::Unknown(answer) => findings.warnings.push(format!(
            "can't tell the settings of the queue {queue} ({answer}); it has to be a quorum queue"
        )),
        Looked::Arguments(arguments) => findings.warnings = warnings(queue, arguments, worker),
    }
    findings
}

fn warnings(queue: &str, arguments: &Arguments, worker: Option<WorkerNeeds>) -> Vec<String> {
    let mut warnings = Vec::new();
    match arguments.dead_letters(queue) {
        DeadLetters::None => warnings.push(format!(
            "the queue {queue} has no x-dead-letter-exchange: messages that can't be read are moved to the queue \
             {queue}.dead if it exists, and dropped otherwise; RabbitMQ drops those that were returned too often"
        )),
        DeadLetters::Exchange(exchange) => warnings.push(format!(
            "the dead letters of the queue {queue} go to the exchange {exchange}, so they can't be counted"
        )),
        DeadLetters::Queue(_) => {}
    }
    for (name, effect) in DROPPING {
        if arguments.has(name) {
            warnings.push(format!("the queue {queue} has {name}: it {effect}"));
        }
    }
    let limit = arguments.number("x-delivery-limit");
    if let Some(limit) = limit.filter(|limit| (0..MIN_DELIVERY_LIMIT).contains(limit)) {
        warnings.push(format!(
            "the queue {queue} has x-delivery-limit {limit}: restarts of workers may move its messages to the dead letters"
        ));
    }
    if let Some(worker) = worker {
        warnings.extend(timeout(queue, arguments, worker.job_timeout));
    }
    warnings
}

/// Compares the time that a job may take with the time that RabbitMQ waits for its message to be settled.
fn timeout(queue: &str, arguments: &Arguments, job_timeout: Duration) -> Option<String> {
    let milliseconds = arguments.number("x-consumer-timeout");
    let milliseconds = milliseconds.and_then(|number| u64::try_from(number).ok());
    let (limit, whose) = match milliseconds {
        Some(milliseconds) => (
            Duration::from_millis(milliseconds),
            "x-consumer-timeout of the queue",
        ),
        None => (
            CONSUMER_TIMEOUT,
            "consumer_timeout of RabbitMQ, 30 minutes by default,",
        ),
    };
    (job_timeout >= limit).then(|| {
        format!(
            "JOB_TIMEOUT is {} s, but the {whose} is {} s: RabbitMQ closes the channel of a worker that takes longer for \
             one job of the queue {queue}, and delivers its messages again",
            job_timeout.as_secs(),
            limit.as_secs()
        )
    })
}

#[cfg(test)]
mod tests {
    use lapin::types::AMQPValue;

    use super::*;
    use crate::amqp::arguments::Difference;

    const WORKER: WorkerNeeds = WorkerNeeds {
        max_attempts: 5,
        job_timeout: Duration::from_mins(2),
        slots: 8,
        workers: 1,
    };

    fn text(value: &str) -> AMQPValue {
        AMQPValue::LongString(value.into())
    }

    fn findings_of(arguments: &[(&str, AMQPValue)], worker: WorkerNeeds) -> Findings {
        let mut all = Arguments::of_quorum_queue();
        for (name, value) in arguments {
            let value = Some(value.clone());
            assert!(all.learn(Difference {
                name: (*name).to_owned(),
                value
            }));
        }
        findings("ical", &Looked::Arguments(all), Some(worker))
    }

    /// Returns the only warning about a queue with these arguments and a suitable queue for dead letters.
    fn warning(arguments: &[(&str, AMQPValue)], worker: WorkerNeeds) -> String {
        let suitable = [
            ("x-dead-letter-exchange", text("")),
            ("x-dead-letter-routing-key", text("ical.dead")),
        ];
        let found = findings_of(&[&suitable, arguments].concat(), worker);
        assert_eq!(found.unusable, [""; 0]);
        let [warning] = found.warnings.try_into().unwrap();
        warning
    }

    #[test]
    fn a_suitable_queue_gives_no_warning() {
        let arguments = [
            ("x-dead-letter-exchange", text("")),
            ("x-dead-letter-routing-key", text("ical.dead")),
            ("x-delivery-limit", AMQPValue::LongLongInt(100)),
        ];
        assert_eq!(findings_of(&arguments, WORKER), Findings::default());
    }

    #[test]
    fn what_drops_messages_is_named() {
        for (name, value) in [
            ("x-message-ttl", 60_000),
            ("x-expires", 60_000),
            ("x-max-length", 10),
            ("x-max-length-bytes", 1_000),
            ("x-delivery-limit", 2),
        ] {
            let warning = warning(&[(name, AMQPValue::LongLongInt(value))], WORKER);
            assert!(warning.contains(name), "{warning}");
        }
        let no_exchange = findings_of(&[], WORKER).warnings.concat();
        assert!(
            no_exchange.contains("x-dead-letter-exchange"),
            "{no_exchange}"
        );
        let exchange = findings_of(&[("x-dead-letter-exchange", text("dlx"))], WORKER);
        assert!(
            exchange.warnings.concat().contains("exchange dlx"),
            "{exchange:?}"
        );
    }

    #[test]
    fn a_job_may_not_take_as_long_as_rabbitmq_waits_for_its_settlement() {
        let half_an_hour = WorkerNeeds {
            job_timeout: Duration::from_mins(30),
            ..WORKER
        };
        assert!(warning(&[], half_an_hour).contains("JOB_TIMEOUT is 1800 s"));
        let short = ("x-consumer-timeout", AMQPValue::LongLongInt(60_000));
        let found = warning(&[short], WORKER);
        assert!(
            found.contains("x-consumer-timeout of the queue is 60 s"),
            "{found}"
        );
    }

    #[test]
    fn a_queue_of_another_type_is_unusable_and_unknown_settings_are_not() {
        let other = findings("ical", &Looked::NotQuorum("it is classic".to_owned()), None);
        assert!(
            other.unusable.concat().contains("no quorum queue"),
            "{other:?}"
        );
        let unknown = findings("ical", &Looked::Unknown("forbidden".to_owned()), None);
        assert_eq!(unknown.unusable, [""; 0]);
        assert!(
            unknown.warnings.concat().contains("forbidden"),
            "{unknown:?}"
        );
    }
}
