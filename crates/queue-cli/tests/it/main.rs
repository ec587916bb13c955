//! The real `queue` program with a local SQS endpoint, and with one that fails on demand.

#[cfg(test)]
mod as_the_original;
#[cfg(test)]
mod operating;
#[cfg(test)]
mod receiving;
#[cfg(test)]
mod refusals;
#[cfg(test)]
mod sending;
#[cfg(test)]
mod support;
