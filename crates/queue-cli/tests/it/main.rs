//! The real `queue` over a local SQS endpoint, and over one that fails as it is told to.

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
