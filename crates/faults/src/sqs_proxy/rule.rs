//! Rules: which fault is injected into which calls.

use std::time::Duration;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Response, StatusCode};
use serde_json::{Value, json};

/// A fault in a call.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Fault {
    /// SQS does not get the call; the caller gets an error.
    Refuse(Refusal),
    /// SQS does not get the call; the connection is closed.
    Disconnect,
    /// SQS does not get the call; the connection stays open without an answer.
    NeverAnswer,
    /// SQS applies the call; the connection is closed without an answer.
    DropAnswer,
    /// SQS gets the call when the proxy is healed.
    Hold,
    /// SQS applies the call; the caller gets the answer when the proxy is healed.
    HoldAnswer,
    /// SQS gets the call after this time.
    Delay(Duration),
    /// SQS gets the call this many times; the caller gets the last answer.
    Repeat(u32),
    /// The answer lists some entries as failed.
    FailEntries {
        /// The entries.
        entries: Entries,
        /// Whether SQS applies them nevertheless.
        applied: bool,
        /// The reported reason.
        error: EntryError,
    },
    /// The answer does not mention some entries.
    OmitEntries {
        /// The entries.
        entries: Entries,
        /// Whether SQS applies them nevertheless.
        applied: bool,
    },
    /// SQS does not get one entry in this many, counted over all calls; the answer confirms every entry.
    LoseOneIn(usize),
}

impl Fault {
    /// Returns the kind, as the soak's table names it.
    pub fn kind(self) -> &'static str {
        match self {
            Self::Refuse(_) => "SQS returned an error",
            Self::Disconnect => "SQS disconnected",
            Self::NeverAnswer => "SQS did not answer",
            Self::DropAnswer => "SQS answer lost",
            Self::Hold | Self::HoldAnswer | Self::Delay(_) => "SQS slow",
            Self::Repeat(_) => "SQS call repeated",
            Self::FailEntries { .. } => "SQS entries failed",
            Self::OmitEntries { .. } => "SQS entries omitted",
            Self::LoseOneIn(_) => "SQS messages lost",
        }
    }
}

/// An error response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Status 500.
    InternalError,
    /// Status 503.
    Unavailable,
    /// The caller makes too many calls.
    Throttled,
    /// The receipt handle is invalid.
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

/// A selection of a batch's entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entries {
    /// Every entry.
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

/// The reported reason of a failed entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryError {
    /// An error of SQS; another attempt may succeed.
    Internal,
    /// An error of the caller: the receipt handle is invalid.
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

/// Injects a fault into calls.
#[derive(Debug, Clone)]
pub struct Rule {
    action: Option<&'static str>,
    fault: Fault,
    left: Option<u32>,
    probability: f64,
}

impl Rule {
    /// Injects the fault into every call of `action`.
    pub fn on(action: &'static str, fault: Fault) -> Self {
        Self {
            action: Some(action),
            ..Self::on_every_call(fault)
        }
    }

    /// Injects the fault into every call.
    pub fn on_every_call(fault: Fault) -> Self {
        Self {
            action: None,
            fault,
            left: None,
            probability: 1.0,
        }
    }

    /// Limits the rule to `count` calls.
    #[must_use]
    pub fn times(self, count: u32) -> Self {
        Self {
            left: Some(count),
            ..self
        }
    }

    /// Injects the fault into each call with a probability.
    #[must_use]
    pub fn with_probability(self, probability: f64) -> Self {
        Self {
            probability,
            ..self
        }
    }

    pub(super) fn apply(&mut self, action: &str, random: &mut fastrand::Rng) -> Option<Fault> {
        if self.action.is_some_and(|own| own != action)
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
