//! A queue of ActiveMQ, which the broker creates when it is used.

use std::time::Duration;

use anyhow::Context;
use async_trait::async_trait;
use stomp_client::{Command, Connection, Endpoint, Frame, Incoming, Login};

use super::{Commands, Depth, Place};

/// A queue counts as empty if no message has come for so long: the broker sends what it has at once.
const SILENCE: Duration = Duration::from_secs(1);
/// How many messages the broker may send before one of them is acknowledged.
const PREFETCH: usize = 10;

#[derive(Debug)]
pub(super) struct Queue(Place);

impl Queue {
    pub(super) fn new(place: Place) -> Self {
        Self(place)
    }

    async fn connect(&self) -> anyhow::Result<Connection> {
        let login = self.0.login.clone();
        let endpoint = Endpoint {
            host: "127.0.0.1".to_owned(),
            port: self.0.port,
            tls: None,
            login: login.map(|(user, password)| Login { user, password }),
        };
        Ok(Connection::open(&endpoint).await?)
    }

    fn destination(&self) -> String {
        format!("/queue/{}", self.0.name)
    }

    /// The broker's dead-letter queue for this queue alone.
    fn dead_letters(&self) -> String {
        format!("/queue/DLQ.{}", self.0.name)
    }

    /// Receives messages and deletes them: at most `max`, or all of them.
    async fn take(&self, destination: &str, max: usize) -> anyhow::Result<Vec<String>> {
        let connection = self.connect().await?;
        let mut incoming = connection.subscribe(destination, PREFETCH.min(max)).await?;
        let mut bodies = Vec::new();
        while bodies.len() < max {
            let Some(message) = next(&mut incoming).await else {
                break;
            };
            let id = message.header("ack").context("the message has no id")?;
            let ack = Frame::new(Command::Ack).with("id", id);
            connection.send_all(vec![ack]).await?;
            bodies.push(String::from_utf8(message.body)?);
        }
        connection.close().await;
        Ok(bodies)
    }
}

async fn next(incoming: &mut Incoming) -> Option<Frame> {
    let next = tokio::time::timeout(SILENCE, incoming.next()).await;
    next.ok().flatten()
}

#[async_trait]
impl Commands for Queue {
    async fn send(&self, body: &str) -> anyhow::Result<()> {
        let connection = self.connect().await?;
        let message = Frame::new(Command::Send)
            .with("destination", self.destination())
            .with("persistent", "true")
            .body(body);
        connection.send_all(vec![message]).await?;
        connection.close().await;
        Ok(())
    }

    async fn delete_one(&self) -> anyhow::Result<()> {
        let taken = self.take(&self.destination(), 1).await?;
        taken.first().context("the queue is empty").map(drop)
    }

    async fn purge(&self) -> anyhow::Result<()> {
        self.take(&self.destination(), usize::MAX).await.map(drop)
    }

    async fn depth(&self) -> anyhow::Result<Depth> {
        let connection = self.connect().await?;
        let all = connection.count(&self.destination()).await?;
        connection.close().await;
        Ok(Depth {
            waiting: u32::try_from(all)?,
            in_flight: 0,
        })
    }

    async fn take_dead_letters(&self) -> anyhow::Result<Vec<String>> {
        self.take(&self.dead_letters(), usize::MAX).await
    }
}
