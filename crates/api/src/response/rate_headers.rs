//! The headers that tell a client how many requests it may send:
//! <https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/>

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};

use crate::limits::rate::Allowance;

const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const STATE: HeaderName = HeaderName::from_static("ratelimit");

/// Adds what a client may still send to the headers of its response, unless a refusal has already added why.
pub fn insert(headers: &mut HeaderMap, allowance: Allowance) {
    let Allowance {
        policy: name,
        per_second,
        remaining,
    } = allowance;
    if headers.contains_key(STATE) {
        return;
    }
    let policy = format!("\"{name}\";q={per_second};w=1");
    let seconds = Allowance::FULL_AFTER_SECONDS;
    let state = format!("\"{name}\";r={remaining};t={seconds}");
    for (name, value) in [(POLICY, policy), (STATE, state)] {
        // digits and punctuation are always valid
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.insert(name, value);
        }
    }
}
