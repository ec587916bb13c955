//! The fault tests: each injects one kind of fault, and then checks every guarantee.

#[cfg(test)]
mod api;
#[cfg(test)]
mod backlog;
#[cfg(test)]
mod batches;
#[cfg(test)]
mod brokers;
#[cfg(test)]
mod cancelling;
#[cfg(test)]
mod checks;
#[cfg(test)]
mod clocks;
#[cfg(test)]
mod database;
#[cfg(test)]
mod dying;
#[cfg(test)]
mod events;
#[cfg(test)]
mod locks;
#[cfg(test)]
mod operators;
#[cfg(test)]
mod order;
#[cfg(test)]
mod poison;
#[cfg(test)]
mod proxies;
#[cfg(test)]
mod queue;
#[cfg(test)]
mod recovery;
#[cfg(test)]
mod refusals;
#[cfg(test)]
mod stopping;
#[cfg(test)]
mod support;
#[cfg(test)]
mod text;
#[cfg(test)]
mod traces;
