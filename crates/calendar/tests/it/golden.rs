//! The bytes for each option, one file each in `golden/`. To write them anew, and then to read the diff:
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
fn without_options_there_is_an_event_for_each_deadline() {
    check("event.ics", &todos(), &CalendarOptions::default());
}

#[test]
fn component_todo_gives_a_to_do_for_each_todo() {
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
fn component_both_gives_events_and_to_dos_with_uids_of_their_own() {
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
fn an_alarm_reminds_of_what_is_open_and_due() {
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
fn a_name_is_text_like_any_other() {
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
fn no_todos_give_a_calendar_of_nothing() {
    check("none.ics", &[], &CalendarOptions::default());
}

/// Open and done, due and not, and every kind of text that is hard.
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
        reason = "a wish of whoever runs the tests, not a setting"
    )]
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&path, &wire).unwrap();
    }
    let golden = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert_eq!(
        String::from_utf8(wire).unwrap(),
        String::from_utf8(golden).unwrap(),
        "{} differs; with UPDATE_GOLDEN=1 it is written anew",
        path.display()
    );
}
