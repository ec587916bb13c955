//! The worker over a real PostgreSQL and a real SQS endpoint: its loop in this process, and its binary with signals.

#[cfg(test)]
mod consuming;
#[cfg(test)]
mod paused_clock;
#[cfg(test)]
mod process;
#[cfg(test)]
mod rendering;
#[cfg(test)]
mod support;
