//! Poison: todos whose titles make the render of a calendar fail. This is the only difference between the worker of a
//! fault run and the real one.

use std::time::Duration;

use diesel::pg::PgConnection;
use diesel::prelude::*;
use nix::sys::resource::{Resource, setrlimit};
use shared_model::database::DatabaseError;
use shared_model::job::CalendarRequest;
use shared_model::results::NewResult;
use shared_model::schema::todos;
use shared_model::todo::Todo;
use worker::in_flight::RenderControl;
use worker::render::{Compressor, RenderError, Source};

/// What a poisoned todo does to the render of every calendar that contains it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Poison {
    /// Blocks the render until the todo is renamed. The render still ends immediately if the worker stops it.
    Wait,
    /// Panics.
    Panic,
    /// Aborts the process.
    Abort,
    /// Allocates memory until none is left.
    Memory,
    /// Never ends, and ignores the worker's request to stop.
    Loop,
}

/// How often a blocked render looks for its todo.
const POLL_INTERVAL: Duration = Duration::from_millis(20);
/// How much memory the process may use, so that it runs out before the machine does.
const MEMORY_LIMIT: u64 = 1024 * 1024 * 1024;

impl Poison {
    /// Every kind.
    pub const ALL: [Self; 5] = [
        Self::Wait,
        Self::Panic,
        Self::Abort,
        Self::Memory,
        Self::Loop,
    ];

    /// Returns the poison of the poisoned todo with the latest deadline, if any.
    fn of(todos: &[Todo]) -> Option<Self> {
        let poison = |todo: &Todo| {
            Self::ALL
                .into_iter()
                .find(|poison| poison.title() == todo.title)
        };
        let poisoned = todos
            .iter()
            .filter_map(|todo| Some((todo.deadline_at, poison(todo)?)));
        let last = poisoned.max_by_key(|(deadline, _)| *deadline);
        last.map(|(_, poison)| poison)
    }

    /// Returns the title of a todo with this poison.
    pub fn title(self) -> &'static str {
        match self {
            Self::Wait => "fault: wait",
            Self::Panic => "fault: panic",
            Self::Abort => "fault: abort",
            Self::Memory => "fault: memory",
            Self::Loop => "fault: loop",
        }
    }
}

/// Does what [`worker::render::render`] does, unless one of the job's todos is poisoned. Of several poisoned todos, the one
/// with the latest deadline counts, so a job can choose its poison with its window.
///
/// # Errors
/// Returns the errors of [`worker::render::render`].
///
/// # Panics
/// Panics if the poison is [`Poison::Panic`].
pub fn render(
    source: Source<'_>,
    request: &CalendarRequest,
    host: &str,
    control: &RenderControl,
    compressor: &mut Compressor,
) -> Result<NewResult, RenderError> {
    match source {
        Source::Memory(selected) if Poison::of(&selected.todos).is_none() => {
            worker::render::render(Source::Memory(selected), request, host, control, compressor)
        }
        Source::Memory(_) => {
            let mut connection = connect()?;
            render_once_harmless(&mut connection, request, host, control, compressor)
        }
        Source::Database(connection) => {
            render_once_harmless(connection, request, host, control, compressor)
        }
    }
}

fn render_once_harmless(
    connection: &mut PgConnection,
    request: &CalendarRequest,
    host: &str,
    control: &RenderControl,
    compressor: &mut Compressor,
) -> Result<NewResult, RenderError> {
    while let Some(poison) = find(connection, request)? {
        match poison {
            Poison::Wait if control.is_stopped() => return Err(RenderError::Stopped),
            Poison::Wait => pause(),
            #[expect(clippy::panic, reason = "the poison is a panic")]
            Poison::Panic => panic!("injected by a poisoned todo"),
            Poison::Abort => std::process::abort(),
            Poison::Memory => exhaust_memory(),
            Poison::Loop => loop {
                pause();
            },
        }
    }
    let source = Source::Database(connection);
    worker::render::render(source, request, host, control, compressor)
}

fn find(
    connection: &mut PgConnection,
    request: &CalendarRequest,
) -> Result<Option<Poison>, RenderError> {
    let titles = Poison::ALL.map(Poison::title);
    let poisoned: Vec<Todo> = request
        .filter
        .query()
        .filter(todos::title.eq_any(titles))
        .select(Todo::as_select())
        .load(connection)?;
    Ok(Poison::of(&poisoned))
}

/// Connects to the database of this process, for a render that has to see when its todo is renamed.
#[expect(
    clippy::disallowed_methods,
    reason = "a render gets no settings, and a fault run passes the database in this variable"
)]
fn connect() -> Result<PgConnection, RenderError> {
    let unavailable = |error: String| RenderError::Database(DatabaseError::Unavailable(error));
    let url = std::env::var("DATABASE_URL").map_err(|error| unavailable(error.to_string()))?;
    PgConnection::establish(&url).map_err(|error| unavailable(error.to_string()))
}

#[expect(
    clippy::disallowed_methods,
    reason = "a render runs on a thread that may block"
)]
fn pause() {
    std::thread::sleep(POLL_INTERVAL);
}

fn exhaust_memory() -> ! {
    if setrlimit(Resource::RLIMIT_AS, MEMORY_LIMIT, MEMORY_LIMIT).is_err() {
        // Without a limit the process would exhaust the memory of the machine.
        std::process::abort();
    }
    let mut allocated: Vec<Vec<u8>> = Vec::new();
    loop {
        allocated.push(vec![1; 1024 * 1024]);
    }
}
