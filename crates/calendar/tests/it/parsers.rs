use calcard::icalendar::{ICalendar, ICalendarComponent, ICalendarValue};
use icalendar::parser::{self, Property};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use crate::expected::{self, Read};
use crate::generate;
use crate::rendering::render;

proptest! {
    // The seed is fixed, so every run tests the same calendars. A regression gets a named test of its own.
    #![proptest_config(ProptestConfig {
        rng_seed: RngSeed::Fixed(1),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn two_rust_parsers_read_any_text_back_unchanged(
        todos in generate::todos(),
        options in generate::options(),
    ) {
        let (bytes, _) = render(&todos, &options);
        let wire = String::from_utf8(bytes).unwrap();
        let expected = expected::calendar(&todos, &options);
        prop_assert_eq!(read_by_icalendar(&wire), expected.clone().only(&|name| name != "NAME"));
        prop_assert_eq!(read_by_calcard(&wire), expected.only(&is_text_to_calcard));
    }
}

/// Leaves out NAME, which that parser does not unescape.
fn read_by_icalendar(wire: &str) -> Read {
    let unfolded = parser::unfold(wire);
    let calendar = parser::read_calendar(&unfolded).unwrap();
    Read {
        kind: "VCALENDAR".to_owned(),
        properties: calendar.properties.iter().map(icalendar_property).collect(),
        components: calendar
            .components
            .iter()
            .map(icalendar_component)
            .collect(),
    }
    .only(&|name| name != "NAME")
}

fn icalendar_component(component: &parser::Component<'_>) -> Read {
    Read {
        kind: component.name.as_str().to_owned(),
        properties: component
            .properties
            .iter()
            .map(icalendar_property)
            .collect(),
        components: component
            .components
            .iter()
            .map(icalendar_component)
            .collect(),
    }
}

fn icalendar_property(property: &Property<'_>) -> (String, String) {
    let mut name = property.name.as_str().to_owned();
    for parameter in &property.params {
        name = format!(
            "{name};{}={}",
            parameter.key.as_str(),
            parameter.val.as_ref().unwrap().as_str()
        );
    }
    (name, property.val.as_str().to_owned())
}

/// Whether calcard returns a property as text. It has separate types for dates, numbers and enumerations.
fn is_text_to_calcard(name: &str) -> bool {
    matches!(
        name,
        "UID" | "SUMMARY" | "DESCRIPTION" | "NAME" | "X-WR-CALNAME" | "PRODID" | "CATEGORIES"
    )
}

fn read_by_calcard(wire: &str) -> Read {
    let calendar = ICalendar::parse(wire).unwrap();
    calcard_component(&calendar, &calendar.components[0])
}

fn calcard_component(calendar: &ICalendar, component: &ICalendarComponent) -> Read {
    let texts = component
        .entries
        .iter()
        .filter_map(|entry| match entry.values.as_slice() {
            [ICalendarValue::Text(text)] => Some((entry.name.as_str().to_owned(), text.clone())),
            [] => Some((entry.name.as_str().to_owned(), String::new())),
            _ => None,
        });
    let read = Read {
        kind: component.component_type.as_str().to_owned(),
        properties: texts.collect(),
        components: component
            .component_ids
            .iter()
            .map(|id| calcard_component(calendar, &calendar.components[*id as usize]))
            .collect(),
    };
    read.only(&is_text_to_calcard)
}
