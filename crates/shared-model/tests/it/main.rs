//! Tests of the stores against a real PostgreSQL.

#[cfg(test)]
mod lifecycle;
#[cfg(test)]
mod migrations;
#[cfg(test)]
mod outbox;
#[cfg(test)]
mod recovery;
#[cfg(test)]
mod schema;
#[cfg(test)]
mod support;
