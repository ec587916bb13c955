//! The API as its clients see it, with a real server, a real PostgreSQL and real HTTP.

#[cfg(test)]
mod authentication;
#[cfg(test)]
mod bad_input;
#[cfg(test)]
mod client_shares;
#[cfg(test)]
mod compression;
#[cfg(test)]
mod database_away;
#[cfg(test)]
mod events;
#[cfg(test)]
mod feed_polls;
#[cfg(test)]
mod feeds;
#[cfg(test)]
mod health;
#[cfg(test)]
mod http;
#[cfg(test)]
mod isolation;
#[cfg(test)]
mod jobs;
#[cfg(test)]
mod limits;
#[cfg(test)]
#[cfg(target_os = "linux")]
mod many_clients;
#[cfg(test)]
mod openapi;
#[cfg(test)]
mod operations;
#[cfg(test)]
mod operator_controls;
#[cfg(test)]
mod operator_jobs;
#[cfg(test)]
mod original_client;
#[cfg(test)]
mod other_sites;
#[cfg(test)]
mod page;
#[cfg(test)]
mod process;
#[cfg(test)]
mod processes;
#[cfg(test)]
mod random_inputs;
mod rates;
#[cfg(test)]
mod relay;
#[cfg(test)]
mod results;
#[cfg(test)]
mod roles;
#[cfg(test)]
mod sessions;
#[cfg(test)]
#[cfg(target_os = "linux")]
mod slow_clients;
#[cfg(test)]
mod support;
#[cfg(test)]
mod sweeper;
#[cfg(test)]
mod todo_list;
#[cfg(test)]
mod todos;
#[cfg(test)]
mod token_commands;
#[cfg(test)]
mod topic;
#[cfg(test)]
mod traces;
#[cfg(test)]
mod usage;
#[cfg(test)]
mod waiting;
#[cfg(test)]
mod webhook_secrets;
#[cfg(test)]
mod webhooks;
