//! The `AUTH` setting.

use std::net::SocketAddr;

/// Whether the API requires tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum AuthMode {
    /// Everyone who can reach the port may do everything
    Off,
    /// Every request needs a token, except for the health, the files of the page and the calendars of feeds
    Tokens,
}

impl AuthMode {
    /// Returns the mode of an API that listens on `address`: the one that the setting names, otherwise `Off` if only this
    /// machine can reach the address.
    ///
    /// # Errors
    /// Returns a text that says what to do if the setting is missing and other machines can reach the address.
    pub fn of(setting: Option<Self>, address: SocketAddr) -> Result<Self, String> {
        match setting {
            Some(mode) => Ok(mode),
            None if address.ip().to_canonical().is_loopback() => Ok(Self::Off),
            None => Err(format!(
                "AUTH: not set, but other machines can reach BIND_ADDR {address}. Set AUTH=tokens and create a token with \
                 `taskoverflow-api tokens create NAME`; or set AUTH=off to let everyone who can reach the port read, change \
                 and delete all todos"
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(setting: Option<AuthMode>, address: &str) -> Result<AuthMode, String> {
        AuthMode::of(setting, address.parse().unwrap())
    }

    #[test]
    fn only_a_loopback_address_is_open_by_default() {
        for address in [
            "127.0.0.1:6400",
            "127.8.0.1:1",
            "[::1]:6400",
            "[::ffff:127.0.0.1]:1",
        ] {
            assert_eq!(of(None, address), Ok(AuthMode::Off), "{address}");
        }
        for address in [
            "0.0.0.0:6400",
            "[::]:6400",
            "10.0.0.1:6400",
            "[::ffff:10.0.0.1]:1",
        ] {
            let problem = of(None, address).unwrap_err();
            assert!(
                problem.contains("AUTH=tokens") && problem.contains("AUTH=off"),
                "{problem}"
            );
            for mode in [AuthMode::Off, AuthMode::Tokens] {
                assert_eq!(of(Some(mode), address), Ok(mode), "{address}");
            }
        }
    }
}
