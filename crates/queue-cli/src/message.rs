//! Messages, before they are sent and as they were received.

mod outgoing;
mod received;

pub(crate) use outgoing::{CLIENT_ATTRIBUTE, Outgoing, STRING};
pub(crate) use received::{NO_CLIENT, Received, bytes};
