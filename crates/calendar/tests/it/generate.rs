//! Random todos and options, with an emphasis on unusual ones.

use chrono::{DateTime, NaiveDateTime};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use shared_model::calendar_options::{CalendarOptions, Component, NAME_MAX_CHARS};
use shared_model::todo::{DESCRIPTION_MAX_CHARS, TITLE_MAX_CHARS, Todo};

/// Texts that have broken some calendar program.
pub(crate) const ODD: [&str; 44] = [
    ",",
    ";",
    ":",
    "\"",
    "\\",
    "\\n",
    "\\N",
    "\\\\n",
    "\\;",
    "\\,",
    "C:\\new\\Nodes",
    "a,b;c",
    "^n",
    "%2C",
    "%5C",
    "\n",
    "\r\n",
    "\r",
    "\n\n",
    "\n ",
    "\r\n\t",
    "\t",
    "  ",
    "BEGIN:VEVENT",
    "\nBEGIN:VEVENT\n",
    "\r\nEND:VCALENDAR\r\n",
    "SUMMARY:x",
    "👩‍👩‍👧‍👦",
    "🏳️‍🌈",
    "🦷",
    "𝔘𝔫𝔦𝔠𝔬𝔡𝔢",
    "老虎",
    "שלום",
    "مرحبا",
    "\u{202e}abc\u{202c}",
    "\u{2028}",
    "\u{2029}",
    "\u{85}",
    "\u{a0}",
    "\u{feff}",
    "e\u{301}",
    "\u{301}",
    "\u{200d}",
    "\u{fffd}",
];

/// Any text, including text that the API rejects.
fn text(max_chars: usize) -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        6 => select(ODD.as_slice()).prop_map(str::to_owned),
        3 => "[a-zA-Z0-9 .,!?'-]{1,16}",
        1 => any::<char>().prop_map(String::from),
        1 => select(["x", "é", "老", "🦷", ",", "\\", "\n"].as_slice()).prop_map(|unit| unit.repeat(40)),
    ];
    vec(piece, 1..12).prop_map(move |pieces| pieces.concat().chars().take(max_chars).collect())
}

fn title() -> impl Strategy<Value = String> {
    let trimmed = text(TITLE_MAX_CHARS).prop_map(|title| title.trim().to_owned());
    trimmed.prop_filter("no title", |title| !title.is_empty())
}

fn moment() -> impl Strategy<Value = NaiveDateTime> {
    // mostly in the years 1970 to 2100, sometimes in 1 to 9999
    prop_oneof![4 => 0..4_102_444_800_i64, 1 => -62_135_596_800..253_402_300_800_i64]
        .prop_map(|seconds| DateTime::from_timestamp(seconds, 0).unwrap().naive_utc())
}

fn todo() -> impl Strategy<Value = Todo> {
    let description = option::of(text(DESCRIPTION_MAX_CHARS));
    let times = (option::weighted(0.8, moment()), moment(), moment());
    (title(), description, any::<bool>(), times, 0..1000).prop_map(
        |(title, description, completed, (deadline_at, created_at, updated_at), revision)| Todo {
            id: 0,
            title,
            description,
            completed,
            deadline_at,
            created_at,
            updated_at,
            revision,
        },
    )
}

/// Up to seven todos.
pub(crate) fn todos() -> impl Strategy<Value = Vec<Todo>> {
    vec(todo(), 0..8).prop_map(|mut todos| {
        (1..).zip(&mut todos).for_each(|(id, todo)| todo.id = id);
        todos
    })
}

pub(crate) fn options() -> impl Strategy<Value = CalendarOptions> {
    let component = select([Component::Event, Component::Todo, Component::Both].as_slice());
    let alarm = select(["-PT15M", "-P1D", "-PT45S", "-PT1H30M", "P2DT3H"].as_slice());
    let name = text(NAME_MAX_CHARS).prop_filter_map("no name", |name| name.parse().ok());
    (component, option::of(alarm), option::of(name)).prop_map(|(component, alarm, name)| {
        CalendarOptions {
            component,
            alarm: alarm.map(|alarm| alarm.parse().unwrap()),
            name,
        }
    })
}
