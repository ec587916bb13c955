//! The parts of a calendar that are the same for every todo, in the types of the `icalendar` crate.
//!
//! The parts that differ between todos are written directly: building an `Event`, which is a map of owned strings,
//! takes ten times as long as writing its lines (`benches/calendar.rs`).

use icalendar::{
    Alarm, Calendar, Component, Event, EventLike, EventStatus, Property, Related, Todo, TodoStatus,
    Trigger,
};
use shared_model::calendar_options::{AlarmTrigger, CalendarOptions};

/// The name of a calendar whose options contain no name.
const DEFAULT_NAME: &str = "TaskOverflow";
/// How often a calendar program should fetch the calendar again.
const REFRESH_INTERVAL: &str = "PT1H";

pub(crate) fn container(options: &CalendarOptions) -> Calendar {
    let name = options
        .name
        .as_ref()
        .map_or(DEFAULT_NAME, |name| name.as_str());
    let product = format!(
        "-//TaskOverflow//taskoverflow {}//EN",
        env!("CARGO_PKG_VERSION")
    );
    Calendar::empty()
        .append_property(("VERSION", "2.0"))
        .append_property(("PRODID", product.as_str()))
        .append_property(("CALSCALE", "GREGORIAN"))
        .name(name)
        .append_property(
            Property::new("REFRESH-INTERVAL", REFRESH_INTERVAL)
                .add_parameter("VALUE", "DURATION")
                .done(),
        )
        .append_property(("X-PUBLISHED-TTL", REFRESH_INTERVAL))
        .done()
}

/// The properties that show an event's todo as done. TRANSP marks the time as free again.
pub(crate) fn done_event() -> Event {
    Event::new()
        .status(EventStatus::Confirmed)
        .add_property("TRANSP", "TRANSPARENT")
        .categories(["Completed"])
        .done()
}

pub(crate) fn open_todo() -> Todo {
    Todo::new().status(TodoStatus::NeedsAction).done()
}

pub(crate) fn done_todo() -> Todo {
    Todo::new()
        .status(TodoStatus::Completed)
        .percent_complete(100)
        .done()
}

/// An alarm without its DESCRIPTION, which is the todo's title.
pub(crate) fn alarm(trigger: &AlarmTrigger, related: Option<Related>) -> Alarm {
    let mut property = Property::new("TRIGGER", trigger.as_str());
    if let Some(related) = related {
        property.append_parameter(related);
    }
    Alarm::display("", Trigger::from(chrono::TimeDelta::zero()))
        .remove_property("DESCRIPTION")
        .append_property(property)
        .done()
}
