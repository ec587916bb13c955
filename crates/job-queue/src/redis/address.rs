//! Which server, stream and credentials.

use std::fmt;

use crate::broker_access::BrokerAccess;
use crate::broker_address::BrokerAddress;

/// A stream on a server, and how to connect to it.
#[derive(Debug)]
pub(super) struct Address {
    pub(super) address: BrokerAddress,
    pub(super) access: BrokerAccess,
}

impl Address {
    pub(super) fn new(address: &BrokerAddress, access: &BrokerAccess) -> Self {
        Self {
            address: address.clone(),
            access: access.clone(),
        }
    }

    /// Returns the name of the stream.
    pub(super) fn stream(&self) -> &str {
        &self.address.name
    }

    /// Returns the stream for messages that can't be read.
    pub(super) fn dead_letters(&self) -> String {
        format!("{{{}}}:dead", self.stream())
    }

    /// Returns the host of the server.
    pub(super) fn host(&self) -> &str {
        self.address.host()
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host(), self.address.port())
    }
}
