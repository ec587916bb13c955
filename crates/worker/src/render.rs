//! From the todos' rows to a calendar, in one snapshot of the database and in bounded memory.

use std::io::{self, BufWriter, Write};

use diesel::pg::PgConnection;
use diesel::prelude::*;
use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};
use shared_model::database::DatabaseError;
use shared_model::job::{CalendarRequest, ErrorCode, JobError};
use shared_model::results::NewResult;
use shared_model::schema::todos;
use shared_model::todo::Todo;

use crate::held::SharedHolding;
use calendar::CalendarWriter;

/// The largest calendar. No program that reads calendars takes more, and a row of Postgres has to hold it.
pub const MAX_CALENDAR_BYTES: usize = 64 * 1024 * 1024;
/// Rows in memory at once.
const CHUNK_ROWS: u16 = 1000;

/// Why there is no calendar.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// The rows could not be read.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// It would be larger than [`MAX_CALENDAR_BYTES`].
    #[error("the calendar would be larger than {} MiB", MAX_CALENDAR_BYTES / 1024 / 1024)]
    TooLarge,
    /// The holding's token was cancelled.
    #[error("the render was stopped")]
    Stopped,
}

impl From<diesel::result::Error> for RenderError {
    fn from(error: diesel::result::Error) -> Self {
        Self::Database(error.into())
    }
}

impl RenderError {
    /// As the job's row keeps it, without internals.
    pub fn to_job_error(&self) -> JobError {
        match self {
            Self::Database(_) => JobError::new(ErrorCode::Database, "the todos could not be read"),
            Self::TooLarge => JobError::new(ErrorCode::ResultTooLarge, self.to_string()),
            Self::Stopped => JobError::new(ErrorCode::WorkerStopped, "the attempt was cut short"),
        }
    }

    /// Whether another attempt may end otherwise.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Database(_) | Self::Stopped => true,
            Self::TooLarge => false,
        }
    }
}

/// How a worker makes a calendar: [`render`], or one that fails on purpose, to see what becomes of its jobs.
pub type Render =
    fn(&mut PgConnection, &CalendarRequest, &str, &SharedHolding) -> Result<NewResult, RenderError>;

/// Renders the calendar that was asked for. Blocks; looks at `holding` between chunks.
///
/// # Errors
/// When the rows can't be read, the calendar gets too large, or the holding is stopped.
pub fn render(
    connection: &mut PgConnection,
    request: &CalendarRequest,
    host: &str,
    holding: &SharedHolding,
) -> Result<NewResult, RenderError> {
    connection
        .build_transaction()
        .read_only()
        .repeatable_read()
        .run(|connection| {
            let selection = request.filter.selection(connection)?;
            holding
                .progress()
                .set_total(i32::try_from(selection.count).unwrap_or(i32::MAX));

            let out = BufWriter::with_capacity(64 * 1024, Output::new());
            let mut calendar =
                CalendarWriter::begin(out, &request.options, host).map_err(too_large)?;
            let mut last_id = i32::MIN;
            let mut done: i32 = 0;
            loop {
                if holding.is_stopped() {
                    return Err(RenderError::Stopped);
                }
                let chunk: Vec<Todo> = request
                    .filter
                    .query()
                    .filter(todos::id.gt(last_id))
                    .order(todos::id)
                    .limit(i64::from(CHUNK_ROWS))
                    .select(Todo::as_select())
                    .load(connection)?;
                for todo in &chunk {
                    calendar.push(todo).map_err(too_large)?;
                    last_id = todo.id;
                }
                done = done.saturating_add(i32::try_from(chunk.len()).unwrap_or(i32::MAX));
                holding.progress().set_done(done);
                if chunk.len() < usize::from(CHUNK_ROWS) {
                    break;
                }
            }
            let (out, counts) = calendar.finish().map_err(too_large)?;
            let out = out
                .into_inner()
                .map_err(|error| too_large(error.into_error()))?;
            let (content, sha256, byte_length) = out.finish().map_err(too_large)?;
            Ok(NewResult {
                gzip_sha256: Sha256::digest(&content).to_vec(),
                content,
                sha256,
                byte_length,
                event_count: i32::try_from(counts.events).unwrap_or(i32::MAX),
                skipped_count: i32::try_from(counts.skipped).unwrap_or(i32::MAX),
                todos_fingerprint: selection.fingerprint,
            })
        })
}

/// [`Output`] writes to memory and fails for one reason only.
fn too_large(_: io::Error) -> RenderError {
    RenderError::TooLarge
}

/// Compresses what is written, hashes it, and refuses to grow beyond the limit.
#[derive(Debug)]
struct Output {
    gzip: GzEncoder<Vec<u8>>,
    sha256: Sha256,
    length: usize,
}

impl Output {
    fn new() -> Self {
        Self {
            gzip: GzEncoder::new(Vec::new(), Compression::default()),
            sha256: Sha256::new(),
            length: 0,
        }
    }

    fn finish(self) -> io::Result<(Vec<u8>, Vec<u8>, i64)> {
        let length = i64::try_from(self.length).map_err(io::Error::other)?;
        Ok((self.gzip.finish()?, self.sha256.finalize().to_vec(), length))
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.length + bytes.len() > MAX_CALENDAR_BYTES {
            return Err(io::Error::from(io::ErrorKind::FileTooLarge));
        }
        self.length += bytes.len();
        self.sha256.update(bytes);
        self.gzip.write_all(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.gzip.flush()
    }
}
