//! The ids of a trace and of its spans, and the header `traceparent`: W3C Trace Context, level 1.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The name of the header.
pub const TRACEPARENT: &str = "traceparent";

/// The length of the header in version 00.
const LENGTH: usize = 55;
/// The only flag of level 1.
const SAMPLED: u8 = 1;

/// The id of a trace: 16 bytes, not all of them zero.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceId([u8; 16]);

/// The id of a span in a trace: 8 bytes, not all of them zero.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SpanId([u8; 8]);

/// What a `traceparent` says: a trace, and the span in it that causes what happens next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct TraceContext {
    /// The trace.
    pub trace_id: TraceId,
    /// The span.
    pub span_id: SpanId,
    /// Whether the span may have been recorded, so that those that it causes should be recorded too.
    pub is_sampled: bool,
}

/// The text is not a `traceparent`. The specification says to begin a new trace then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "not a traceparent: it must look like 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
)]
pub struct InvalidTraceparent;

impl TraceId {
    /// Returns the id with these bytes, or `None` if all of them are zero.
    pub fn new(bytes: [u8; 16]) -> Option<Self> {
        (bytes != [0; 16]).then_some(Self(bytes))
    }

    /// Returns the bytes.
    pub fn to_bytes(self) -> [u8; 16] {
        self.0
    }

    /// Returns the bytes as a UUID: that of a job, if the job has the same id.
    pub fn to_uuid(self) -> Uuid {
        Uuid::from_bytes(self.0)
    }
}

impl SpanId {
    /// Returns the id with these bytes, or `None` if all of them are zero.
    pub fn new(bytes: [u8; 8]) -> Option<Self> {
        (bytes != [0; 8]).then_some(Self(bytes))
    }

    /// Returns the bytes.
    pub fn to_bytes(self) -> [u8; 8] {
        self.0
    }
}

impl TraceContext {
    /// Returns a context in the trace with this id. Nobody records its span.
    pub(super) fn unrecorded(trace: Uuid) -> Self {
        Self {
            trace_id: trace.into(),
            span_id: SpanId(fastrand::u64(1..).to_be_bytes()),
            is_sampled: false,
        }
    }
}

/// The ids of this service's requests and jobs are never zero.
impl From<Uuid> for TraceId {
    fn from(id: Uuid) -> Self {
        Self(id.into_bytes())
    }
}

/// In lower-case hexadecimal digits, as everywhere in the specification.
impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", u64::from_be_bytes(self.0))
    }
}

impl fmt::Debug for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Debug for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// In version 00.
impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let flags = u8::from(self.is_sampled) * SAMPLED;
        write!(f, "00-{}-{}-{flags:02x}", self.trace_id, self.span_id)
    }
}

impl FromStr for TraceContext {
    type Err = InvalidTraceparent;

    /// Parses a `traceparent` of version 00, and what version 00 defines of one of a later version.
    fn from_str(text: &str) -> Result<Self, InvalidTraceparent> {
        parse(text).ok_or(InvalidTraceparent)
    }
}

fn parse(text: &str) -> Option<TraceContext> {
    // not at a boundary of characters if there are others than ASCII
    let (known, rest) = text.split_at_checked(LENGTH)?;
    let mut fields = known.split('-');
    let mut field = |length| fields.next().filter(|field: &&str| field.len() == length);
    let (version, trace_id) = (field(2)?, field(32)?);
    let (span_id, flags) = (field(16)?, field(2)?);
    let may_be_longer = match hex(version)? {
        0 => false,
        0xff => return None,
        _ => true,
    };
    if !(rest.is_empty() || may_be_longer && rest.starts_with('-')) {
        return None;
    }
    Some(TraceContext {
        trace_id: TraceId::new(hex(trace_id)?.to_be_bytes())?,
        span_id: SpanId::new(u64::try_from(hex(span_id)?).ok()?.to_be_bytes())?,
        is_sampled: hex(flags)? & u128::from(SAMPLED) != 0,
    })
}

/// Parses digits, of which only those in lower case are valid.
fn hex(digits: &str) -> Option<u128> {
    let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    digits
        .bytes()
        .all(is_digit)
        .then(|| u128::from_str_radix(digits, 16).ok())?
}

impl From<TraceContext> for String {
    fn from(context: TraceContext) -> Self {
        context.to_string()
    }
}

impl TryFrom<String> for TraceContext {
    type Error = InvalidTraceparent;

    fn try_from(text: String) -> Result<Self, InvalidTraceparent> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
    const SPAN: &str = "b7ad6b7169203331";

    #[test]
    fn a_context_is_written_as_it_was_read() {
        for (flags, is_sampled) in [("01", true), ("00", false)] {
            let text = format!("00-{TRACE}-{SPAN}-{flags}");
            let context: TraceContext = text.parse().unwrap();
            assert_eq!(context.to_string(), text);
            assert_eq!(context.trace_id.to_string(), TRACE);
            assert_eq!(context.span_id.to_string(), SPAN);
            assert_eq!(context.is_sampled, is_sampled);
        }
    }

    #[test]
    fn flags_that_level_1_does_not_define_are_not_passed_on() {
        let context: TraceContext = format!("00-{TRACE}-{SPAN}-fb").parse().unwrap();
        assert_eq!(context.to_string(), format!("00-{TRACE}-{SPAN}-01"));
        let context: TraceContext = format!("00-{TRACE}-{SPAN}-02").parse().unwrap();
        assert_eq!(context.to_string(), format!("00-{TRACE}-{SPAN}-00"));
    }

    #[test]
    fn a_later_version_is_read_as_version_00() {
        for text in [
            format!("01-{TRACE}-{SPAN}-01"),
            format!("cc-{TRACE}-{SPAN}-01-what-the-future-brings"),
            format!("fe-{TRACE}-{SPAN}-01-"),
        ] {
            let context: TraceContext = text.parse().unwrap();
            assert_eq!(
                context.to_string(),
                format!("00-{TRACE}-{SPAN}-01"),
                "{text}"
            );
        }
    }

    #[test]
    fn a_malformed_header_is_refused() {
        let zeros = "0".repeat(32);
        for text in [
            String::new(),
            "00".to_owned(),
            "-".repeat(55),
            "é".repeat(28),
            format!("00-{TRACE}-{SPAN}"),
            format!("00-{TRACE}-{SPAN}-"),
            format!("00-{TRACE}-{SPAN}-1"),
            format!("00-{TRACE}-{SPAN}-0x"),
            format!("00-{TRACE}-{SPAN}-+1"),
            format!("00-{TRACE}-{SPAN}-001"),
            format!("00-{TRACE}-{SPAN}-01-"),
            format!("00-{TRACE}-{SPAN}-01-more"),
            format!("01-{TRACE}-{SPAN}-01more"),
            format!("ff-{TRACE}-{SPAN}-01"),
            format!("0-{TRACE}-{SPAN}-01"),
            format!("0g-{TRACE}-{SPAN}-01"),
            format!("00-{zeros}-{SPAN}-01"),
            format!("00-{TRACE}-{}-01", "0".repeat(16)),
            format!("00-{}-{SPAN}-01", TRACE.to_uppercase()),
            format!("00-{TRACE}-{}-01", SPAN.to_uppercase()),
            format!("00-{TRACE}-{SPAN}-0B"),
            format!("00-{}-{SPAN}-01", TRACE.replace('f', "g")),
            format!("00-{}-{SPAN}-01", &TRACE[1..]),
            format!("00-{TRACE}0-{SPAN}-01"),
            format!("00-{TRACE}-{}-01", &SPAN[1..]),
            format!("00_{TRACE}_{SPAN}_01"),
            format!(" 00-{TRACE}-{SPAN}-01"),
            format!("00-{TRACE}-{SPAN}-01 "),
            format!("00-{TRACE}-{SPAN}-01,00-{TRACE}-{SPAN}-01"),
        ] {
            assert_eq!(
                text.parse::<TraceContext>(),
                Err(InvalidTraceparent),
                "{text:?}"
            );
        }
    }
}
