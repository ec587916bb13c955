use std::io::{self, Write};

use calendar::{CalendarWriter, Counts, lint};
use chrono::NaiveDate;
use shared_model::calendar_options::{CalendarOptions, Component};
use shared_model::todo::Todo;

use crate::rendering::{HOST, render};

fn todo(id: i32) -> Todo {
    let at = NaiveDate::from_ymd_opt(2026, 2, 27)
        .unwrap()
        .and_hms_opt(12, 30, 0)
        .unwrap();
    Todo {
        id,
        title: format!("Number {id}"),
        description: None,
        completed: false,
        deadline_at: Some(at),
        created_at: at,
        updated_at: at,
        revision: 0,
    }
}

fn counts(todos: &[Todo], component: Component) -> Counts {
    render(
        todos,
        &CalendarOptions {
            component,
            ..CalendarOptions::default()
        },
    )
    .1
}

#[test]
fn a_todo_without_a_deadline_is_left_out_only_if_there_are_only_events() {
    let todos = [
        todo(1),
        Todo {
            deadline_at: None,
            ..todo(2)
        },
    ];
    assert_eq!(
        counts(&todos, Component::Event),
        Counts {
            events: 1,
            skipped: 1
        }
    );
    assert_eq!(
        counts(&todos, Component::Todo),
        Counts {
            events: 2,
            skipped: 0
        }
    );
    assert_eq!(
        counts(&todos, Component::Both),
        Counts {
            events: 3,
            skipped: 0
        }
    );
}

#[test]
fn a_year_after_9999_drops_that_deadline_or_todo_but_not_the_calendar() {
    let year_10000 = NaiveDate::from_ymd_opt(10_000, 1, 1)
        .unwrap()
        .and_hms_opt(0, 0, 0);
    let without_deadline = Todo {
        deadline_at: year_10000,
        ..todo(1)
    };
    let left_out = Todo {
        created_at: year_10000.unwrap(),
        ..todo(2)
    };
    let todos = [without_deadline, left_out, todo(3)];
    assert_eq!(
        counts(&todos, Component::Event),
        Counts {
            events: 1,
            skipped: 2
        }
    );
    assert_eq!(
        counts(&todos, Component::Both),
        Counts {
            events: 3,
            skipped: 1
        }
    );
}

#[test]
fn a_calendar_without_todos_is_complete() {
    let (bytes, counts) = render(&[], &CalendarOptions::default());
    assert_eq!(counts, Counts::default());
    assert!(bytes.ends_with(b"X-PUBLISHED-TTL:PT1H\r\nEND:VCALENDAR\r\n"));
}

/// An output that records the size of the largest piece written to it.
#[derive(Default)]
struct Pieces {
    bytes: Vec<u8>,
    largest: usize,
}

impl Write for Pieces {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        self.largest = self.largest.max(piece.len());
        self.bytes.write(piece)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_hundred_thousand_todos_are_written_in_small_pieces() {
    let options = CalendarOptions::default();
    let mut calendar = CalendarWriter::begin(Pieces::default(), &options, HOST).unwrap();
    for id in 1..=100_000 {
        let deadline_at = todo(id).deadline_at.filter(|_| id % 10 != 0);
        calendar
            .push(&Todo {
                deadline_at,
                ..todo(id)
            })
            .unwrap();
    }
    let (out, counts) = calendar.finish().unwrap();
    assert_eq!(
        counts,
        Counts {
            events: 90_000,
            skipped: 10_000
        }
    );
    assert!(out.largest < 20 * 1024, "a piece of {} bytes", out.largest);
    assert_eq!(lint::lint(&out.bytes), []);
}

#[test]
fn an_error_of_the_output_is_returned() {
    struct Full;
    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut calendar = CalendarWriter::begin(Full, &CalendarOptions::default(), HOST).unwrap();
    let failed = (1..1000).find_map(|id| calendar.push(&todo(id)).err());
    assert_eq!(failed.unwrap().kind(), io::ErrorKind::StorageFull);

    let calendar = CalendarWriter::begin(Full, &CalendarOptions::default(), HOST).unwrap();
    assert!(calendar.finish().is_err());
}
