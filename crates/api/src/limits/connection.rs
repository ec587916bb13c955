//! What a connection does, and until when it may do it.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::reached::LimitReached;
use super::slots::Slot;

/// How many responses wait in memory until the client reads them, before its next request is handled. A client may send
/// many requests before it reads their responses.
const MAX_UNSENT: u32 = 16;

/// Whether there was room for a connection when it was opened.
#[derive(Debug)]
pub enum Place {
    /// There was. The slot is free again when the connection is closed.
    Free(Slot),
    /// There was not. The connection can be used for one probe; any other request is refused with this error.
    Surplus(Slot, LimitReached),
}

/// How long the client of a connection may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectionTimes {
    /// Without sending anything between two requests. It is longer than the server's time limit for idle connections,
    /// which closes them first.
    pub idle: Duration,
    /// For the headers of a request, once it has begun to send them. Those of the first request have a time limit of the
    /// server's.
    pub headers: Duration,
    /// To read a response, streams of events excepted.
    pub response: Duration,
}

/// A connection of a client. Connections stay on one thread.
#[derive(Debug)]
pub struct Connection {
    place: Place,
    times: ConnectionTimes,
    /// Whether the next bytes begin a request.
    is_idle: Cell<bool>,
    deadline: Cell<Option<Instant>>,
    /// Responses since the socket last took everything.
    unsent: Cell<u32>,
    sent: Notify,
}

/// A request on a connection, and then its response. The connection is idle when it is dropped.
#[derive(Debug)]
pub struct Exchange(Rc<Connection>);

impl Connection {
    /// Returns a connection that has just been opened.
    pub fn new(place: Place, times: ConnectionTimes) -> Rc<Self> {
        let times = match place {
            Place::Free(_) => times,
            Place::Surplus(..) => ConnectionTimes {
                idle: times.headers,
                headers: times.headers,
                response: times.headers,
            },
        };
        Rc::new(Self {
            place,
            is_idle: Cell::new(false),
            deadline: Cell::new(Some(Instant::now() + times.idle + times.headers)),
            unsent: Cell::new(0),
            sent: Notify::new(),
            times,
        })
    }

    /// Returns when the connection has to be closed, as long as nothing else happens.
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline.get()
    }

    /// Returns the limit because of which requests on this connection are refused.
    pub fn refusal(&self) -> Option<LimitReached> {
        match self.place {
            Place::Free(_) => None,
            Place::Surplus(_, refusal) => Some(refusal),
        }
    }

    /// Notes that the client has sent something. If that is the rest of a body whose request was refused, it has no more
    /// time than headers have.
    pub fn received(&self) {
        if self.is_idle.replace(false) {
            self.end_after(Some(self.times.headers));
        }
    }

    /// Notes that the socket has taken all responses.
    pub fn all_sent(&self) {
        self.unsent.set(0);
        self.sent.notify_waiters();
    }

    /// Waits while many responses are unsent. Without this, the server would answer any number of requests in memory.
    pub async fn room_for_response(&self) {
        while self.unsent.get() >= MAX_UNSENT {
            self.sent.notified().await;
        }
    }

    /// Notes that a request has arrived. Whoever handles it limits the time that this takes.
    pub fn begin_request(self: &Rc<Self>) -> Exchange {
        self.is_idle.set(false);
        self.unsent.set(self.unsent.get() + 1);
        self.end_after(None);
        Exchange(Rc::clone(self))
    }

    fn end_after(&self, time: Option<Duration>) {
        self.deadline.set(time.map(|time| Instant::now() + time));
    }
}

impl Exchange {
    /// Notes that the response begins.
    pub fn begin_response(&self) {
        self.0.end_after(Some(self.0.times.response));
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        let Self(connection) = self;
        connection.is_idle.set(true);
        connection.end_after(Some(connection.times.idle));
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use super::super::shares::Percent;
    use super::super::slots::Slots;
    use super::*;

    const TIMES: ConnectionTimes = ConnectionTimes {
        idle: Duration::from_secs(80),
        headers: Duration::from_secs(5),
        response: Duration::from_mins(10),
    };

    fn slot() -> Slot {
        let slots = Slots::new(NonZeroUsize::MIN, Percent::ALL);
        slots.take(None).unwrap()
    }

    /// Returns how long `connection` may last from now, in seconds.
    fn seconds_left(connection: &Connection) -> Option<u64> {
        let left = connection.deadline()? - Instant::now();
        Some(left.as_secs())
    }

    #[tokio::test(start_paused = true)]
    async fn every_part_of_an_exchange_has_its_own_time_limit() {
        let connection = Connection::new(Place::Free(slot()), TIMES);
        let exchange = connection.begin_request();
        assert_eq!(seconds_left(&connection), None);
        exchange.begin_response();
        assert_eq!(seconds_left(&connection), Some(600));
        drop(exchange);
        assert_eq!(seconds_left(&connection), Some(80));
    }

    #[tokio::test(start_paused = true)]
    async fn headers_that_arrive_byte_by_byte_do_not_extend_their_time_limit() {
        let connection = Connection::new(Place::Free(slot()), TIMES);
        drop(connection.begin_request());
        connection.received();
        assert_eq!(seconds_left(&connection), Some(5));
        tokio::time::advance(Duration::from_secs(4)).await;
        connection.received();
        assert_eq!(seconds_left(&connection), Some(1));
    }

    #[tokio::test(start_paused = true)]
    async fn bytes_that_arrive_while_a_request_is_handled_do_not_limit_its_time() {
        let connection = Connection::new(Place::Free(slot()), TIMES);
        let exchange = connection.begin_request();
        connection.received();
        assert_eq!(seconds_left(&connection), None);
        exchange.begin_response();
        connection.received();
        assert_eq!(seconds_left(&connection), Some(600));
    }

    #[tokio::test(start_paused = true)]
    async fn a_surplus_connection_has_little_time_for_everything() {
        let place = Place::Surplus(slot(), LimitReached::Connections);
        let connection = Connection::new(place, TIMES);
        assert_eq!(connection.refusal(), Some(LimitReached::Connections));
        let exchange = connection.begin_request();
        exchange.begin_response();
        assert_eq!(seconds_left(&connection), Some(5));
        drop(exchange);
        assert_eq!(seconds_left(&connection), Some(5));
    }
}
