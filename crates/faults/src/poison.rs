//! Todos that make the render of a calendar go wrong, as their titles say. The one thing in which the worker of a fault
//! run differs from the real one.

use std::time::Duration;

use diesel::pg::PgConnection;
use diesel::prelude::*;
use nix::sys::resource::{Resource, setrlimit};
use shared_model::job::CalendarRequest;
use shared_model::results::NewResult;
use shared_model::schema::todos;
use worker::in_flight::RenderControl;
use worker::render::RenderError;

/// What a poisoned todo does to the render of each calendar that it goes into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Poison {
    /// Holds the render until the todo is renamed; ends it at once when the worker wants that.
    Wait,
    /// Panics.
    Panic,
    /// Ends the whole process.
    Abort,
    /// Takes memory until there is no more.
    Memory,
    /// Never comes to an end, and looks at nothing.
    Loop,
}

/// How often a waiting render looks at its todo.
const LOOK_INTERVAL: Duration = Duration::from_millis(20);
/// What a process may still take when its memory runs out, so that the machine's does not.
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

    /// The title of such a todo.
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

/// As [`worker::render::render`], after what the job's todos do to it. Of several poisoned todos the one with the latest
/// deadline counts, so that jobs with different windows have different fates.
///
/// # Errors
/// As [`worker::render::render`].
///
/// # Panics
/// When a todo says so.
pub fn render(
    connection: &mut PgConnection,
    request: &CalendarRequest,
    host: &str,
    control: &RenderControl,
) -> Result<NewResult, RenderError> {
    while let Some(poison) = find(connection, request)? {
        match poison {
            Poison::Wait if control.is_stopped() => return Err(RenderError::Stopped),
            Poison::Wait => pause(),
            #[expect(clippy::panic, reason = "on purpose")]
            Poison::Panic => panic!("a todo says so"),
            Poison::Abort => std::process::abort(),
            Poison::Memory => exhaust_memory(),
            Poison::Loop => loop {
                pause();
            },
        }
    }
    worker::render::render(connection, request, host, control)
}

fn find(
    connection: &mut PgConnection,
    request: &CalendarRequest,
) -> Result<Option<Poison>, RenderError> {
    let titles = Poison::ALL.map(Poison::title);
    let title: Option<String> = request
        .filter
        .query()
        .filter(todos::title.eq_any(titles))
        .order(todos::deadline_at.desc())
        .select(todos::title)
        .first(connection)
        .optional()?;
    Ok(title.and_then(|title| {
        Poison::ALL
            .into_iter()
            .find(|poison| poison.title() == title)
    }))
}

#[expect(
    clippy::disallowed_methods,
    reason = "a render runs on a thread that may block"
)]
fn pause() {
    std::thread::sleep(LOOK_INTERVAL);
}

fn exhaust_memory() -> ! {
    if setrlimit(Resource::RLIMIT_AS, MEMORY_LIMIT, MEMORY_LIMIT).is_err() {
        // without a limit of its own the process would take the machine's memory
        std::process::abort();
    }
    let mut taken: Vec<Vec<u8>> = Vec::new();
    loop {
        taken.push(vec![1; 1024 * 1024]);
    }
}
