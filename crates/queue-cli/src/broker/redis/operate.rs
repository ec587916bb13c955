//! What operators do with a stream.

use redis::{RedisError, Value, cmd, pipe};

use super::GROUP;
use super::connection::{connect, explain};
use crate::broker::{BrokerUrl, Depth};
use crate::error::Error;

/// Creates the stream and its group. A group that exists is kept unchanged.
pub(in crate::broker) async fn create(url: &BrokerUrl) -> Result<(), Error> {
    let mut connection = connect(url).await?;
    let mut command = cmd("XGROUP");
    command.arg("CREATE").arg(url.name()).arg(GROUP);
    command.arg("0").arg("MKSTREAM");
    match command.exec_async(&mut connection).await {
        Err(error) if error.code() == Some("BUSYGROUP") => Ok(()),
        other => other.map_err(|error| explain("XGROUP", url, &error)),
    }
}

/// Deletes the stream with all its groups.
pub(in crate::broker) async fn delete(url: &BrokerUrl) -> Result<(), Error> {
    let mut connection = connect(url).await?;
    let mut command = cmd("DEL");
    command.arg(url.name());
    match command.query_async(&mut connection).await {
        Ok(0_u64) => Err(super::connection::missing(url)),
        Ok(_) => Ok(()),
        Err(error) => Err(explain("DEL", url, &error)),
    }
}

/// The number of pending entries, the lowest id, the highest id and the consumers.
type Summary = (u64, Value, Value, Value);

/// Returns how many entries the stream has, and how many of them are pending.
pub(in crate::broker) async fn depth(url: &BrokerUrl) -> Result<Depth, Error> {
    let mut connection = connect(url).await?;
    let mut length = cmd("XLEN");
    length.arg(url.name());
    let entries: Result<u64, RedisError> = length.query_async(&mut connection).await;
    let entries = entries.map_err(|error| explain("XLEN", url, &error))?;
    let mut summary = cmd("XPENDING");
    summary.arg(url.name()).arg(GROUP);
    let pending: Result<Summary, RedisError> = summary.query_async(&mut connection).await;
    let (pending, ..) = pending.map_err(|error| explain("XPENDING", url, &error))?;
    Ok(Depth {
        visible: entries.saturating_sub(pending),
        in_flight: Some(pending),
    })
}

/// Deletes all entries, also those that are in flight, and starts the group anew.
pub(in crate::broker) async fn purge(url: &BrokerUrl) -> Result<(), Error> {
    let mut connection = connect(url).await?;
    let mut pipeline = pipe();
    pipeline.atomic();
    pipeline.cmd("XTRIM").arg(url.name()).arg("MAXLEN").arg(0);
    let group = |pipeline: &mut redis::Pipeline, action: &str| {
        let command = pipeline.cmd("XGROUP").arg(action);
        command.arg(url.name()).arg(GROUP);
    };
    group(&mut pipeline, "DESTROY");
    group(&mut pipeline, "CREATE");
    pipeline.arg("$").arg("MKSTREAM");
    let result = pipeline.exec_async(&mut connection).await;
    result.map_err(|error| explain("XTRIM", url, &error))
}
