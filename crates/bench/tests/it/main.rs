//! Small runs of the benchmark itself. They check that everything is started, counted and shown, not how fast it is.

#[cfg(test)]
mod feeds;
#[cfg(test)]
mod overload;
#[cfg(test)]
mod pipeline;
