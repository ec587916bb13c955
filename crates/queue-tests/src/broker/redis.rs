//! A stream of Redis.

use anyhow::Context;
use async_trait::async_trait;
use redis::aio::MultiplexedConnection;
use redis::{Client, FromRedisValue};

use super::{Commands, Depth, Place};

/// The group that the workers of TaskOverflow read with.
const GROUP: &str = "taskoverflow";
/// The consumer that holds what workers have released.
const RELEASED: &str = "later";
/// The field that contains the body.
const BODY: &str = "m";

#[derive(Debug)]
pub(super) struct Stream(Place);

/// What is pending: how many entries, the first, the last, and how many each consumer holds.
type Pending = (
    u32,
    Option<String>,
    Option<String>,
    Option<Vec<(String, String)>>,
);

/// An entry: its id, and its fields, each followed by its value.
type Entry = (String, Vec<String>);

impl Stream {
    pub(super) fn new(place: Place) -> Self {
        Self(place)
    }

    async fn connect(&self) -> anyhow::Result<MultiplexedConnection> {
        let login = match &self.0.login {
            Some((user, password)) => format!("{user}:{password}@"),
            None => String::new(),
        };
        let client = Client::open(format!("redis://{login}127.0.0.1:{}/", self.0.port))?;
        Ok(client.get_multiplexed_async_connection().await?)
    }

    async fn ask<T: FromRedisValue>(&self, words: &[&str]) -> anyhow::Result<T> {
        let (name, arguments) = words.split_first().context("there is no command")?;
        let mut command = redis::cmd(name);
        for argument in arguments {
            command.arg(argument);
        }
        Ok(command.query_async(&mut self.connect().await?).await?)
    }

    fn dead_letters(&self) -> String {
        format!("{{{}}}:dead", self.0.name)
    }
}

#[async_trait]
impl Commands for Stream {
    async fn send(&self, body: &str) -> anyhow::Result<()> {
        let id: String = self.ask(&["XADD", &self.0.name, "*", BODY, body]).await?;
        anyhow::ensure!(!id.is_empty(), "the entry has no id");
        Ok(())
    }

    async fn delete_one(&self) -> anyhow::Result<()> {
        let entries: Vec<Entry> = self
            .ask(&["XRANGE", &self.0.name, "-", "+", "COUNT", "1"])
            .await?;
        let (id, _) = entries.first().context("the stream is empty")?;
        let deleted: u32 = self.ask(&["XDEL", &self.0.name, id]).await?;
        anyhow::ensure!(deleted == 1, "the entry is gone already");
        Ok(())
    }

    async fn purge(&self) -> anyhow::Result<()> {
        let _deleted: u32 = self.ask(&["XTRIM", &self.0.name, "MAXLEN", "0"]).await?;
        Ok(())
    }

    async fn depth(&self) -> anyhow::Result<Depth> {
        let all: u32 = self.ask(&["XLEN", &self.0.name]).await?;
        let pending: Pending = self.ask(&["XPENDING", &self.0.name, GROUP]).await?;
        let (_, _, _, consumers) = pending;
        let mut in_flight = 0;
        for (consumer, count) in consumers.unwrap_or_default() {
            if consumer != RELEASED {
                in_flight += count.parse::<u32>()?;
            }
        }
        Ok(Depth {
            waiting: all.saturating_sub(in_flight),
            in_flight,
        })
    }

    async fn take_dead_letters(&self) -> anyhow::Result<Vec<String>> {
        let name = self.dead_letters();
        let entries: Vec<Entry> = self.ask(&["XRANGE", &name, "-", "+"]).await?;
        let _deleted: u32 = self.ask(&["DEL", &name]).await?;
        let body = |(_, fields): Entry| {
            let mut pairs = fields.chunks_exact(2);
            pairs.find_map(|pair| match pair {
                [field, value] if field == BODY => Some(value.clone()),
                _ => None,
            })
        };
        let bodies = entries.into_iter().map(body);
        bodies
            .collect::<Option<_>>()
            .context("a dead letter has no body")
    }
}
