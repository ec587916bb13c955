//! What does not suit.

use std::collections::HashMap;

use redis::{Value, cmd};

use super::GROUP;
use super::connection::Connection;
use super::error::missing;
use crate::error::QueueError;
use crate::findings::Findings;

/// The first version whose `XPENDING` selects entries by their idle time.
const OLDEST: (u32, u32) = (6, 2);

/// Looks at the server and at the stream.
///
/// # Errors
/// Returns an error if the server does not answer.
pub(super) async fn look(connection: &Connection) -> Result<Findings, QueueError> {
    match try_look(connection).await {
        // The server has answered, and will not answer differently until an operator does something.
        Err(QueueError::Refused(reason)) => Ok(Findings {
            unusable: vec![reason],
            warnings: Vec::new(),
        }),
        looked => looked,
    }
}

async fn try_look(connection: &Connection) -> Result<Findings, QueueError> {
    let stream = connection.address.stream();
    // In a cluster, this leads to the node that has the stream. The next question has no key, so any node would answer it.
    let kind: String = connection.call(cmd("TYPE").arg(stream)).await?;
    // `CONFIG GET` would tell more, but managed services forbid it.
    let server: String = connection.call(&cmd("INFO")).await?;
    let mut findings = judge(&server);
    if kind == "none" {
        findings
            .unusable
            .push(missing(&connection.address).to_string());
        return Ok(findings);
    }
    let groups: Vec<HashMap<String, Value>> = connection
        .call(cmd("XINFO").arg("GROUPS").arg(stream))
        .await?;
    let is_ours = |name: &Value| *name == Value::BulkString(GROUP.into());
    let has_group = groups
        .iter()
        .any(|group| group.get("name").is_some_and(is_ours));
    if !has_group {
        findings
            .unusable
            .push(missing(&connection.address).to_string());
    }
    Ok(findings)
}

/// Judges the answer to `INFO`. What it does not say is not judged.
fn judge(info: &str) -> Findings {
    let said = |name: &str| {
        info.lines()
            .filter_map(|line| line.split_once(':'))
            .find_map(|(key, value)| (key == name).then_some(value.trim()))
    };
    let mut findings = Findings::default();
    if let Some(version) = said("redis_version")
        && major_and_minor(version).is_some_and(|version| version < OLDEST)
    {
        let (major, minor) = OLDEST;
        findings.unusable.push(format!(
            "Redis has version {version}, and the queue needs {major}.{minor} or newer"
        ));
    }
    if let Some(policy) = said("maxmemory_policy")
        && policy.starts_with("allkeys-")
        && said("maxmemory") != Some("0")
    {
        findings.unusable.push(format!(
            "maxmemory-policy is {policy}: Redis would delete messages when its memory is full; set noeviction"
        ));
    }
    if said("role") == Some("slave") {
        findings.unusable.push(
            "this Redis is a replica, to which nothing can be written: use the address of the primary"
                .to_owned(),
        );
    }
    if said("aof_enabled") == Some("0") {
        findings.warnings.push(
            "Redis keeps no append-only file (appendonly no): messages may be lost when it restarts; their jobs wait until \
             REPUBLISH_AFTER has passed"
                .to_owned(),
        );
    }
    findings
}

fn major_and_minor(version: &str) -> Option<(u32, u32)> {
    let mut numbers = version.split('.').map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUITABLE: &str = "# Server\r\nredis_version:7.0.15\r\n# Memory\r\nmaxmemory:1000000\r\n\
        maxmemory_policy:noeviction\r\n# Persistence\r\naof_enabled:1\r\n# Replication\r\nrole:master\r\n";

    #[test]
    fn a_server_that_suits_has_no_findings() {
        assert_eq!(judge(SUITABLE), Findings::default());
        assert_eq!(
            judge(&SUITABLE.replace("7.0.15", "6.2.0")),
            Findings::default()
        );
        assert_eq!(judge(""), Findings::default());
    }

    #[test]
    fn what_does_not_suit_is_named() {
        for (from, to, expected) in [
            ("7.0.15", "6.0.16", "Redis has version 6.0.16"),
            ("7.0.15", "5.4.0", "needs 6.2 or newer"),
            (
                "noeviction",
                "allkeys-lru",
                "maxmemory-policy is allkeys-lru",
            ),
            ("role:master", "role:slave", "replica"),
        ] {
            let findings = judge(&SUITABLE.replace(from, to));
            assert_eq!(findings.warnings, Vec::<String>::new());
            let [reason] = findings.unusable.as_slice() else {
                panic!("{to}: {findings:?}")
            };
            assert!(reason.contains(expected), "{reason}");
        }
    }

    #[test]
    fn a_server_without_an_append_only_file_is_a_warning() {
        let findings = judge(&SUITABLE.replace("aof_enabled:1", "aof_enabled:0"));
        assert_eq!(findings.unusable, Vec::<String>::new());
        assert!(
            findings.warnings[0].contains("REPUBLISH_AFTER"),
            "{findings:?}"
        );
    }

    #[test]
    fn a_policy_without_a_limit_of_memory_deletes_nothing() {
        let unlimited = SUITABLE
            .replace("noeviction", "allkeys-lru")
            .replace("maxmemory:1000000", "maxmemory:0");
        assert_eq!(judge(&unlimited), Findings::default());
    }
}
