//! A stored calendar, read from the table while it is sent: a client that takes its time keeps one part of it in
//! memory, and no connection to the database.

use std::io::{self, Write};
use std::mem;

use actix_web::web::{Bytes, Data};
use diesel::PgConnection;
use flate2::write::GzDecoder;
use futures_util::{Stream, StreamExt, TryStreamExt, stream};
use shared_model::database::DatabaseError;
use shared_model::job::JobId;
use shared_model::results;

use crate::response::problem::ApiError;
use crate::state::Api;

/// How much is read at a time, gzipped: some thousand todos, so most calendars are read in one query.
const PART_BYTES: i32 = 256 * 1024;
/// How much of it is decompressed at a time. A calendar is a tenth as long when it is gzipped, so this takes well under
/// a millisecond of a thread that others wait for.
const STEP_BYTES: usize = 8 * 1024;

/// The first part of a job's gzipped calendar; `None` if there is no calendar. It is read before the answer begins, so
/// that whatever is wrong can still be said.
///
/// # Errors
/// When the database does not answer.
pub fn first_part(
    connection: &mut PgConnection,
    id: JobId,
) -> Result<Option<Bytes>, DatabaseError> {
    Ok(results::part(connection, id, 0, PART_BYTES)?.map(Bytes::from))
}

/// All `length` bytes of a job's gzipped calendar, of which `first` is read already. If the database goes away or the
/// job expires meanwhile, they break off.
pub fn gzipped(
    api: Data<Api>,
    id: JobId,
    first: Bytes,
    length: i32,
) -> impl Stream<Item = Result<Bytes, ApiError>> {
    let offset = i32::try_from(first.len()).unwrap_or(i32::MAX);
    let others = stream::try_unfold(offset, move |offset| {
        let api = api.clone();
        async move {
            if offset >= length {
                return Ok(None);
            }
            let part = api
                .query(move |connection| Ok(results::part(connection, id, offset, PART_BYTES)?))
                .await?
                .filter(|part| !part.is_empty())
                .ok_or(ApiError::JobExpired)?;
            let read = i32::try_from(part.len()).unwrap_or(i32::MAX);
            Ok(Some((Bytes::from(part), offset.saturating_add(read))))
        }
    });
    stream::iter([Ok(first)]).chain(others)
}

/// What gzipped `parts` are when they are decompressed. What is damaged breaks off.
pub fn decompressed(
    parts: impl Stream<Item = Result<Bytes, ApiError>>,
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
