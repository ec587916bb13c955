//! Limits on what clients may use at the same time, send and store.
//!
//! # Layout
//! - [`settings`]: how much of everything there may be, and the time limits
//! - [`slots`]: counts what exists at the same time
//! - [`connection`]: what a connection does, and how long it may take
//! - [`occupied`]: what one request holds until its response has been sent
//! - [`usage`]: how much is stored
//! - [`client`], [`rate`], `rate_store`: how many requests each client sends
//! - [`reached`]: the error of a client that reaches a limit

pub mod client;
pub mod connection;
pub mod occupied;
pub mod rate;
mod rate_store;
pub mod reached;
pub mod settings;
pub mod slots;
pub mod usage;

use std::num::NonZeroUsize;

use connection::Place;
use occupied::Occupied;
use rate::RequestRate;
use reached::LimitReached;
use settings::LimitSettings;
use slots::Slots;
use usage::Usage;

/// Connections beyond the maximum that are not closed at once, so that their clients are told why they are refused, and
/// probes are answered.
pub const SURPLUS_CONNECTIONS: NonZeroUsize = NonZeroUsize::new(100).unwrap();

/// The limits of the process, and what is in use.
#[derive(Debug)]
pub struct Limits {
    /// Requests of each client.
    pub rate: RequestRate,
    /// What is stored.
    pub usage: Usage,
    connections: Slots,
    surplus_connections: Slots,
    requests: Slots,
    streams: Slots,
    waiting_requests: Slots,
}

impl Limits {
    /// Returns limits of which nothing is in use.
    pub fn new(settings: &LimitSettings) -> Self {
        Self {
            rate: RequestRate::new(settings.requests_per_second),
            usage: Usage::new(settings.max_amounts()),
            connections: Slots::new(settings.max_connections),
            surplus_connections: Slots::new(SURPLUS_CONNECTIONS),
            requests: Slots::new(settings.max_requests),
            streams: Slots::new(settings.max_streams),
            waiting_requests: Slots::new(settings.max_waiting_requests),
        }
    }

    /// Takes the place of a new connection. Returns `None` if there are so many that not even a probe can be answered.
    pub fn connect(&self) -> Option<Place> {
        let Some(slot) = self.connections.take() else {
            let slot = self.surplus_connections.take()?;
            return Some(Place::Surplus(slot, LimitReached::Connections));
        };
        Some(Place::Free(slot))
    }

    /// Takes the place of a new request.
    ///
    /// # Errors
    /// Returns an error if too many requests are being handled.
    pub fn begin_request(&self) -> Result<Occupied, LimitReached> {
        let slot = self.requests.take().ok_or(LimitReached::Requests)?;
        Ok(Occupied::Request(slot))
    }

    /// Takes the place of a request that waits for the end of a job.
    ///
    /// # Errors
    /// Returns an error if too many requests are waiting.
    pub fn begin_wait(&self) -> Result<Occupied, LimitReached> {
        let slot = self.waiting_requests.take();
        Ok(Occupied::Wait(slot.ok_or(LimitReached::WaitingRequests)?))
    }

    /// Takes the place of a stream of events.
    ///
    /// # Errors
    /// Returns an error if too many streams are open.
    pub fn begin_stream(&self) -> Result<Occupied, LimitReached> {
        let slot = self.streams.take().ok_or(LimitReached::Streams)?;
        Ok(Occupied::Stream(slot))
    }
}
