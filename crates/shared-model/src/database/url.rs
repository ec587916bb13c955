//! A database URL, displayed without its password.

use std::fmt;
use std::str::FromStr;

use super::connector::Notation;

/// A `postgres://` URL. It is displayed without its password.
#[derive(Clone, PartialEq, Eq)]
pub struct DatabaseUrl(String);

impl DatabaseUrl {
    /// Returns the URL with its password.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Returns the URL, with its password and with those of `parameters` that it does not have yet.
    pub(super) fn with_default_parameters(&self, parameters: &[(&str, &str)]) -> String {
        let mut url = self.0.clone();
        for (name, value) in parameters {
            if self.parameter(name).is_none() {
                Notation::Url.add(&mut url, name, value);
            }
        }
        url
    }

    /// Returns the hosts to connect to, as they are written in the URL. An empty host or a path means a local socket.
    pub(super) fn hosts(&self) -> Vec<&str> {
        let given = self
            .parameter("hostaddr")
            .or_else(|| self.parameter("host"));
        if let Some(hosts) = given {
            return hosts.split(',').collect();
        }
        let (_, rest) = self.0.split_once("://").unwrap_or_default();
        let authority = rest.split(['/', '?']).next().unwrap_or_default();
        let hosts = authority
            .rsplit_once('@')
            .map_or(authority, |(_, hosts)| hosts);
        hosts.split(',').map(without_port).collect()
    }

    /// Returns the value of a parameter exactly as the URL contains it, without decoding it.
    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        let (_, query) = self.0.split_once('?')?;
        // libpq uses the last one of several with the same name
        let mut pairs = query
            .rsplit('&')
            .map(|pair| pair.split_once('=').unwrap_or((pair, "")));
        pairs.find_map(|(found, value)| (found == name).then_some(value))
    }
}

fn without_port(host: &str) -> &str {
    let address = host.strip_prefix('[').and_then(|rest| rest.split_once(']'));
    match address {
        Some((address, _)) => address,
        None => host.split(':').next().unwrap_or(host),
    }
}

/// The text is not a database URL.
#[derive(Debug, thiserror::Error)]
#[error(
    "a database URL looks like postgres://USER:PASSWORD@HOST:5432/NAME; a % in one of its parts is written as %25"
)]
pub struct InvalidDatabaseUrl;

impl FromStr for DatabaseUrl {
    type Err = InvalidDatabaseUrl;

    fn from_str(url: &str) -> Result<Self, InvalidDatabaseUrl> {
        let rest = url
            .strip_prefix("postgres://")
            .or_else(|| url.strip_prefix("postgresql://"));
        match rest {
            Some(rest)
                if !rest.is_empty() && !url.contains(char::is_whitespace) && is_decodable(url) =>
            {
                Ok(Self(url.to_owned()))
            }
            _ => Err(InvalidDatabaseUrl),
        }
    }
}

/// Returns whether libpq can decode every part of the URL. Its error would quote the part, which may be the password.
fn is_decodable(url: &str) -> bool {
    url.split('%').skip(1).all(|rest| {
        let code = rest.get(..2).unwrap_or_default();
        u8::from_str_radix(code, 16).is_ok_and(|byte| byte != 0) && !code.starts_with('+')
    })
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((scheme, rest)) = self.0.split_once("://") else {
            return f.write_str("(redacted)");
        };
        // a parameter may hold a password too
        let rest = rest.split('?').next().unwrap_or(rest);
        match rest.rsplit_once('@') {
            Some((user, host)) => {
                let user = user.split(':').next().unwrap_or(user);
                write!(f, "{scheme}://{user}:***@{host}")
            }
            None => write!(f, "{scheme}://{rest}"),
        }
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_displayed_without_its_password() {
        let url: DatabaseUrl = "postgres://me:s3cret@db:5432/todos?password=x"
            .parse()
            .unwrap();
        assert_eq!(url.to_string(), "postgres://me:***@db:5432/todos");
        assert!(!format!("{url:?}").contains("s3cret"));
    }

    #[test]
    fn the_hosts_of_a_url_are_found() {
        for (url, hosts) in [
            ("postgres://me:s3cret@db:5432/todos", &["db"][..]),
            ("postgres://db/todos", &["db"]),
            ("postgres://me:50%25@db/todos", &["db"]),
            ("postgres://db?sslmode=allow", &["db"]),
            ("postgres://me@a:1,b:2/todos", &["a", "b"]),
            ("postgres://[::1]:5432/todos", &["::1"]),
            ("postgres:///todos", &[""]),
            ("postgres:///todos?host=/run", &["/run"]),
            ("postgres://a/b?host=c&hostaddr=10.0.0.1", &["10.0.0.1"]),
        ] {
            let url: DatabaseUrl = url.parse().unwrap();
            assert_eq!(url.hosts(), hosts, "{url:?}");
        }
    }

    #[test]
    fn a_text_that_is_not_a_postgres_url_is_refused() {
        for url in [
            "",
            "postgres://",
            "mysql://a/b",
            "localhost",
            "postgres://a b",
            "postgres://me:50%off@a/b",
            "postgres://me:50%@a/b",
            "postgres://me:%+1@a/b",
            "postgres://me:%00@a/b",
        ] {
            assert!(url.parse::<DatabaseUrl>().is_err(), "{url:?}");
        }
    }
}
