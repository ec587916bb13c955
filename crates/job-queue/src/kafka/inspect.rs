//! What does not suit in a topic.

use super::client::Place;
use super::dead_letters;
use super::error;
use super::lookup::{Lookup, Topic};
use crate::error::QueueError;
use crate::findings::Findings;
use crate::subscription::WorkerNeeds;

/// Looks at a topic. `worker` is `None` for a publisher.
///
/// # Errors
/// Returns an error if Kafka does not answer.
pub(super) async fn topic(
    lookup: &Lookup,
    place: &Place,
    worker: Option<WorkerNeeds>,
) -> Result<Findings, QueueError> {
    let looking = async {
        let found = lookup.topic(place.topic()).await?;
        let obstacle = lookup.obstacle(&dead_letters(place.topic())).await?;
        Ok((found, obstacle))
    };
    let (found, obstacle) = match looking.await {
        Ok(looked) => looked,
        Err(QueueError::Refused(reason)) => return Ok(unusable(reason)),
        Err(error) => return Err(error),
    };
    let name = place.topic();
    Ok(match found {
        None => unusable(format!(
            "{}: create it: {}",
            error::missing(name),
            create_command(&place.server(), name)
        )),
        Some(topic) => Findings {
            unusable: Vec::new(),
            warnings: warnings(name, &topic, obstacle, worker),
        },
    })
}

fn unusable(reason: String) -> Findings {
    Findings {
        unusable: vec![reason],
        warnings: Vec::new(),
    }
}

/// `obstacle` is why messages that can't be read can't be moved to the topic for them.
fn warnings(
    name: &str,
    topic: &Topic,
    obstacle: Option<String>,
    worker: Option<WorkerNeeds>,
) -> Vec<String> {
    let mut warnings = Vec::new();
    if topic.replicas < 2 {
        warnings.push(format!(
            "the topic {name} has one copy of its messages, which is lost with its server: set its replication factor \
             to 3"
        ));
    }
    if let Some(obstacle) = obstacle {
        warnings.push(format!(
            "{obstacle}: a message that can't be read is logged and dropped"
        ));
    }
    let partitions = u32::try_from(topic.partitions.len()).unwrap_or(u32::MAX);
    let workers = worker.map_or(0, |worker| worker.workers);
    if workers > partitions {
        warnings.push(format!(
            "the topic {name} has {partitions} partitions and {workers} workers run: {} of them receive nothing",
            workers - partitions
        ));
    }
    warnings
}

/// Returns commands that create a topic and the topic for its dead letters.
fn create_command(server: &str, name: &str) -> String {
    let create = |name: &str, partitions| {
        format!(
            "kafka-topics.sh --bootstrap-server {server} --create --topic {name} --partitions {partitions} \
             --replication-factor 3"
        )
    };
    format!("{} && {}", create(name, 8), create(&dead_letters(name), 1))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn warnings_of(partitions: i32, replicas: usize, workers: u32, dead: bool) -> Vec<String> {
        let topic = Topic {
            partitions: (0..partitions).collect(),
            replicas,
        };
        let worker = WorkerNeeds {
            max_attempts: 5,
            job_timeout: Duration::from_mins(2),
            slots: 8,
            workers,
        };
        let obstacle = (!dead).then(|| error::missing("ical.dead"));
        warnings("ical", &topic, obstacle, Some(worker))
    }

    #[test]
    fn what_does_not_suit_in_a_topic_is_named() {
        assert_eq!(warnings_of(8, 3, 8, true), [""; 0]);
        for (found, part) in [
            (warnings_of(8, 1, 1, true), "replication factor"),
            (warnings_of(8, 3, 1, false), "no topic ical.dead"),
            (
                warnings_of(4, 3, 10, true),
                "4 partitions and 10 workers run: 6 of them",
            ),
        ] {
            let [warning] = found.try_into().unwrap();
            assert!(warning.contains(part), "{warning}");
        }
    }

    #[test]
    fn the_command_creates_both_topics() {
        let command = create_command("h:9092", "ical");
        for part in [
            "--bootstrap-server h:9092",
            "--topic ical ",
            "--topic ical.dead ",
        ] {
            assert!(command.contains(part), "{command}");
        }
    }
}
