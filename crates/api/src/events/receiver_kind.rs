//! The kinds of receivers, which delay no receivers of another kind.

/// Whose a receiver is, and what is known of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReceiverKind {
    /// The topic or a webhook in the settings.
    Own,
    /// A client's, which has accepted its latest event.
    Proven,
    /// Any other of a client.
    Other,
}
