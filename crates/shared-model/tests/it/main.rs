//! Tests of the stores against a real PostgreSQL.

#[cfg(test)]
mod activity;
#[cfg(test)]
mod batch_lane;
#[cfg(test)]
mod claiming;
#[cfg(test)]
mod ends_of_jobs;
#[cfg(test)]
mod event_deliveries;
#[cfg(test)]
mod failed_jobs;
#[cfg(test)]
mod history;
#[cfg(test)]
mod lifecycle;
#[cfg(test)]
mod locked_rows;
#[cfg(test)]
mod lost_messages;
#[cfg(test)]
mod migrations;
#[cfg(test)]
mod outbox;
#[cfg(test)]
mod password_file;
#[cfg(test)]
mod plans;
#[cfg(test)]
mod postponed;
#[cfg(test)]
mod privileges;
#[cfg(test)]
mod processes;
#[cfg(test)]
mod processing;
#[cfg(test)]
mod random_sequences;
#[cfg(test)]
mod recovery;
#[cfg(test)]
mod requests;
#[cfg(test)]
mod roles;
#[cfg(test)]
mod schema;
#[cfg(test)]
mod sessions;
#[cfg(test)]
mod support;
