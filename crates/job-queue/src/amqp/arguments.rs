//! Reads the arguments of a queue from RabbitMQ's answers. Only its HTTP interface lists them, which may be off.
//!
//! Declaring a queue that exists changes nothing. If the arguments of the declaration differ from the queue's, the answer
//! names one that differs, and its value.

use lapin::types::{AMQPValue, FieldTable};

/// The argument that names the exchange of a queue's dead letters.
const DEAD_LETTER_EXCHANGE: &str = "x-dead-letter-exchange";
const DEAD_LETTER_ROUTING_KEY: &str = "x-dead-letter-routing-key";
/// The argument that is "quorum" for a quorum queue.
const QUEUE_TYPE: &str = "x-queue-type";

/// The arguments of a queue.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Arguments(FieldTable);

/// Where RabbitMQ moves messages that a consumer rejects, or that were delivered too often.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum DeadLetters {
    /// Nowhere: it drops them.
    None,
    /// To this queue.
    Queue(String),
    /// To this exchange, which routes them to unknown queues.
    Exchange(String),
}

/// An argument that differs.
#[derive(Debug, PartialEq)]
pub(super) struct Difference {
    pub(super) name: String,
    /// The queue's value, or `None` if the queue does not have the argument.
    pub(super) value: Option<AMQPValue>,
}

impl Arguments {
    /// Returns the arguments that every suitable queue has.
    pub(super) fn of_quorum_queue() -> Self {
        let mut table = FieldTable::default();
        table.insert(QUEUE_TYPE.into(), AMQPValue::LongString("quorum".into()));
        Self(table)
    }

    /// Adds what an answer has told. Returns `false` if it tells nothing new.
    pub(super) fn learn(&mut self, difference: Difference) -> bool {
        let Some(value) = difference.value else {
            return false;
        };
        if self.0.contains_key(&difference.name) {
            return false;
        }
        self.0.insert(difference.name.into(), value);
        true
    }

    pub(super) fn table(&self) -> FieldTable {
        self.0.clone()
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// Returns a number.
    pub(super) fn number(&self, name: &str) -> Option<i64> {
        integer(self.0.inner().get(name)?)
    }

    fn text(&self, name: &str) -> Option<String> {
        let text = self.0.inner().get(name)?.as_long_string()?;
        Some(text.to_string())
    }

    /// Returns where the dead letters of this queue go.
    pub(super) fn dead_letters(&self, queue: &str) -> DeadLetters {
        match self.text(DEAD_LETTER_EXCHANGE) {
            None => DeadLetters::None,
            // The default exchange routes to the queue that the key names. Without a key, the message keeps its own.
            Some(exchange) if exchange.is_empty() => {
                let key = self.text(DEAD_LETTER_ROUTING_KEY);
                DeadLetters::Queue(key.unwrap_or_else(|| queue.to_owned()))
            }
            Some(exchange) => DeadLetters::Exchange(exchange),
        }
    }
}

impl Difference {
    /// Returns whether the queue has another type. Quorum queues are always durable, and neither exclusive nor deleted
    /// automatically.
    pub(super) fn is_of_the_type(&self) -> bool {
        self.name == QUEUE_TYPE || !self.name.starts_with("x-")
    }

    /// Parses an answer such as `inequivalent arg 'x-queue-type' for queue 'ical' in vhost '/': received none but current is
    /// the value 'quorum' of type 'longstr'`. Returns `None` if it has another form.
    pub(super) fn parse(answer: &str) -> Option<Self> {
        let (_, rest) = answer.split_once("inequivalent arg '")?;
        let (name, rest) = rest.split_once('\'')?;
        let (_, current) = rest.split_once(" but current is ")?;
        let name = name.to_owned();
        if current.starts_with("none") {
            return Some(Self { name, value: None });
        }
        let value = match current.strip_prefix("the value '") {
            Some(rest) => {
                let (value, kind) = rest.rsplit_once("' of type '")?;
                Some(parse_value(value, kind.split('\'').next()?)?)
            }
            // durable, auto_delete and exclusive are no arguments, and are shown without a type
            None => Some(AMQPValue::LongString(current.trim_matches('\'').into())),
        };
        Some(Self { name, value })
    }
}

fn parse_value(value: &str, kind: &str) -> Option<AMQPValue> {
    match kind {
        "longstr" => Some(AMQPValue::LongString(value.into())),
        "bool" => value.parse().ok().map(AMQPValue::Boolean),
        // RabbitMQ compares integers of different sizes by their values.
        _ => value.parse().ok().map(AMQPValue::LongLongInt),
    }
}

/// Returns an integer of any size.
pub(super) fn integer(value: &AMQPValue) -> Option<i64> {
    match value {
        AMQPValue::ShortShortInt(number) => Some((*number).into()),
        AMQPValue::ShortShortUInt(number) => Some((*number).into()),
        AMQPValue::ShortInt(number) => Some((*number).into()),
        AMQPValue::ShortUInt(number) => Some((*number).into()),
        AMQPValue::LongInt(number) => Some((*number).into()),
        AMQPValue::LongUInt(number) => Some((*number).into()),
        AMQPValue::LongLongInt(number) => Some(*number),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn difference(answer: &str) -> Option<(String, Option<AMQPValue>)> {
        Difference::parse(answer).map(|found| (found.name, found.value))
    }

    #[test]
    fn an_answer_names_an_argument_and_its_value() {
        let start = "PRECONDITION_FAILED - inequivalent arg";
        for (answer, name, value) in [
            (
                "'x-dead-letter-exchange' for queue 'ical' in vhost '/': received none but current is the value '' of type \
                 'longstr'",
                "x-dead-letter-exchange",
                Some(AMQPValue::LongString("".into())),
            ),
            (
                "'x-delivery-limit' for queue 'ical' in vhost '/': received none but current is the value '100' of type 'signedint'",
                "x-delivery-limit",
                Some(AMQPValue::LongLongInt(100)),
            ),
            (
                "'x-queue-type' for queue 'old' in vhost '/': received the value 'quorum' of type 'longstr' but current is none",
                "x-queue-type",
                None,
            ),
            (
                "'durable' for queue 'old' in vhost '/': received 'true' but current is 'false'",
                "durable",
                Some(AMQPValue::LongString("false".into())),
            ),
        ] {
            let found = difference(&format!("{start} {answer}"));
            assert_eq!(found, Some((name.to_owned(), value)), "{answer}");
        }
        assert_eq!(
            difference("ACCESS_REFUSED - access to queue 'ical' refused"),
            None
        );
        assert_eq!(difference(""), None);
    }

    fn learned(arguments: &[(&str, &str)]) -> Arguments {
        let mut all = Arguments::of_quorum_queue();
        for (name, value) in arguments {
            let value = Some(AMQPValue::LongString((*value).into()));
            assert!(all.learn(Difference {
                name: (*name).to_owned(),
                value
            }));
        }
        all
    }

    #[test]
    fn dead_letters_go_to_a_queue_an_exchange_or_nowhere() {
        let of = |arguments: &[_]| learned(arguments).dead_letters("ical");
        assert_eq!(of(&[]), DeadLetters::None);
        let (to_default, to_other) = ((DEAD_LETTER_EXCHANGE, ""), (DEAD_LETTER_EXCHANGE, "x"));
        let key = (DEAD_LETTER_ROUTING_KEY, "ical.dead");
        assert_eq!(
            of(&[to_default, key]),
            DeadLetters::Queue("ical.dead".to_owned())
        );
        assert_eq!(of(&[to_default]), DeadLetters::Queue("ical".to_owned()));
        assert_eq!(of(&[to_other, key]), DeadLetters::Exchange("x".to_owned()));
    }

    #[test]
    fn an_argument_is_learned_once() {
        let mut arguments = learned(&[("x-overflow", "reject-publish")]);
        assert!(arguments.has("x-overflow"));
        let again = |value| Difference {
            name: "x-overflow".to_owned(),
            value,
        };
        assert!(!arguments.learn(again(Some(AMQPValue::LongLongInt(1)))));
        assert!(!arguments.learn(again(None)));
    }
}
