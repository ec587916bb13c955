//! The URL of a queue of a broker: as the services write it, and with one more scheme for channels of Redis.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use broker_address::{BrokerAccess, BrokerAddress, BrokerKind, InvalidBrokerAddress};
use secret::Secret;

use crate::error::Error;

/// Which broker, and what of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    RedisStream,
    RedisPubSub,
    #[cfg(feature = "amqp")]
    RabbitMq,
    ActiveMq,
    #[cfg(feature = "kafka")]
    Kafka,
}

/// What follows the scheme of Redis for a channel.
const CHANNEL: &str = "+pubsub";

/// Where a queue of a broker is, and with which account it is used. Neither `Display` nor `Debug` shows the password.
#[derive(Debug, Clone)]
pub(crate) struct BrokerUrl {
    pub(crate) kind: Kind,
    pub(crate) address: BrokerAddress,
    pub(crate) access: BrokerAccess,
}

/// Why a text is not the URL of a queue.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InvalidBrokerUrl {
    #[error(transparent)]
    Address(#[from] InvalidBrokerAddress),
    #[error("a channel has no options; the form is redis+pubsub://USER:PASSWORD@HOST:6379/CHANNEL")]
    Channel,
    #[error("this program was built without {0}: build it with --features {feature}", feature = .0.feature().unwrap_or_default())]
    NotBuilt(BrokerKind),
}

/// Whether a text begins with the scheme of a broker.
pub(crate) fn has_scheme(text: &str) -> bool {
    let scheme = text.split_once("://").map_or("", |(scheme, _)| scheme);
    let scheme = scheme.strip_suffix(CHANNEL).unwrap_or(scheme);
    BrokerKind::of_scheme(scheme).is_some()
}

impl FromStr for BrokerUrl {
    type Err = InvalidBrokerUrl;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let server = text.split_once("://").and_then(|(scheme, rest)| {
            let scheme = scheme.strip_suffix(CHANNEL)?;
            Some(format!("{scheme}://{rest}"))
        });
        let is_channel = server.is_some();
        let address: BrokerAddress = server.as_deref().unwrap_or(text).parse()?;
        let kind = match address.kind {
            BrokerKind::Redis if is_channel && address.options.is_empty() => {
                Some(Kind::RedisPubSub)
            }
            _ if is_channel => return Err(InvalidBrokerUrl::Channel),
            BrokerKind::Redis => Some(Kind::RedisStream),
            #[cfg(feature = "amqp")]
            BrokerKind::RabbitMq => Some(Kind::RabbitMq),
            BrokerKind::ActiveMq => Some(Kind::ActiveMq),
            #[cfg(feature = "kafka")]
            BrokerKind::Kafka => Some(Kind::Kafka),
            #[cfg(not(all(feature = "amqp", feature = "kafka")))]
            _ => None,
        };
        let kind = kind.ok_or(InvalidBrokerUrl::NotBuilt(address.kind))?;
        Ok(Self {
            kind,
            address,
            access: BrokerAccess::default(),
        })
    }
}

impl BrokerUrl {
    /// Returns the name of the queue.
    pub(crate) fn name(&self) -> &str {
        &self.address.name
    }

    /// Sets the files with the password and the authorities.
    ///
    /// # Errors
    /// Returns an error if there is a file for a password, but no user in the URL.
    pub(crate) fn set_access(&mut self, access: &BrokerAccess) -> Result<(), Error> {
        let address = &self.address;
        let needs_user = address.user.is_none() && address.kind != BrokerKind::Redis;
        if access.password_file.is_some() && needs_user {
            return Err(Error::Setup(format!(
                "QUEUE_PASSWORD_FILE needs a user in the URL, which is {self}"
            )));
        }
        self.access = access.clone();
        Ok(())
    }

    /// Returns the current password, if there is one.
    pub(crate) fn password(&self) -> Result<Option<Secret>, Error> {
        Ok(self.access.password(&self.address)?)
    }

    /// Returns the certificates of the authorities to trust, or `None` if those of the system are.
    pub(crate) fn authorities(&self) -> Result<Option<Vec<u8>>, Error> {
        if !self.address.is_tls {
            return Ok(None);
        }
        Ok(self.access.authorities()?)
    }

    /// Returns how long the service may take to deliver again what a dead subscriber had, where `--visibility` does not
    /// decide that.
    pub(crate) fn longest_redelivery(&self) -> Duration {
        if self.address.kind == BrokerKind::Kafka {
            // the session of the subscriber, and twice the time in which the group is divided anew
            Duration::from_secs(18)
        } else {
            // as soon as the connection is closed, or never
            Duration::ZERO
        }
    }

    /// Returns what purging the queue does with its messages, as a verb.
    pub(crate) fn purging(&self) -> &'static str {
        if self.address.kind == BrokerKind::Kafka {
            "skip"
        } else {
            "permanently delete"
        }
    }

    /// Returns the URL of a channel at the same server.
    pub(crate) fn into_channel(mut self) -> Self {
        self.kind = Kind::RedisPubSub;
        self
    }

    /// Returns the URL with the password that it contains, for a process that this one starts.
    pub(crate) fn with_password(&self) -> String {
        self.text(&self.address.with_password())
    }

    fn text(&self, address: &str) -> String {
        if self.kind == Kind::RedisPubSub {
            return address.replacen("://", &format!("{CHANNEL}://"), 1);
        }
        address.to_owned()
    }
}

impl fmt::Display for BrokerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text(&self.address.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> BrokerUrl {
        text.parse().unwrap()
    }

    #[test]
    fn each_scheme_has_a_kind() {
        for (text, kind) in [
            ("redis://h/q", Kind::RedisStream),
            ("rediss://h/q?db=3", Kind::RedisStream),
            ("redis+pubsub://h/q", Kind::RedisPubSub),
            ("rediss+pubsub://h:1/q", Kind::RedisPubSub),
            ("stomp+ssl://a,b/q", Kind::ActiveMq),
        ] {
            let url = parse(text);
            assert_eq!(url.kind, kind, "{text}");
            assert_eq!(url.to_string(), text);
            assert!(has_scheme(text));
        }
        assert!(!has_scheme("https://h/q") && !has_scheme("demo"));
    }

    #[test]
    fn a_program_that_was_built_without_a_broker_says_how_to_build_it() {
        for (text, feature, is_built) in [
            ("amqp://h/shop/q", "amqp", cfg!(feature = "amqp")),
            ("kafka://h,i:1/q?group=g", "kafka", cfg!(feature = "kafka")),
        ] {
            match text.parse::<BrokerUrl>() {
                Ok(url) => assert_eq!((url.to_string(), is_built), (text.to_owned(), true)),
                Err(error) => {
                    let how = format!("build it with --features {feature}");
                    assert!(!is_built && error.to_string().contains(&how), "{error}");
                }
            }
        }
    }

    #[test]
    fn a_password_is_never_shown() {
        for text in [
            "redis+pubsub://me:secret%2F@h/q",
            "redis+pubsub://me:+pubsub%3Asecret@h/q",
            "stomp://me:secret@[::1]:7/q",
        ] {
            let url = parse(text);
            assert!(!format!("{url} {url:?}").contains("secret"), "{url}");
            assert!(url.to_string().contains(":***@"), "{url}");
            let again = parse(&url.with_password());
            assert_eq!((again.kind, again.address), (url.kind, url.address));
        }
    }

    #[test]
    fn what_is_not_a_url_of_a_queue_is_refused() {
        for (text, reason) in [
            ("http://h/q", "begins with redis://"),
            ("redis://h", "redis://USER:PASSWORD@HOST:6379/STREAM"),
            ("redis+pubsub://h/q?db=1", "redis+pubsub://"),
            ("stomp+pubsub://h/q", "redis+pubsub://"),
            ("kafka://h", "kafka://USER:PASSWORD@HOST:9092"),
        ] {
            let error = text.parse::<BrokerUrl>().unwrap_err().to_string();
            assert!(error.contains(reason), "{text}: {error}");
        }
    }

    #[test]
    fn a_file_replaces_the_password_of_a_user() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("password");
        std::fs::write(&file, "new\n").unwrap();
        let access = BrokerAccess {
            password_file: Some(file),
            ca_file: None,
        };
        let mut url = parse("stomp://me:old@h/q");
        url.set_access(&access).unwrap();
        assert_eq!(url.password().unwrap().unwrap().expose(), "new");
        assert!(parse("stomp://h/q").set_access(&access).is_err());
        assert!(parse("redis://h/q").set_access(&access).is_ok());
    }
}
