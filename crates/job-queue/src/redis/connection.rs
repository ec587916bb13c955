//! One connection, made again after it is lost.

use std::sync::Arc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{Cmd, FromRedisValue, Pipeline, RedisError, RedisResult, Value, from_redis_value};
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::address::Address;
use super::connecting::connect;
use super::error::{explain, needs_another_connection, no_answer};
use crate::error::QueueError;

/// How long an answer may take, apart from what a call waits for on purpose.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// What is sent to the server.
#[derive(Debug, Clone, Copy)]
enum Request<'a> {
    One(&'a Cmd),
    All(&'a Pipeline),
}

impl Request<'_> {
    /// Returns the answer to each command. If the connection fails, returns only that error.
    async fn send(self, mut connection: MultiplexedConnection) -> Vec<RedisResult<Value>> {
        match self {
            Self::One(command) => vec![command.query_async(&mut connection).await],
            Self::All(commands) => {
                let answers = commands.query_async(&mut connection).await;
                answers.unwrap_or_else(|error| vec![Err(error)])
            }
        }
    }
}

/// A connection to the server that has the stream. The first call connects. Calls of several tasks are sent one after the
/// other without waiting for answers in between.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) address: Arc<Address>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    open: Option<MultiplexedConnection>,
    /// The number of connections that were opened.
    opened: u64,
    /// The node of a cluster that has the stream, if it is not the one in the address.
    moved_to: Option<(String, u16)>,
}

impl Connection {
    pub(super) fn new(address: Arc<Address>) -> Self {
        Self {
            address,
            state: Mutex::default(),
        }
    }

    /// Sends a command and returns its answer.
    pub(super) async fn call<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, QueueError> {
        self.wait_for(command, Duration::ZERO).await
    }

    /// Sends a command that waits in the server for up to `wait`, and returns its answer.
    pub(super) async fn wait_for<T: FromRedisValue>(
        &self,
        command: &Cmd,
        wait: Duration,
    ) -> Result<T, QueueError> {
        let mut answers = self.send(Request::One(command), wait).await?;
        let answer = answers.pop().unwrap_or(Ok(Value::Nil));
        answer
            .and_then(|answer| Ok(from_redis_value(answer)?))
            .map_err(|error| explain(&error, &self.address))
    }

    /// Sends several commands at once and returns their answers. The pipeline has to ignore errors, so that a command that
    /// the server refuses is an error only of its own.
    pub(super) async fn call_all(
        &self,
        commands: &Pipeline,
    ) -> Result<Vec<RedisResult<Value>>, QueueError> {
        self.send(Request::All(commands), Duration::ZERO).await
    }

    /// Sends a request, and once more if the stream is in another node of a cluster.
    async fn send(
        &self,
        request: Request<'_>,
        wait: Duration,
    ) -> Result<Vec<RedisResult<Value>>, QueueError> {
        let mut has_moved = false;
        loop {
            let (number, connection) = self.open().await?;
            let Ok(answers) = timeout(wait + ANSWER_TIMEOUT, request.send(connection)).await else {
                self.drop_connection(number, None).await;
                return Err(no_answer(&self.address));
            };
            // All commands concern one stream, so each of them would be answered in this way.
            let reason = answers.iter().find_map(|answer| answer.as_ref().err());
            let Some(error) = reason.filter(|error| needs_another_connection(error)) else {
                return Ok(answers);
            };
            let moved_to = new_node(error, &self.address);
            let is_moved = moved_to.is_some();
            self.drop_connection(number, moved_to).await;
            if !is_moved || has_moved {
                return Err(explain(error, &self.address));
            }
            has_moved = true;
        }
    }

    /// Returns the connection, with its number.
    async fn open(&self) -> Result<(u64, MultiplexedConnection), QueueError> {
        let mut state = self.state.lock().await;
        if let Some(open) = &state.open {
            return Ok((state.opened, open.clone()));
        }
        let connected = connect(&self.address, state.moved_to.as_ref()).await;
        // The node may be gone, and the address always leads to one that knows which node has the stream.
        let connected = connected.inspect_err(|_| state.moved_to = None)?;
        state.opened += 1;
        state.open = Some(connected.clone());
        Ok((state.opened, connected))
    }

    /// Makes the next call connect again, unless another call has done that already.
    async fn drop_connection(&self, number: u64, moved_to: Option<(String, u16)>) {
        let mut state = self.state.lock().await;
        if state.opened == number {
            state.open = None;
            state.moved_to = moved_to;
        }
    }
}

/// Returns the node of a cluster that the server names as the one with the stream.
fn new_node(error: &RedisError, address: &Address) -> Option<(String, u16)> {
    let (node, _slot) = error.redirect_node()?;
    let (host, port) = node.rsplit_once(':')?;
    // An empty host is that of the server that was asked.
    let host = if host.is_empty() {
        address.host()
    } else {
        host
    };
    Some((host.to_owned(), port.parse().ok()?))
}
