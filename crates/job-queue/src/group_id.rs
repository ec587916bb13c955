//! The name of a message group.

use std::str::FromStr;

/// The name of a message group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupId(String);

impl GroupId {
    /// Returns the name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A text that SQS does not accept as the name of a message group.
#[derive(Debug, thiserror::Error)]
#[error("the name of a message group has 1 to 128 printable ASCII characters and no spaces")]
pub struct InvalidGroupId;

impl FromStr for GroupId {
    type Err = InvalidGroupId;

    fn from_str(name: &str) -> Result<Self, InvalidGroupId> {
        if sqs_client::limits::is_valid_id(name) {
            Ok(Self(name.to_owned()))
        } else {
            Err(InvalidGroupId)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_sqs_would_not_accept_is_refused() {
        assert_eq!("all".parse::<GroupId>().unwrap().as_str(), "all");
        for name in ["", "a b", "ä"] {
            assert!(name.parse::<GroupId>().is_err(), "{name:?}");
        }
    }
}
