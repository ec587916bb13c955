//! One suite for every queue: what the API and the worker rely on, whichever is behind the seam.

mod conformance;
mod sqs;
mod support;
