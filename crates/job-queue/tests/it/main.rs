//! One suite for every queue: what the API and the worker rely on, whichever is behind the seam.

#[cfg(test)]
mod conformance;
#[cfg(test)]
mod credentials;
#[cfg(test)]
mod sqs;
#[cfg(test)]
mod support;
