//! A look at the broker at the start of a process.

use stomp_client::{Command, CommandError, Frame};

use super::destination;
use super::link::{Link, Session, explain};
use crate::error::QueueError;
use crate::findings::Findings;

/// What ActiveMQ Classic's name for itself begins with. Artemis, which behaves differently, is `ActiveMQ-Artemis/…`.
const CLASSIC: &str = "ActiveMQ/";

/// Looks whether an API can send to this queue: a message is sent in a transaction that is then aborted.
pub(super) async fn publisher(link: &Link, queue: &str) -> Result<Findings, QueueError> {
    look(link, async |session| {
        let transaction = |command| Frame::new(command).with("transaction", "inspect");
        let message = transaction(Command::Send)
            .with("destination", destination(queue))
            .body("");
        let commands = vec![
            transaction(Command::Begin),
            message,
            transaction(Command::Abort),
        ];
        session
            .connection
            .send_each(commands)
            .await
            .into_iter()
            .collect()
    })
    .await
}

/// Looks whether a worker can receive from this queue.
pub(super) async fn subscription(link: &Link, queue: &str) -> Result<Findings, QueueError> {
    look(link, async |session| {
        let counted = session.connection.count(&destination(queue)).await;
        counted.map(drop)
    })
    .await
}

async fn look(
    link: &Link,
    attempt: impl AsyncFnOnce(&Session) -> Result<(), CommandError>,
) -> Result<Findings, QueueError> {
    let session = match link.session().await {
        Ok(session) => session,
        Err(QueueError::Refused(reason)) => return Ok(unusable(reason)),
        Err(error) => return Err(error),
    };
    let server = session.connection.server();
    if !server.starts_with(CLASSIC) {
        let server = if server.is_empty() {
            "an unknown server"
        } else {
            server
        };
        return Ok(unusable(format!(
            "stomp: in QUEUE_URL needs ActiveMQ Classic, and this is {server}"
        )));
    }
    match attempt(&session).await {
        Ok(()) => Ok(Findings::default()),
        Err(CommandError::Refused(reason)) => Ok(unusable(format!(
            "ActiveMQ does not let the user of QUEUE_URL use this queue ({reason})"
        ))),
        Err(error) => Err(explain(&error)),
    }
}

fn unusable(reason: String) -> Findings {
    Findings {
        unusable: vec![reason],
        warnings: Vec::new(),
    }
}
