//! Reading AWS settings from the environment of a process.

#[cfg(test)]
mod credentials;
