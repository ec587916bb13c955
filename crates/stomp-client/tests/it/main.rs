//! Connections to servers that keep to the protocol, and to servers that do not.

#[cfg(test)]
mod activemq;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod random_inputs;
#[cfg(test)]
mod scripted;
#[cfg(test)]
mod slow;
#[cfg(test)]
mod tls;
