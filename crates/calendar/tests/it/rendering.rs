use calendar::{CalendarWriter, Counts, lint};
use shared_model::calendar_options::CalendarOptions;
use shared_model::todo::Todo;

pub(crate) const HOST: &str = "taskoverflow.example";

/// Renders a calendar and asserts that the lint finds nothing in it.
pub(crate) fn render(todos: &[Todo], options: &CalendarOptions) -> (Vec<u8>, Counts) {
    let mut calendar = CalendarWriter::begin(Vec::new(), options, HOST).unwrap();
    for todo in todos {
        calendar.push(todo).unwrap();
    }
    let (bytes, counts) = calendar.finish().unwrap();
    assert_eq!(
        lint::lint(&bytes),
        [],
        "{}",
        String::from_utf8_lossy(&bytes)
    );
    (bytes, counts)
}
