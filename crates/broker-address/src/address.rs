//! The address of a queue in a broker.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use secret::Secret;

use self::parts::{decoded, encoded, host_and_port, is_name};

mod kind;
mod parts;

pub use kind::BrokerKind;

/// The address of a broker and of a queue in it. It is displayed without its password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokerAddress {
    /// The kind of broker.
    pub kind: BrokerKind,
    /// Whether the connection is encrypted.
    pub is_tls: bool,
    /// The user. Only Redis has a password without one.
    pub user: Option<String>,
    /// The user's password, unless it is in a file.
    pub password: Option<Secret>,
    /// Hosts and their ports; an IPv6 address without brackets. Only Kafka and ActiveMQ may have more than one
    /// ([`BrokerKind::has_many_hosts`]).
    pub hosts: Vec<(String, u16)>,
    /// The virtual host of RabbitMQ; `/` if the URL names none.
    pub vhost: String,
    /// The name of the queue, stream or topic.
    pub name: String,
    /// What follows the question mark. Each option is one of [`BrokerKind::options`], and occurs once.
    pub options: Vec<(String, String)>,
}

/// A text that is not the address of a broker.
#[derive(Debug, thiserror::Error)]
pub enum InvalidBrokerAddress {
    /// It does not begin with the scheme of a broker.
    #[error("the URL of a broker begins with redis://, amqp://, stomp:// or kafka://")]
    Scheme,
    /// A part of it is wrong. The text of the part does not appear here: it may contain the password.
    #[error("{reason}; the form is {}", .kind.form())]
    Part {
        /// The kind of broker.
        kind: BrokerKind,
        /// What is wrong.
        reason: &'static str,
    },
}

/// The virtual host that RabbitMQ has from its installation.
const DEFAULT_VHOST: &str = "/";

impl BrokerAddress {
    /// Returns the value of an option.
    pub fn option(&self, name: &str) -> Option<&str> {
        let mut options = self.options.iter();
        options.find_map(|(found, value)| (found == name).then_some(value.as_str()))
    }

    /// Returns the first host, without brackets.
    pub fn host(&self) -> &str {
        self.hosts.first().map_or("", |(host, _)| host)
    }

    /// Returns the port of the first host.
    pub fn port(&self) -> u16 {
        self.hosts
            .first()
            .map_or_else(|| self.kind.port(self.is_tls), |(_, port)| *port)
    }

    /// Returns the address as a URL that contains the password, if it has one.
    pub fn with_password(&self) -> String {
        let password = self.password.as_ref().map(Secret::expose);
        self.url(password.map(encoded).as_deref())
    }

    /// Returns a host that is not this machine, if there is one.
    pub fn remote_host(&self) -> Option<&str> {
        let is_local = |host: &str| {
            host.eq_ignore_ascii_case("localhost")
                || host.parse::<IpAddr>().is_ok_and(|host| host.is_loopback())
        };
        let mut hosts = self.hosts.iter().map(|(host, _)| host.as_str());
        hosts.find(|host| !is_local(host))
    }

    fn url(&self, password: Option<&str>) -> String {
        let mut url = format!("{}://", self.kind.scheme(self.is_tls));
        if let Some(user) = &self.user {
            url.push_str(&encoded(user));
        }
        if let Some(password) = password {
            url.push(':');
            url.push_str(password);
        }
        if self.user.is_some() || password.is_some() {
            url.push('@');
        }
        let hosts = self.hosts.iter().map(|(host, port)| {
            let host = if host.contains(':') {
                format!("[{host}]")
            } else {
                host.clone()
            };
            if *port == self.kind.port(self.is_tls) {
                host
            } else {
                format!("{host}:{port}")
            }
        });
        url.push_str(&hosts.collect::<Vec<_>>().join(","));
        url.push('/');
        if self.vhost != DEFAULT_VHOST {
            url.push_str(&encoded(&self.vhost));
            url.push('/');
        }
        url.push_str(&self.name);
        for (number, (name, value)) in self.options.iter().enumerate() {
            url.push(if number == 0 { '?' } else { '&' });
            url.extend([name, "=", value]);
        }
        url
    }
}

impl fmt::Display for BrokerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.url(self.password.as_ref().map(|_| "***")))
    }
}

impl FromStr for BrokerAddress {
    type Err = InvalidBrokerAddress;

    fn from_str(url: &str) -> Result<Self, InvalidBrokerAddress> {
        let (scheme, rest) = url.split_once("://").ok_or(InvalidBrokerAddress::Scheme)?;
        let (kind, is_tls) = BrokerKind::of_scheme(scheme).ok_or(InvalidBrokerAddress::Scheme)?;
        let wrong = |reason| InvalidBrokerAddress::Part { kind, reason };
        let (authority, path) = rest
            .split_once('/')
            .ok_or_else(|| wrong("a slash and a name must follow the host"))?;
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let (user, password, hosts) = authority_parts(kind, is_tls, authority).map_err(wrong)?;
        let (vhost, name) = path_parts(kind, path).map_err(wrong)?;
        Ok(Self {
            kind,
            is_tls,
            user,
            password,
            hosts,
            vhost,
            name: name.to_owned(),
            options: options(kind, query).map_err(wrong)?,
        })
    }
}

type AuthorityParts = (Option<String>, Option<Secret>, Vec<(String, u16)>);

/// Parses `USER:PASSWORD@HOST:PORT,HOST`.
fn authority_parts(
    kind: BrokerKind,
    is_tls: bool,
    authority: &str,
) -> Result<AuthorityParts, &'static str> {
    let (credentials, hosts) = match authority.rsplit_once('@') {
        Some((credentials, hosts)) => (Some(credentials), hosts),
        None => (None, authority),
    };
    let (user, password) = match credentials.map(|text| text.split_once(':').unwrap_or((text, "")))
    {
        Some((user, password)) => (decoded(user)?, decoded(password)?),
        None => (String::new(), String::new()),
    };
    if user.is_empty()
        && credentials.is_some()
        && (kind != BrokerKind::Redis || password.is_empty())
    {
        return Err("a user must precede the @");
    }
    let hosts: Result<Vec<_>, _> = hosts
        .split(',')
        .map(|host| host_and_port(host, kind.port(is_tls)))
        .collect();
    let hosts = hosts?;
    if hosts.len() > 1 && !kind.has_many_hosts() {
        return Err("there must be one host");
    }
    let given = |text: String| (!text.is_empty()).then_some(text);
    Ok((given(user), given(password).map(Secret::from), hosts))
}

/// Parses `NAME`, or for RabbitMQ `VHOST/NAME`.
fn path_parts(kind: BrokerKind, path: &str) -> Result<(String, &str), &'static str> {
    let (vhost, name) = match path.split_once('/') {
        Some((vhost, name)) if kind == BrokerKind::RabbitMq => (decoded(vhost)?, name),
        _ => (DEFAULT_VHOST.to_owned(), path),
    };
    if vhost.is_empty() {
        return Err("the virtual host is empty");
    }
    if is_name(name) {
        Ok((vhost, name))
    } else {
        Err(
            "the name must have 1 to 120 letters, digits, '-', '_' and '.', and begin with a letter or a digit",
        )
    }
}

/// Parses `NAME=VALUE&NAME=VALUE`.
fn options(kind: BrokerKind, query: &str) -> Result<Vec<(String, String)>, &'static str> {
    let mut options: Vec<(String, String)> = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        if options.iter().any(|(known, _)| known == name) {
            return Err("an option occurs twice");
        }
        if !kind.accepts(name, value) {
            return Err("an option after the question mark is unknown, or has an invalid value");
        }
        options.push((name.to_owned(), value.to_owned()));
    }
    Ok(options)
}

#[cfg(test)]
mod tests;
