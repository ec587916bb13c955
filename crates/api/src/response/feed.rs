//! The JSON form of a feed.

use chrono::{DateTime, Utc};
use serde::Serialize;
use shared_model::job::CalendarRequest;
use uuid::Uuid;

use crate::feed_token::FeedToken;
use crate::response::links::Links;
use crate::store::feeds::Feed;

/// A feed, for its owner.
#[derive(Debug, Serialize)]
pub struct FeedView<'a> {
    id: Uuid,
    name: &'a str,
    request: &'a CalendarRequest,
    created_at: DateTime<Utc>,
    #[serde(flatten)]
    addresses: Option<Addresses>,
}

/// The secret URLs at which programs subscribe. Only the response to the feed's creation has them, because they can't be
/// restored from what is stored.
#[derive(Debug, Serialize)]
struct Addresses {
    url: String,
    webcal_url: String,
}

impl<'a> FeedView<'a> {
    /// Returns the view of a stored feed, without its addresses.
    pub fn new(feed: &'a Feed) -> Self {
        let name = feed.request.options.name.as_ref();
        Self {
            id: feed.id,
            name: name.map_or("TaskOverflow", |name| name.as_str()),
            request: &feed.request,
            created_at: feed.created_at,
            addresses: None,
        }
    }

    /// Adds the feed's addresses.
    #[must_use]
    pub fn with_addresses(mut self, token: &FeedToken, links: &Links) -> Self {
        let url = links.feed(token);
        let webcal_url = match url.split_once("://") {
            Some((_, rest)) => format!("webcal://{rest}"),
            None => url.clone(),
        };
        self.addresses = Some(Addresses { url, webcal_url });
        self
    }
}
