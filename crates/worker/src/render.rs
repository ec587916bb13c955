//! Reads todos and writes them as a calendar, in one snapshot of the database and in bounded memory.
//!
//! # Layout
//! - `compressor`: compresses one calendar after the other

use std::fmt;
use std::io::{self, BufWriter, Write};

use calendar::CalendarWriter;
use diesel::pg::PgConnection;
use diesel::prelude::*;
use sha2::{Digest, Sha256};
use shared_model::database::DatabaseError;
use shared_model::job::{CalendarRequest, ErrorCode, JobError};
use shared_model::results::NewResult;
use shared_model::schema::todos;
use shared_model::todo::{SelectedTodos, Todo, TodoFilter};

use crate::in_flight::RenderControl;

mod compressor;

pub use compressor::Compressor;

/// The maximum size of a calendar. No calendar program accepts more, and one row of Postgres has to hold it.
pub const MAX_CALENDAR_BYTES: usize = 64 * 1024 * 1024;
/// How many todos are in memory at the same time.
const CHUNK_ROWS: u16 = 1000;
/// How many bytes are compressed and hashed at a time.
const BUFFER_BYTES: usize = 64 * 1024;

/// Why a calendar could not be rendered.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// The todos could not be read.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// The calendar would be larger than [`MAX_CALENDAR_BYTES`].
    #[error("the calendar would be larger than {} MiB", MAX_CALENDAR_BYTES / 1024 / 1024)]
    TooLarge,
    /// The attempt was stopped.
    #[error("the render was stopped")]
    Stopped,
}

impl From<diesel::result::Error> for RenderError {
    fn from(error: diesel::result::Error) -> Self {
        Self::Database(error.into())
    }
}

impl RenderError {
    /// Returns the error that the job's row stores and clients see. It reveals no internals.
    pub fn to_job_error(&self) -> JobError {
        match self {
            Self::Database(_) => JobError::new(ErrorCode::Database, "the todos could not be read"),
            Self::TooLarge => JobError::new(ErrorCode::ResultTooLarge, self.to_string()),
            Self::Stopped => JobError::new(ErrorCode::WorkerStopped, "the attempt was stopped"),
        }
    }

    /// Returns whether another attempt may succeed.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Database(_) | Self::Stopped => true,
            Self::TooLarge => false,
        }
    }
}

/// Where a render reads its todos.
pub enum Source<'a> {
    /// All of them have been read, perhaps for several calendars.
    Memory(&'a SelectedTodos),
    /// They are read chunk by chunk, in one snapshot of the database.
    Database(&'a mut PgConnection),
}

impl fmt::Debug for Source<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Memory(_) => "Memory",
            Self::Database(_) => "Database",
        })
    }
}

/// Renders a calendar: [`render`], or a function that fails on purpose, for tests of failures.
pub type Render = fn(
    Source<'_>,
    &CalendarRequest,
    &str,
    &RenderControl,
    &mut Compressor,
) -> Result<NewResult, RenderError>;

/// Renders the requested calendar. Blocks. Checks `control` between chunks of todos.
///
/// # Errors
/// Returns an error if the todos can't be read, the calendar gets too large, or the render is stopped.
pub fn render(
    source: Source<'_>,
    request: &CalendarRequest,
    host: &str,
    control: &RenderControl,
    compressor: &mut Compressor,
) -> Result<NewResult, RenderError> {
    let out = Output::new(compressor).map_err(too_large)?;
    let out = BufWriter::with_capacity(BUFFER_BYTES, out);
    let mut calendar = CalendarWriter::begin(out, &request.options, host).map_err(too_large)?;
    let fingerprint = match source {
        Source::Memory(selected) => {
            write_selected(selected, control, &mut calendar)?;
            selected.fingerprint.clone()
        }
        Source::Database(connection) => connection
            .build_transaction()
            .read_only()
            .repeatable_read()
            .run(|connection| {
                let selection = request.filter.selection(connection)?;
                let total = i32::try_from(selection.count).unwrap_or(i32::MAX);
                control.progress().set_total(total);
                write_chunks(connection, &request.filter, control, &mut calendar)?;
                Ok::<_, RenderError>(selection.fingerprint)
            })?,
    };
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
        todos_fingerprint: fingerprint,
    })
}

/// Writes todos that have been read.
fn write_selected(
    selected: &SelectedTodos,
    control: &RenderControl,
    calendar: &mut CalendarWriter<impl Write>,
) -> Result<(), RenderError> {
    if control.is_stopped() {
        return Err(RenderError::Stopped);
    }
    let total = i32::try_from(selected.todos.len()).unwrap_or(i32::MAX);
    control.progress().set_total(total);
    for todo in &selected.todos {
        calendar.push(todo).map_err(too_large)?;
    }
    control.progress().set_done(total);
    Ok(())
}

/// Reads the selected todos and writes them in the order of their ids, chunk by chunk.
fn write_chunks(
    connection: &mut PgConnection,
    filter: &TodoFilter,
    control: &RenderControl,
    calendar: &mut CalendarWriter<impl Write>,
) -> Result<(), RenderError> {
    let mut last_id = i32::MIN;
    let mut done: i32 = 0;
    loop {
        if control.is_stopped() {
            return Err(RenderError::Stopped);
        }
        let chunk: Vec<Todo> = filter
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
        control.progress().set_done(done);
        if chunk.len() < usize::from(CHUNK_ROWS) {
            return Ok(());
        }
    }
}

/// [`Output`] writes to memory, so the size limit is the only reason for an error.
fn too_large(_: io::Error) -> RenderError {
    RenderError::TooLarge
}

/// Compresses and hashes what is written, up to the size limit.
#[derive(Debug)]
struct Output<'a> {
    compressor: &'a mut Compressor,
    sha256: Sha256,
    /// The number of bytes before compression.
    length: usize,
}

impl<'a> Output<'a> {
    fn new(compressor: &'a mut Compressor) -> io::Result<Self> {
        compressor.begin()?;
        Ok(Self {
            compressor,
            sha256: Sha256::new(),
            length: 0,
        })
    }

    /// Returns the compressed bytes, and the SHA-256 and the length of the uncompressed bytes.
    fn finish(self) -> io::Result<(Vec<u8>, Vec<u8>, i64)> {
        let length = i64::try_from(self.length).map_err(io::Error::other)?;
        let content = self.compressor.finish()?;
        Ok((content, self.sha256.finalize().to_vec(), length))
    }
}

impl Write for Output<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.length + bytes.len() > MAX_CALENDAR_BYTES {
            return Err(io::Error::from(io::ErrorKind::FileTooLarge));
        }
        self.length += bytes.len();
        self.sha256.update(bytes);
        self.compressor.write_all(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.compressor.flush()
    }
}
