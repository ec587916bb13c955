//! What the model shows.

#[cfg(test)]
mod backlog;
#[cfg(test)]
mod flaws;
#[cfg(test)]
mod life;
