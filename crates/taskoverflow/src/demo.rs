//! Sample todos, so that a new installation has something to show.

use std::time::SystemTime;

use anyhow::{Context, ensure};
use chrono::{DateTime, TimeDelta, Utc};
use local_services::http;
use serde_json::{Value, json};

/// A title, a description, whether the todo is completed, and in how many hours it is due.
type Sample = (&'static str, Option<&'static str>, bool, Option<i64>);

const SAMPLES: [Sample; 12] = [
    (
        "Renew the passport",
        Some("Photo first; the office opens at 8"),
        false,
        Some(24 * 12),
    ),
    ("Pay the rent", None, true, Some(-24 * 3)),
    (
        "Water the plants",
        Some("The fern twice a week"),
        false,
        Some(6),
    ),
    (
        "Prepare the talk on queues",
        Some("At-least-once, and why that is enough"),
        false,
        Some(24 * 5),
    ),
    (
        "Book the train to Zürich",
        Some("Window seat, quiet car"),
        false,
        Some(24 * 2),
    ),
    ("Back up the laptop", None, false, Some(30)),
    (
        "Return the library books",
        Some("Two of them are overdue"),
        false,
        Some(-26),
    ),
    (
        "Call grandmother 🎂",
        Some("She turns 90"),
        false,
        Some(24 * 7),
    ),
    (
        "Replace the bicycle tyre",
        Some("28\", 37 mm; the shop has them in stock, next to the inner tubes"),
        false,
        Some(24 * 9),
    ),
    (
        "Read \"Designing Data-Intensive Applications\"",
        None,
        false,
        None,
    ),
    ("Buy milk, eggs; bread", None, true, Some(-2)),
    (
        "Learn to juggle",
        Some("No deadline, so it stays out of the calendar"),
        false,
        None,
    ),
];

/// Adds the sample todos through the API if it has no todos yet. Blocks the thread.
pub(crate) fn add_todos(api: &str) -> anyhow::Result<()> {
    let url = format!("{api}/todos");
    let answer = http::get(&format!("{url}?limit=1")).context("cannot read the todos")?;
    let todos: Vec<Value> = serde_json::from_str(&answer.body)
        .with_context(|| format!("the API answered {}: {}", answer.status, answer.body))?;
    if !todos.is_empty() {
        log::info!("there are todos already; added no sample todos");
        return Ok(());
    }
    let now = DateTime::<Utc>::from(SystemTime::now());
    for sample in SAMPLES {
        let todo = todo(sample, now).to_string();
        let headers = [("Content-Type", "application/json")];
        let answer = http::post(&url, &headers, &todo).context("cannot add a sample todo")?;
        ensure!(
            answer.status == 201,
            "the API rejected the sample todo {todo} with status {}: {}",
            answer.status,
            answer.body
        );
    }
    log::info!("added {} sample todos", SAMPLES.len());
    Ok(())
}

fn todo((title, description, completed, hours): Sample, now: DateTime<Utc>) -> Value {
    let deadline = hours.map(|hours| {
        let deadline = now + TimeDelta::hours(hours);
        deadline.format("%Y-%m-%dT%H:00:00").to_string()
    });
    json!({
        "title": title,
        "description": description,
        "completed": completed,
        "deadline_at": deadline,
    })
}
