//! Tests of topics on a local endpoint.

#[cfg(test)]
mod topics;
