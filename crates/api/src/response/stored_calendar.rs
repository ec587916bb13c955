//! A stored calendar, which is read from the database while it is sent. A slow client keeps only one part of the calendar
//! in memory, and no database connection.

use std::io::{self, Write};
use std::mem;

use actix_web::web::{Bytes, Data};
use flate2::write::GzDecoder;
use futures_util::{Stream, StreamExt, TryStreamExt, stream};
use shared_model::job::JobId;
use shared_model::results;

use crate::state::{Api, QueryError};

/// The length of a part, gzipped. It has room for several thousand todos, so most calendars need one query.
const PART_BYTES: i32 = 256 * 1024;
/// How many gzipped bytes are decompressed at a time. They grow about tenfold. That takes well under a millisecond, on
/// a thread that also serves other requests.
const STEP_BYTES: usize = 8 * 1024;

/// A stored calendar could not be read to its end.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The query for the next part failed.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// The job expired while its calendar was being sent.
    #[error("the job has expired")]
    Expired,
}

/// Opens the gzipped calendar of a job, which is `length` bytes long. Returns `None` if there is no calendar. This reads
/// the first part, so that an error can still become the response; a later error ends the stream early.
///
/// # Errors
/// Returns an error if the query fails.
pub async fn open(
    api: Data<Api>,
    id: JobId,
    length: i32,
) -> Result<Option<impl Stream<Item = Result<Bytes, ReadError>>>, QueryError> {
    let Some(first) = read_part(&api, id, 0).await? else {
        return Ok(None);
    };
    let offset = i32::try_from(first.len()).unwrap_or(i32::MAX);
    let others = stream::try_unfold(offset, move |offset| {
        let api = api.clone();
        async move {
            if offset >= length {
                return Ok(None);
            }
            let part = read_part(&api, id, offset)
                .await?
                .filter(|part| !part.is_empty())
                .ok_or(ReadError::Expired)?;
            let read = i32::try_from(part.len()).unwrap_or(i32::MAX);
            Ok(Some((part, offset.saturating_add(read))))
        }
    });
    Ok(Some(stream::iter([Ok(first)]).chain(others)))
}

async fn read_part(api: &Api, id: JobId, offset: i32) -> Result<Option<Bytes>, QueryError> {
    let part = api
        .query(move |connection| results::part(connection, id, offset, PART_BYTES))
        .await?;
    Ok(part.map(Bytes::from))
}

/// Decompresses `parts` of a gzipped calendar. The stream ends with an error if the data is damaged.
pub fn decompressed(
    parts: impl Stream<Item = Result<Bytes, ReadError>>,
) -> impl Stream<Item = io::Result<Bytes>> {
    let state = (
        Box::pin(parts),
        Bytes::new(),
        Some(GzDecoder::new(Vec::new())),
    );
    stream::try_unfold(state, |(mut parts, mut part, decoder)| async move {
        let Some(mut decoder) = decoder else {
            return Ok(None);
        };
        loop {
            if part.is_empty() {
                let Some(next) = parts.try_next().await.map_err(io::Error::other)? else {
                    let rest = Bytes::from(decoder.finish()?);
                    return Ok(Some((rest, (parts, part, None))));
                };
                part = next;
            }
            let step = part.split_to(part.len().min(STEP_BYTES));
            decoder.write_all(&step)?;
            let bytes = Bytes::from(mem::take(decoder.get_mut()));
            if !bytes.is_empty() {
                return Ok(Some((bytes, (parts, part, Some(decoder)))));
            }
        }
    })
}
