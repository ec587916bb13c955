//! What the page does for its visitors, in real browsers with real processes behind it.

#[cfg(test)]
mod accessibility;
#[cfg(test)]
mod browsers;
#[cfg(test)]
mod budget;
#[cfg(test)]
mod connection;
#[cfg(test)]
mod deleting;
#[cfg(test)]
mod docs;
#[cfg(test)]
mod editing;
#[cfg(test)]
mod export;
#[cfg(test)]
mod following;
#[cfg(test)]
mod jobs;
#[cfg(test)]
mod late_responses;
#[cfg(test)]
mod month;
#[cfg(test)]
mod operations;
#[cfg(test)]
mod operations_accessibility;
#[cfg(test)]
mod operations_actions;
#[cfg(test)]
mod operations_browsers;
#[cfg(test)]
mod operations_deliveries;
#[cfg(test)]
mod operations_jobs;
#[cfg(test)]
mod operations_load;
#[cfg(test)]
mod operations_modules;
#[cfg(test)]
mod operations_sign_in;
#[cfg(test)]
mod operations_states;
#[cfg(test)]
mod screenshots;
#[cfg(test)]
mod security;
#[cfg(test)]
mod shortcuts;
#[cfg(test)]
mod sign_in;
#[cfg(test)]
mod startup;
#[cfg(test)]
mod subscriptions;
#[cfg(test)]
mod support;
#[cfg(test)]
mod todomvc;
#[cfg(test)]
mod todos;
#[cfg(test)]
mod unsaved;
