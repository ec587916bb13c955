//! The kinds of brokers, and what their URLs have.

use std::fmt;

use super::parts::is_name;

/// A kind of broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BrokerKind {
    /// Redis, with streams.
    Redis,
    /// RabbitMQ, with AMQP 0-9-1.
    RabbitMq,
    /// ActiveMQ Classic, with STOMP.
    ActiveMq,
    /// Kafka.
    Kafka,
}

impl BrokerKind {
    /// All kinds.
    pub const ALL: [Self; 4] = [Self::Redis, Self::RabbitMq, Self::ActiveMq, Self::Kafka];

    /// Returns the scheme of its URLs.
    pub fn scheme(self, is_tls: bool) -> &'static str {
        let (plain, tls) = match self {
            Self::Redis => ("redis", "rediss"),
            Self::RabbitMq => ("amqp", "amqps"),
            Self::ActiveMq => ("stomp", "stomp+ssl"),
            Self::Kafka => ("kafka", "kafka+ssl"),
        };
        if is_tls { tls } else { plain }
    }

    /// Returns the kind with this scheme, and whether it means TLS.
    pub fn of_scheme(scheme: &str) -> Option<(Self, bool)> {
        let kinds = Self::ALL.into_iter();
        let mut pairs = kinds.flat_map(|kind| [(kind, false), (kind, true)]);
        pairs.find(|(kind, is_tls)| kind.scheme(*is_tls) == scheme)
    }

    /// Returns the port if the URL contains none.
    pub fn port(self, is_tls: bool) -> u16 {
        match (self, is_tls) {
            (Self::Redis, _) => 6379,
            (Self::RabbitMq, false) => 5672,
            (Self::RabbitMq, true) => 5671,
            (Self::ActiveMq, false) => 61613,
            (Self::ActiveMq, true) => 61614,
            (Self::Kafka, _) => 9092,
        }
    }

    /// Returns the form of its URLs.
    pub fn form(self) -> &'static str {
        match self {
            Self::Redis => "redis://USER:PASSWORD@HOST:6379/STREAM?db=NUMBER",
            Self::RabbitMq => "amqp://USER:PASSWORD@HOST:5672/VHOST/QUEUE",
            Self::ActiveMq => "stomp://USER:PASSWORD@HOST:61613,HOST:61613/QUEUE",
            Self::Kafka => {
                "kafka://USER:PASSWORD@HOST:9092,HOST:9092/TOPIC?group=NAME&sasl=PLAIN (or SCRAM-SHA-256, SCRAM-SHA-512)"
            }
        }
    }

    /// Returns whether its URLs may have several hosts. Kafka's clients find all others from any of them; of an active
    /// ActiveMQ and those that replace it, only the active one can be connected to.
    pub fn has_many_hosts(self) -> bool {
        matches!(self, Self::ActiveMq | Self::Kafka)
    }

    /// Returns the names of the options that its URLs may have.
    pub fn options(self) -> &'static [&'static str] {
        match self {
            Self::Redis => &["db"],
            Self::RabbitMq | Self::ActiveMq => &[],
            Self::Kafka => &["group", "sasl"],
        }
    }

    /// Returns whether its URLs may have this option with this value.
    pub(super) fn accepts(self, option: &str, value: &str) -> bool {
        self.options().contains(&option)
            && match option {
                "db" => value
                    .parse::<u16>()
                    .is_ok_and(|number| number.to_string() == value),
                "sasl" => ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"].contains(&value),
                _ => is_name(value),
            }
    }

    /// Returns the feature with which a program has to be built for it, or `None` if every program can use it.
    pub fn feature(self) -> Option<&'static str> {
        match self {
            Self::Redis => Some("redis"),
            Self::RabbitMq => Some("amqp"),
            Self::ActiveMq => None,
            Self::Kafka => Some("kafka"),
        }
    }

    /// Returns the name of the system in spans:
    /// <https://opentelemetry.io/docs/specs/semconv/registry/attributes/messaging/>
    pub fn in_traces(self) -> &'static str {
        match self {
            Self::Redis => "redis",
            Self::RabbitMq => "rabbitmq",
            Self::ActiveMq => "activemq",
            Self::Kafka => "kafka",
        }
    }
}

impl fmt::Display for BrokerKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Redis => "Redis",
            Self::RabbitMq => "RabbitMQ",
            Self::ActiveMq => "ActiveMQ",
            Self::Kafka => "Kafka",
        })
    }
}
