//! Properties that come from the `icalendar` crate's model.

use icalendar::{Component, Property, ValueType};

use super::fold::FoldedBytes;
use super::lines::Lines;

impl Lines {
    /// Writes the properties of a component and nothing else. The `icalendar` crate's own writer would add a DTSTAMP
    /// and a UID.
    pub(crate) fn properties(&mut self, component: &impl Component) {
        let repeated = component.multi_properties().values().flatten();
        component
            .properties()
            .values()
            .chain(repeated)
            .for_each(|property| self.property(property));
    }

    /// Writes one property. Unlike the `icalendar` crate's own writer, it removes characters that are invalid in names
    /// and parameters, and escapes properties that the crate does not know, such as NAME.
    pub(crate) fn property(&mut self, property: &Property) {
        let buffer = &mut self.buffer;
        push_filtered(buffer, property.key(), is_token);
        for parameter in property.params().values() {
            buffer.push(";");
            push_filtered(buffer, parameter.key(), is_token);
            buffer.push("=");
            let is_quoted = parameter.value().contains([':', ';', ',']);
            let quote = if is_quoted { "\"" } else { "" };
            buffer.push(quote);
            push_filtered(buffer, parameter.value(), |c| {
                c != '"' && !c.is_ascii_control()
            });
            buffer.push(quote);
        }
        buffer.push(":");
        // The model stores a list of texts as one value, whose items are escaped already.
        let is_list = matches!(property.key(), "CATEGORIES" | "RESOURCES");
        match property.value_type() {
            None | Some(ValueType::Text) if !is_list => buffer.push_escaped(property.value()),
            _ => push_filtered(buffer, property.value(), |c| !c.is_ascii_control()),
        }
        buffer.end_line();
    }
}

fn is_token(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '-'
}

/// Appends the characters that `keep` accepts.
fn push_filtered(buffer: &mut FoldedBytes, text: &str, keep: impl Fn(char) -> bool) {
    text.split(|c| !keep(c)).for_each(|run| buffer.push(run));
}

#[cfg(test)]
mod tests {
    use icalendar::{Event, EventLike as _};

    use super::*;
    use crate::wire::LINE_MAX_OCTETS;

    fn written(write: impl FnOnce(&mut Lines)) -> String {
        let mut lines = Lines::default();
        write(&mut lines);
        String::from_utf8(lines.as_bytes().to_vec()).unwrap()
    }

    fn property(property: &Property) -> String {
        written(|lines| lines.property(property))
    }

    #[test]
    fn a_property_can_not_inject_lines_or_parameters() {
        let name = Property::new("NAME", "a,b\r\nBEGIN:VEVENT");
        assert_eq!(property(&name), "NAME:a\\,b\\nBEGIN:VEVENT\r\n");
        let injected = Property::new("X-A:1\r\nX-B", "c")
            .add_parameter("CN\n", "d\";E=f:\r\n")
            .done();
        assert_eq!(property(&injected), "X-A1X-B;CN=\"d;E=f:\":c\r\n");
        let duration = Property::new("REFRESH-INTERVAL", "PT1H\r\n")
            .add_parameter("VALUE", "DURATION")
            .done();
        assert_eq!(
            property(&duration),
            "REFRESH-INTERVAL;VALUE=DURATION:PT1H\r\n"
        );
    }

    #[test]
    fn long_parameters_are_folded() {
        let long = Property::new("X-LONG", "y")
            .add_parameter("P", &"é".repeat(200))
            .done();
        assert!(
            property(&long)
                .split("\r\n")
                .all(|line| line.len() <= LINE_MAX_OCTETS)
        );
    }

    #[test]
    fn a_component_gains_no_properties_and_its_lists_are_escaped_once() {
        let event = Event::new().summary("a,b").categories(["c,d", "e"]).done();
        let lines = written(|lines| lines.properties(&event));
        assert_eq!(lines, "SUMMARY:a\\,b\r\nCATEGORIES:c\\,d,e\r\n");
    }
}
