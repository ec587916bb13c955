//! A proxy in front of PostgreSQL. It reads the clients' messages, so that it can hold a connection at a chosen statement,
//! prepared or not.

use tcp_proxy::{Answer, Protocol, Request, TcpProxy};
use tokio_util::bytes::BytesMut;

mod answers;
mod requests;

/// A proxy in front of PostgreSQL. A text to hold is part of a statement, and a statement has an effect if it changes or
/// returns rows.
pub type PostgresProxy = TcpProxy<Postgres>;

/// PostgreSQL's protocol, as far as it says which statements run.
#[derive(Debug, Default)]
pub struct Postgres(requests::Requests);

impl Protocol for Postgres {
    const READS_ANSWERS: bool = true;

    fn take(&mut self, unread: &mut BytesMut) -> Option<Request> {
        self.0.take(unread)
    }

    fn answer(answer: &[u8]) -> Answer {
        answers::read(answer)
    }
}
