//! What a connection to a broker needs besides its address.

use std::path::PathBuf;

use secret::Secret;

use crate::address::BrokerAddress;

/// A file that can't be read, with the setting that names it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct AccessError(String);

/// The files that a connection to a broker needs. They are read for every connection, so a changed file needs no restart.
#[derive(Debug, Clone, Default)]
pub struct BrokerAccess {
    /// `QUEUE_PASSWORD_FILE`: contains the user's password and nothing else.
    pub password_file: Option<PathBuf>,
    /// `QUEUE_CA_FILE`: contains the certificates of the authorities to trust, in PEM, instead of the system's.
    pub ca_file: Option<PathBuf>,
}

impl BrokerAccess {
    /// Returns the current password: that of the file, or else that of the address.
    ///
    /// # Errors
    /// Returns an error if the file can't be read, or if it is empty.
    pub fn password(&self, address: &BrokerAddress) -> Result<Option<Secret>, AccessError> {
        let Some(file) = &self.password_file else {
            return Ok(address.password.clone());
        };
        Secret::read(file).map(Some).map_err(|error| {
            AccessError(format!(
                "QUEUE_PASSWORD_FILE: can't read the password from {}: {error}",
                file.display()
            ))
        })
    }

    /// Returns the certificates of the authorities to trust, in PEM, or `None` if those of the system are to be trusted.
    ///
    /// # Errors
    /// Returns an error if the file can't be read.
    pub fn authorities(&self) -> Result<Option<Vec<u8>>, AccessError> {
        let read = self.ca_file.as_ref().map(|file| {
            std::fs::read(file).map_err(|error| {
                AccessError(format!(
                    "QUEUE_CA_FILE: can't read {}: {error}",
                    file.display()
                ))
            })
        });
        read.transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_password_in_the_file_replaces_that_of_the_url_and_may_change() {
        let address: BrokerAddress = "redis://me:old@h/q".parse().unwrap();
        let password = |access: &BrokerAccess| {
            let password = access.password(&address);
            password.map(|password| password.map(|password| password.expose().to_owned()))
        };
        let without = BrokerAccess::default();
        assert_eq!(password(&without), Ok(Some("old".to_owned())));

        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("password");
        let access = BrokerAccess {
            password_file: Some(file.clone()),
            ca_file: None,
        };
        let error = password(&access).unwrap_err().to_string();
        assert!(error.starts_with("QUEUE_PASSWORD_FILE:"), "{error}");
        for current in ["new", "newer"] {
            std::fs::write(&file, format!("{current}\n")).unwrap();
            assert_eq!(password(&access), Ok(Some(current.to_owned())));
        }
    }

    #[test]
    fn a_file_of_authorities_that_cannot_be_read_is_named() {
        assert_eq!(BrokerAccess::default().authorities(), Ok(None));
        let access = BrokerAccess {
            password_file: None,
            ca_file: Some("/does/not/exist".into()),
        };
        let error = access.authorities().unwrap_err().to_string();
        assert!(
            error.starts_with("QUEUE_CA_FILE:") && error.contains("/does/not/exist"),
            "{error}"
        );
    }
}
