//! The exact bytes for each option, in one file per test in `golden/`. After a deliberate change, rewrite the files and
//! review the diff:
//!
//! ```sh
//! UPDATE_GOLDEN=1 cargo test -p calendar --test it golden
//! ```

use std::fs;
use std::path::Path;

use chrono::NaiveDateTime;
use shared_model::calendar_options::{CalendarOptions, Component};
use shared_model::todo::Todo;

use crate::rendering::render;

#[test]
fn by_default_each_todo_with_a_deadline_becomes_an_event() {
    check("event.ics", &todos(), &CalendarOptions::default());
}

#[test]
fn component_todo_writes_a_to_do_for_each_todo() {
    check(
        "todo.ics",
        &todos(),
        &CalendarOptions {
            component: Component::Todo,
            ..CalendarOptions::default()
        },
    );
}

#[test]
fn component_both_writes_events_and_to_dos_with_different_uids() {
    check(
        "both.ics",
        &todos(),
        &CalendarOptions {
            component: Component::Both,
            ..CalendarOptions::default()
        },
    );
}

#[test]
fn open_todos_with_a_deadline_get_an_alarm() {
    let alarm = Some("-PT15M".parse().unwrap());
    check(
        "alarm.ics",
        &todos(),
        &CalendarOptions {
            component: Component::Both,
            alarm,
            name: None,
        },
    );
}

#[test]
fn the_name_of_a_calendar_is_escaped() {
    let name = Some("Work, home; C:\\new 老虎".parse().unwrap());
    check(
        "name.ics",
        &[],
        &CalendarOptions {
            name,
            ..CalendarOptions::default()
        },
    );
}

#[test]
fn without_todos_the_calendar_has_no_components() {
    check("none.ics", &[], &CalendarOptions::default());
}

/// Open and done todos, with and without a deadline, and every kind of difficult text.
fn todos() -> Vec<Todo> {
    let family = "👩‍👩‍👧‍👦".chars().cycle().take(80).collect::<String>();
    [
        ("Buy milk, bread; eggs", Some("From the baker at the corner.\nOr from the other one, if it is closed again on a Tuesday."), false, true),
        ("Water the plants", None, true, true),
        ("Read C:\\new\\notes", Some("\\n is no line break"), false, false),
        ("Clean up", Some(""), true, false),
        (family.as_str(), None, false, true),
        ("לקנות חלב וגם לחם, ולשלם את החשבון של החשמל עד סוף החודש הזה בבוקר", Some("\u{feff}a\u{a0}b\u{2028}c\u{85}d"), false, true),
        ("BEGIN:VEVENT", Some("one\r\ntwo\rthree\n\nfive\r\n\tEND:VEVENT\u{0}\u{1b}\u{7f}"), false, true),
    ]
    .into_iter()
    .zip(1..)
    .map(|((title, description, completed, due), id)| Todo {
        id,
        title: title.to_owned(),
        description: description.map(str::to_owned),
        completed,
        deadline_at: due.then(|| at("2026-03-01T09:05:00")),
        created_at: at("2026-02-27T12:30:00"),
        updated_at: at("2026-02-28T23:59:59.999999"),
        revision: id - 1,
    })
    .collect()
}

fn at(text: &str) -> NaiveDateTime {
    text.parse().unwrap()
}

fn check(name: &str, todos: &[Todo], options: &CalendarOptions) {
    let (wire, _) = render(todos, options);
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/it/golden")
        .join(name);
    #[expect(
        clippy::disallowed_methods,
        reason = "it controls the test run and is not a setting of the service"
    )]
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&path, &wire).unwrap();
    }
    let golden = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert_eq!(
        String::from_utf8(wire).unwrap(),
        String::from_utf8(golden).unwrap(),
        "{} differs; UPDATE_GOLDEN=1 rewrites it",
        path.display()
    );
}
