//! Limits on what clients may use at the same time, send and store.
//!
//! # Layout
//! - [`settings`]: how much of everything there may be, and the time limits
//! - [`slots`], [`shares`]: count what exists at the same time, for all clients and for each
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
pub mod shares;
pub mod slots;
pub mod usage;

use std::num::NonZeroUsize;

use actix_web::HttpMessage;
use client::ClientKey;
use connection::Place;
use occupied::Occupied;
use rate::RequestRate;
use reached::LimitReached;
use settings::LimitSettings;
use shares::Percent;
use slots::{NoSlot, Slot, Slots};
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
        let share = Percent(settings.client_share);
        Self {
            rate: RequestRate::new(settings.requests_per_second),
            usage: Usage::new(settings.max_amounts()),
            connections: Slots::new(settings.max_connections, share),
            surplus_connections: Slots::new(SURPLUS_CONNECTIONS, Percent::ALL),
            requests: Slots::new(settings.max_requests, share),
            streams: Slots::new(settings.max_streams, share),
            waiting_requests: Slots::new(settings.max_waiting_requests, share),
        }
    }

    /// Takes the place of a new connection; `client` is `None` if it has no share of its own. Returns `None` if there are too
    /// many connections to answer even probes.
    pub fn connect(&self, client: Option<&ClientKey>) -> Option<Place> {
        let none = match self.connections.take(client) {
            Ok(slot) => return Some(Place::Free(slot)),
            Err(none) => none,
        };
        let refusal = none.refusal(LimitReached::ConnectionsOfClient, LimitReached::Connections);
        let slot = self.surplus_connections.take(None).ok()?;
        Some(Place::Surplus(slot, refusal))
    }

    /// Takes the place of a new request of `client`, which is `None` for a program on this machine.
    ///
    /// # Errors
    /// Returns an error if too many requests are being handled.
    pub fn begin_request(&self, client: Option<&ClientKey>) -> Result<Occupied, LimitReached> {
        let slot = self
            .requests
            .take(client)
            .map_err(|none| none.refusal(LimitReached::RequestsOfClient, LimitReached::Requests))?;
        Ok(Occupied::Request(slot))
    }

    /// Takes the place of a request that waits for the end of a job.
    ///
    /// # Errors
    /// Returns an error if too many requests are waiting.
    pub fn begin_wait(&self, request: &impl HttpMessage) -> Result<Occupied, LimitReached> {
        let slot = take(&self.waiting_requests, request).map_err(|none| {
            none.refusal(
                LimitReached::WaitingRequestsOfClient,
                LimitReached::WaitingRequests,
            )
        })?;
        Ok(Occupied::Wait(slot))
    }

    /// Takes the place of a stream of events, the response to `request`.
    ///
    /// # Errors
    /// Returns an error if too many streams are open.
    pub fn begin_stream(&self, request: &impl HttpMessage) -> Result<Occupied, LimitReached> {
        let slot = take(&self.streams, request)
            .map_err(|none| none.refusal(LimitReached::StreamsOfClient, LimitReached::Streams))?;
        Ok(Occupied::Stream(slot))
    }
}

impl NoSlot {
    /// Returns the error of a client that gets no slot.
    fn refusal(self, for_client: LimitReached, for_anyone: LimitReached) -> LimitReached {
        match self {
            Self::ForClient => for_client,
            Self::ForAnyone => for_anyone,
        }
    }
}

/// Takes a slot for the client of `request`, which is one of its extensions.
fn take(slots: &Slots, request: &impl HttpMessage) -> Result<Slot, NoSlot> {
    slots.take(request.extensions().get::<ClientKey>())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Settings {
        #[command(flatten)]
        limits: LimitSettings,
    }

    #[test]
    fn the_connections_of_one_client_beyond_its_share_are_surplus() {
        let flags = ["api", "--max-connections=4", "--client-share=25"];
        let limits = Limits::new(&Settings::parse_from(flags).limits);
        let [greedy, other] = [1, 2].map(|last| ClientKey::at([192, 0, 2, last].into()));
        let refusal = |client: Option<&ClientKey>| match limits.connect(client) {
            // keeps the place
            Some(Place::Free(slot)) => {
                std::mem::forget(slot);
                None
            }
            Some(Place::Surplus(_, refusal)) => Some(refusal),
            None => panic!("there is room for surplus connections"),
        };
        assert_eq!(refusal(Some(&greedy)), None);
        let of_client = LimitReached::ConnectionsOfClient;
        assert_eq!(refusal(Some(&greedy)), Some(of_client));
        assert_eq!(refusal(Some(&other)), None);
        assert_eq!([refusal(None), refusal(None)], [None; 2]);
        assert_eq!(refusal(None), Some(LimitReached::Connections));
    }
}
