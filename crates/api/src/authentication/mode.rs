//! The `AUTH` setting.

/// Whether the API requires tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum AuthMode {
    /// Everyone who can reach the port may do everything
    Off,
    /// Every request needs a token, except for the health, the files of the page and the calendars of feeds
    Tokens,
}

impl AuthMode {
    /// Returns the mode of an API: the one that the setting names, otherwise `Off`. `exposed_by` says which other setting
    /// shows that other machines can reach the API, if one does.
    ///
    /// # Errors
    /// Returns a text that says what to do if the setting is missing and other machines can reach the API.
    pub fn of(setting: Option<Self>, exposed_by: Option<&str>) -> Result<Self, String> {
        match (setting, exposed_by) {
            (Some(mode), _) => Ok(mode),
            (None, None) => Ok(Self::Off),
            (None, Some(exposed_by)) => Err(format!(
                "AUTH: not set, but {exposed_by}. Set AUTH=tokens and create a token with `taskoverflow-api tokens create \
                 NAME`; or set AUTH=off to let everyone who can reach the API read, change and delete all todos"
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_api_that_no_other_machine_can_reach_is_open_by_default() {
        let exposed_by = "other machines can reach it";
        assert_eq!(AuthMode::of(None, None), Ok(AuthMode::Off));
        let problem = AuthMode::of(None, Some(exposed_by)).unwrap_err();
        for words in [exposed_by, "AUTH=tokens", "AUTH=off"] {
            assert!(problem.contains(words), "{problem}");
        }
        for mode in [AuthMode::Off, AuthMode::Tokens] {
            for exposed_by in [None, Some(exposed_by)] {
                assert_eq!(AuthMode::of(Some(mode), exposed_by), Ok(mode));
            }
        }
    }
}
