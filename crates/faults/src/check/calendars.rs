//! G3: a job has one result, and its bytes equal a fresh render of the stored todos.

use std::collections::{HashMap, HashSet};
use std::io::Read;

use calendar::CalendarWriter;
use diesel::deserialize::QueryableByName;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Integer, Jsonb, Nullable, Text};
use diesel::{PgConnection, RunQueryDsl};
use flate2::read::GzDecoder;
use sha2::{Digest, Sha256};
use shared_model::job::{CalendarRequest, JobStatus};
use shared_model::schema::todos;
use shared_model::todo::Todo;
use uuid::Uuid;

use super::Verdict;
use crate::database::Database;

/// The host in the UIDs. The workers of a run use this default.
const HOST: &str = "taskoverflow";
/// How many rows are read at a time.
const CHUNK_ROWS: i64 = 500;

#[derive(Debug, QueryableByName)]
struct Row {
    #[diesel(sql_type = diesel::sql_types::Uuid)]
    id: Uuid,
    #[diesel(sql_type = Text)]
    status: JobStatus,
    #[diesel(sql_type = Jsonb)]
    request: CalendarRequest,
    #[diesel(sql_type = Nullable<Binary>)]
    content: Option<Vec<u8>>,
    #[diesel(sql_type = Nullable<Binary>)]
    sha256: Option<Vec<u8>>,
    #[diesel(sql_type = Nullable<Binary>)]
    gzip_sha256: Option<Vec<u8>>,
    #[diesel(sql_type = Nullable<BigInt>)]
    byte_length: Option<i64>,
    #[diesel(sql_type = Nullable<Integer>)]
    event_count: Option<i32>,
}

/// The expected calendar.
struct Fresh {
    bytes: Vec<u8>,
    sha256: Vec<u8>,
    events: u64,
    /// The hashes of gzipped contents that are known to equal these bytes.
    equal: HashSet<Vec<u8>>,
}

pub(super) async fn check(database: &Database, verdict: &mut Verdict) -> anyhow::Result<()> {
    let swept: HashSet<Uuid> = check_writes(database, verdict).await?;
    let found = database
        .run(move |connection| {
            let mut found = Vec::new();
            let mut renders: HashMap<String, Fresh> = HashMap::new();
            let mut last = Uuid::nil();
            loop {
                let rows = load(connection, last)?;
                let Some(row) = rows.last() else { break };
                last = row.id;
                for row in rows {
                    found.extend(check_row(connection, &row, &swept, &mut renders)?);
                }
            }
            Ok(found)
        })
        .await?;
    for what in found {
        verdict.add_violation("G3", what);
    }
    Ok(())
}

/// Checks that each result was stored once and never changed. Returns the jobs whose results were deleted.
async fn check_writes(database: &Database, verdict: &mut Verdict) -> anyhow::Result<HashSet<Uuid>> {
    let mut stored: HashSet<Uuid> = HashSet::new();
    let mut deleted = HashSet::new();
    for change in database.result_changes().await? {
        let id = change.job_id;
        let is_second = match change.operation.as_str() {
            "INSERT" => !stored.insert(id),
            "DELETE" => {
                deleted.insert(id);
                false
            }
            _ => true,
        };
        if is_second {
            verdict.duplicated += 1;
            verdict.add_violation(
                "G3",
                format!("a second result was stored for {id} ({})", change.operation),
            );
        }
    }
    Ok(deleted)
}

fn load(connection: &mut PgConnection, after: Uuid) -> anyhow::Result<Vec<Row>> {
    let rows = diesel::sql_query(
        "SELECT job.id, status, request, content, sha256, gzip_sha256, byte_length, event_count
         FROM calendar_jobs AS job LEFT JOIN calendar_results ON job_id = job.id
         WHERE job.id > $1 ORDER BY job.id LIMIT $2",
    )
    .bind::<diesel::sql_types::Uuid, _>(after)
    .bind::<BigInt, _>(CHUNK_ROWS);
    Ok(rows.load(connection)?)
}

/// Returns what is wrong with a job's result, if anything.
fn check_row(
    connection: &mut PgConnection,
    row: &Row,
    swept: &HashSet<Uuid>,
    renders: &mut HashMap<String, Fresh>,
) -> anyhow::Result<Option<String>> {
    let id = row.id;
    let (Some(content), Some(sha256), Some(gzip_sha256)) =
        (&row.content, &row.sha256, &row.gzip_sha256)
    else {
        let is_missing = row.status == JobStatus::Success && !swept.contains(&id);
        return Ok(is_missing.then(|| format!("{id} is SUCCESS without a result")));
    };
    if row.status != JobStatus::Success {
        return Ok(Some(format!("{id} is {} and has a result", row.status)));
    }
    let key = serde_json::to_string(&row.request)?;
    let fresh = match renders.entry(key) {
        std::collections::hash_map::Entry::Occupied(entry) => entry.into_mut(),
        std::collections::hash_map::Entry::Vacant(entry) => {
            entry.insert(render(connection, &row.request)?)
        }
    };
    let content_sha256 = Sha256::digest(content).to_vec();
    if !fresh.equal.contains(&content_sha256) {
        let mut bytes = Vec::new();
        GzDecoder::new(content.as_slice()).read_to_end(&mut bytes)?;
        if bytes != fresh.bytes {
            return Ok(Some(format!(
                "the result of {id} has {} bytes, but a fresh render of {:?} has {}",
                bytes.len(),
                row.request,
                fresh.bytes.len()
            )));
        }
        fresh.equal.insert(content_sha256.clone());
    }
    let matches = *sha256 == fresh.sha256
        && *gzip_sha256 == content_sha256
        && row.byte_length == i64::try_from(fresh.bytes.len()).ok()
        && row.event_count == i32::try_from(fresh.events).ok();
    Ok((!matches)
        .then(|| format!("the stored hashes, length or counts of {id} do not match its result")))
}

/// Renders the calendar of the todos that are stored now.
fn render(connection: &mut PgConnection, request: &CalendarRequest) -> anyhow::Result<Fresh> {
    let todos: Vec<Todo> = request
        .filter
        .query()
        .order(todos::id)
        .select(Todo::as_select())
        .load(connection)?;
    let mut calendar = CalendarWriter::begin(Vec::new(), &request.options, HOST)?;
    for todo in &todos {
        calendar.push(todo)?;
    }
    let (bytes, counts) = calendar.finish()?;
    Ok(Fresh {
        sha256: Sha256::digest(&bytes).to_vec(),
        bytes,
        events: counts.events,
        equal: HashSet::new(),
    })
}
