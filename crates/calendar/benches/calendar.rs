//! Measures how fast todos are written as a calendar: `cargo bench -p calendar --bench calendar`.
//!
//! The writer should be at least five times as fast as the `icalendar` crate's own `to_string`, and at least a quarter
//! as fast as a single `write!` per event with prepared fields. Its time should be proportional to the length of the
//! text.

#![expect(
    clippy::unwrap_used,
    reason = "a benchmark may stop when it can't continue"
)]

use std::fmt::Write as _;
use std::hint::black_box;
use std::io::Write as _;

use calendar::CalendarWriter;
use chrono::{NaiveDate, NaiveDateTime, TimeDelta};
use divan::counter::{BytesCount, ItemsCount};
use divan::{Bencher, black_box_drop};
use icalendar::{Calendar, Component as _, Event, EventLike as _, EventStatus};
use shared_model::calendar_options::CalendarOptions;
use shared_model::todo::Todo;

const HOST: &str = "taskoverflow";
const TODOS: i32 = 1000;

fn main() {
    assert_eq!(
        String::from_utf8(render(&todos())).unwrap(),
        String::from_utf8(plain(&prepared())).unwrap()
    );
    divan::main();
}

/// This crate's writer, starting from todos.
#[divan::bench]
fn our_writer(bencher: Bencher) {
    let todos = todos();
    events(bencher).bench(|| render(black_box(&todos)));
}

/// A single `write!` per event, with every field already escaped and folded: the lower bound.
#[divan::bench]
fn plain_write(bencher: Bencher) {
    let prepared = prepared();
    events(bencher).bench(|| plain(black_box(&prepared)));
}

/// The `icalendar` crate's writer, with its model built in advance.
#[divan::bench]
fn crate_to_string(bencher: Bencher) {
    let calendar: Calendar = todos().iter().map(model).collect();
    events(bencher).bench(|| black_box(&calendar).to_string());
}

/// The `icalendar` crate's writer, starting from todos.
#[divan::bench]
fn crate_model_and_to_string(bencher: Bencher) {
    let todos = todos();
    events(bencher).bench(|| {
        black_box(&todos)
            .iter()
            .map(model)
            .collect::<Calendar>()
            .to_string()
    });
}

/// Building the `icalendar` crate's model only. Its cost is the reason why this crate models only what is the same for
/// every todo.
#[divan::bench]
fn crate_model(bencher: Bencher) {
    let todos = todos();
    events(bencher)
        .bench(|| black_box_drop(black_box(&todos).iter().map(model).collect::<Calendar>()));
}

/// The throughput in bytes should not depend on the length of the text.
#[divan::bench(args = [4, 40, 400])]
fn one_text_of_kilobytes(bencher: Bencher, kilobytes: usize) {
    let text = "Größe, 老虎; \\next\n".repeat(kilobytes * 1000 / 22);
    let todo = Todo {
        description: Some(text.clone()),
        ..todo(1)
    };
    bencher
        .counter(BytesCount::of_str(&text))
        .bench(|| render(std::slice::from_ref(black_box(&todo))));
}

fn events<'a, 'b>(bencher: Bencher<'a, 'b>) -> Bencher<'a, 'b> {
    bencher.counter(ItemsCount::from(TODOS.unsigned_abs()))
}

fn todos() -> Vec<Todo> {
    (1..=TODOS).map(todo).collect()
}

/// A mixture of common todos: with and without a description, done and open, with ASCII and other text.
fn todo(id: i32) -> Todo {
    let day = NaiveDate::from_ymd_opt(2026, 2, 27)
        .unwrap()
        .and_hms_opt(12, 30, 0)
        .unwrap();
    let at = day + TimeDelta::minutes(i64::from(id));
    let (title, description) = match id % 4 {
        0 => ("Buy milk, bread and eggs", None),
        1 => (
            "Water the plants",
            Some("Those on the balcony; twice.\nThe cactus not at all."),
        ),
        2 => (
            "Zahnarzttermin für Übermorgen bestätigen 🦷",
            Some("Telefon 030 123456"),
        ),
        _ => (
            "Prepare the slides for Thursday",
            Some(
                "With the numbers of the last quarter, and a picture of the new office for the title page",
            ),
        ),
    };
    Todo {
        id,
        title: title.to_owned(),
        description: description.map(str::to_owned),
        completed: id % 3 == 0,
        deadline_at: Some(at + TimeDelta::days(7)),
        created_at: day,
        updated_at: at,
        revision: id % 5,
    }
}

fn render(todos: &[Todo]) -> Vec<u8> {
    let mut writer = CalendarWriter::begin(Vec::new(), &CalendarOptions::default(), HOST).unwrap();
    for todo in todos {
        writer.push(todo).unwrap();
    }
    writer.finish().unwrap().0
}

/// A todo in the types of the `icalendar` crate.
fn model(todo: &Todo) -> Event {
    let mut event = Event::with_uid(&format!("{}@{HOST}", todo.id));
    event
        .timestamp(todo.updated_at.and_utc())
        .last_modified(todo.updated_at.and_utc())
        .created(todo.created_at.and_utc())
        .sequence(todo.revision.unsigned_abs())
        .summary(&todo.title)
        .starts(todo.deadline_at.unwrap().and_utc());
    if let Some(description) = &todo.description {
        event.description(description);
    }
    if todo.completed {
        event
            .status(EventStatus::Confirmed)
            .add_property("TRANSP", "TRANSPARENT")
            .categories(["Completed"]);
    }
    event
}

/// A todo's fields, escaped and folded.
struct PreparedEvent {
    id: i32,
    updated: String,
    created: String,
    revision: i32,
    summary: String,
    description: String,
    deadline: String,
    done: &'static str,
}

fn prepared() -> Vec<PreparedEvent> {
    todos().iter().map(prepare).collect()
}

fn prepare(todo: &Todo) -> PreparedEvent {
    let stamp = |at: NaiveDateTime| at.format("%Y%m%dT%H%M%SZ").to_string();
    let wire = String::from_utf8(render(std::slice::from_ref(todo))).unwrap();
    let between = |from: &str, to: &str| {
        let (_, rest) = wire.split_once(from)?;
        Some(rest.split_once(to)?.0.to_owned())
    };
    let next = if todo.description.is_some() {
        "\r\nDESCRIPTION:"
    } else {
        "\r\nDTSTART:"
    };
    let mut description = String::new();
    if let Some(text) = between("\r\nDESCRIPTION:", "\r\nDTSTART:") {
        write!(description, "DESCRIPTION:{text}\r\n").unwrap();
    }
    PreparedEvent {
        id: todo.id,
        updated: stamp(todo.updated_at),
        created: stamp(todo.created_at),
        revision: todo.revision,
        summary: between("\r\nSUMMARY:", next).unwrap(),
        description,
        deadline: stamp(todo.deadline_at.unwrap()),
        done: if todo.completed {
            "STATUS:CONFIRMED\r\nTRANSP:TRANSPARENT\r\nCATEGORIES:Completed\r\n"
        } else {
            ""
        },
    }
}

fn plain(events: &[PreparedEvent]) -> Vec<u8> {
    let mut out = render(&[]);
    out.truncate(out.len() - b"END:VCALENDAR\r\n".len());
    for PreparedEvent {
        id,
        updated,
        created,
        revision,
        summary,
        description,
        deadline,
        done,
    } in events
    {
        write!(
            out,
            "BEGIN:VEVENT\r\nUID:{id}@{HOST}\r\nDTSTAMP:{updated}\r\nLAST-MODIFIED:{updated}\r\n\
             CREATED:{created}\r\nSEQUENCE:{revision}\r\nSUMMARY:{summary}\r\n{description}\
             DTSTART:{deadline}\r\n{done}END:VEVENT\r\n"
        )
        .unwrap();
    }
    out.extend_from_slice(b"END:VCALENDAR\r\n");
    out
}
