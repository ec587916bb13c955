use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;

use crate::expected::{self, Read};
use crate::rendering::render;
use crate::{generate, venv};

const CALENDARS: usize = 300;
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/read_calendars.py");

#[test]
#[ignore = "needs python3 with venv"]
fn two_python_readers_read_every_field_back_unchanged() {
    let folder = tempfile::tempdir().unwrap();
    // The runner is deterministic, so every run tests the same calendars.
    let mut runner = TestRunner::deterministic();
    let strategy = (generate::todos(), generate::options());
    let mut expected = BTreeMap::new();
    for number in 0..CALENDARS {
        let (mut todos, options) = strategy.new_tree(&mut runner).unwrap().current();
        // ics.py drops a continuation line that consists of white space only.
        for description in todos
            .iter_mut()
            .filter_map(|todo| todo.description.as_mut())
        {
            description.push('.');
        }
        let name = format!("{number:03}.ics");
        let (wire, _) = render(&todos, &options);
        fs::write(folder.path().join(&name), &wire).unwrap();
        let mut calendar = expected::calendar(&todos, &options);
        calendar
            .components
            .sort_by_key(|component| component.properties["UID"].clone());
        expected.insert(name, (String::from_utf8(wire).unwrap(), calendar));
    }

    let output = Command::new(venv::python())
        .arg(SCRIPT)
        .arg(folder.path())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let mut found: BTreeMap<String, BTreeMap<String, Read>> =
        serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(found.len(), CALENDARS);
    for (name, (wire, expected)) in expected {
        let mut readers = found.remove(&name).unwrap();
        assert_eq!(
            readers.remove("icalendar").unwrap(),
            expected,
            "icalendar of\n{wire}"
        );
        // ics.py drops the parameters of a trigger.
        let expected = expected.rename("TRIGGER;RELATED=END", "TRIGGER");
        assert_eq!(readers.remove("ics").unwrap(), expected, "ics of\n{wire}");
    }
}
