//! Limits on what clients may use at the same time, send and store.
//!
//! # Layout
//! - [`settings`]: how much of everything there may be, and the time limits
//! - [`slots`]: counts what exists at the same time
//! - [`occupied`]: what one request holds until its response has been sent
//! - [`usage`]: how much is stored
//! - [`client`], [`rate`]: how many requests each client sends
//! - [`reached`]: the error of a client that reaches a limit

pub mod client;
pub mod occupied;
pub mod rate;
pub mod reached;
pub mod settings;
pub mod slots;
pub mod usage;

use std::time::Duration;

use occupied::Occupied;
use rate::RequestRate;
use reached::LimitReached;
use settings::LimitSettings;
use slots::Slots;
use usage::Usage;

/// The limits of the process, and what is in use.
#[derive(Debug)]
pub struct Limits {
    /// Connections of clients.
    pub connections: Slots,
    /// Requests of each client.
    pub rate: RequestRate,
    /// What is stored.
    pub usage: Usage,
    requests: Slots,
    streams: Slots,
    waiting_requests: Slots,
    /// How long a response may take to be sent, streams of events excepted.
    pub send_timeout: Duration,
}

impl Limits {
    /// Returns limits of which nothing is in use.
    pub fn new(settings: &LimitSettings) -> Self {
        Self {
            connections: Slots::new(settings.max_connections),
            rate: RequestRate::new(settings.requests_per_second),
            usage: Usage::new(settings.max_amounts()),
            requests: Slots::new(settings.max_requests),
            streams: Slots::new(settings.max_streams),
            waiting_requests: Slots::new(settings.max_waiting_requests),
            send_timeout: settings.send_timeout,
        }
    }

    /// Takes the place of a new request.
    ///
    /// # Errors
    /// Returns an error if too many requests are being handled.
    pub fn begin_request(&self) -> Result<Occupied, LimitReached> {
        let slot = self.requests.take().ok_or(LimitReached::Requests)?;
        Ok(Occupied::Request(slot))
    }

    /// Takes the place of a request that waits for the end of its job.
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
