//! The worker over a real PostgreSQL and a real SQS endpoint: its loop in this process, and its binary with signals.

#[cfg(test)]
mod consuming;
#[cfg(test)]
#[cfg(target_os = "linux")]
mod isolation;
#[cfg(test)]
mod leaving;
#[cfg(test)]
mod locked_rows;
#[cfg(test)]
mod look;
#[cfg(test)]
#[cfg(target_os = "linux")]
mod metrics;
#[cfg(test)]
mod operators;
#[cfg(test)]
mod paused_clock;
#[cfg(test)]
mod process;
#[cfg(test)]
mod protection;
#[cfg(test)]
mod rendering;
#[cfg(test)]
mod roles;
#[cfg(test)]
mod sharing;
#[cfg(test)]
mod support;
#[cfg(test)]
mod traces;
