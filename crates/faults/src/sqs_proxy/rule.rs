//! What is done to which calls.

use std::time::Duration;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Response, StatusCode};
use serde_json::{Value, json};

/// What is done to a call.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Fault {
    /// SQS never sees it; the caller gets an error.
    Refuse(Refusal),
    /// SQS never sees it; the connection ends.
    Disconnect,
    /// SQS never sees it; the connection stays open, and no answer comes.
    NeverAnswer,
    /// SQS does it; the connection ends in place of an answer.
    DropAnswer,
    /// SQS sees it when the proxy is healed.
    Hold,
    /// SQS does it; the caller gets the answer when the proxy is healed.
    HoldAnswer,
    /// SQS sees it after so long.
    Delay(Duration),
    /// SQS sees it so many times; the caller gets the last answer.
    Repeat(u32),
    /// 200, with some entries in the list of the failed ones.
    FailEntries {
        /// Which of them.
        entries: Entries,
        /// Whether SQS did them all the same.
        applied: bool,
        /// The reason that is given.
        error: EntryError,
    },
    /// 200, with some entries in neither list.
    OmitEntries {
        /// Which of them.
        entries: Entries,
        /// Whether SQS did them all the same.
        applied: bool,
    },
}

impl Fault {
    /// The kind, as a table names it.
    pub fn kind(self) -> &'static str {
        match self {
            Self::Refuse(_) => "SQS refuses",
            Self::Disconnect => "SQS disconnects",
            Self::NeverAnswer => "SQS never answers",
            Self::DropAnswer => "SQS's answer lost",
            Self::Hold | Self::HoldAnswer | Self::Delay(_) => "SQS slow",
            Self::Repeat(_) => "SQS call repeated",
            Self::FailEntries { .. } => "SQS entries failed",
            Self::OmitEntries { .. } => "SQS entries unnamed",
        }
    }
}

/// An error in place of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// 500.
    InternalError,
    /// 503.
    Unavailable,
    /// Too many calls.
    Throttled,
    /// The receipt handle is no good.
    InvalidReceipt,
}

impl Refusal {
    pub(super) fn answer(self) -> Response<Full<Bytes>> {
        // https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/CommonErrors.html
        let (status, code) = match self {
            Self::InternalError => (500, "InternalFailure"),
            Self::Unavailable => (503, "ServiceUnavailable"),
            Self::Throttled => (400, "ThrottlingException"),
            Self::InvalidReceipt => (400, "ReceiptHandleIsInvalid"),
        };
        let body = json!({ "__type": format!("com.amazonaws.sqs#{code}"), "message": "injected" });
        let mut response = json_answer(status, &body);
        response
            .headers_mut()
            .insert("x-amzn-errortype", HeaderValue::from_static(code));
        response
    }
}

/// Which entries of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entries {
    /// All.
    All,
    /// The first, the third, and so on.
    EveryOther,
}

impl Entries {
    pub(super) fn include(self, index: usize) -> bool {
        match self {
            Self::All => true,
            Self::EveryOther => index.is_multiple_of(2),
        }
    }
}

/// The reason given for a failed entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryError {
    /// The fault is SQS's, so another try may help.
    Internal,
    /// The fault is the caller's: the receipt handle is no good.
    InvalidReceipt,
}

impl EntryError {
    pub(super) fn entry(self, id: &Value) -> Value {
        let (code, sender_fault) = match self {
            Self::Internal => ("InternalError", false),
            Self::InvalidReceipt => ("ReceiptHandleIsInvalid", true),
        };
        json!({ "Id": id, "Code": code, "SenderFault": sender_fault, "Message": "injected" })
    }
}

/// Which calls are struck, and how.
#[derive(Debug, Clone)]
pub struct Rule {
    action: Option<&'static str>,
    fault: Fault,
    left: Option<u32>,
    probability: f64,
}

impl Rule {
    /// Strikes every call of `action`.
    pub fn on(action: &'static str, fault: Fault) -> Self {
        Self {
            action: Some(action),
            ..Self::always(fault)
        }
    }

    /// Strikes every call.
    pub fn always(fault: Fault) -> Self {
        Self {
            action: None,
            fault,
            left: None,
            probability: 1.0,
        }
    }

    /// Strikes so many calls and no more.
    #[must_use]
    pub fn times(self, count: u32) -> Self {
        Self {
            left: Some(count),
            ..self
        }
    }

    /// Strikes a call only by that chance.
    #[must_use]
    pub fn by_chance(self, probability: f64) -> Self {
        Self {
            probability,
            ..self
        }
    }

    pub(super) fn strike(&mut self, action: &str, random: &mut fastrand::Rng) -> Option<Fault> {
        if self.action.is_some_and(|mine| mine != action)
            || self.is_used_up()
            || random.f64() >= self.probability
        {
            return None;
        }
        if let Some(left) = &mut self.left {
            *left -= 1;
        }
        Some(self.fault)
    }

    pub(super) fn is_used_up(&self) -> bool {
        self.left == Some(0)
    }
}

pub(super) fn json_answer(status: u16, body: &Value) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body.to_string())));
    *response.status_mut() =
        StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(
        CONTENT_TYPE,
        HeaderValue::from_static("application/x-amz-json-1.0"),
    );
    response
}
