//! `taskoverflow lint`: its findings and its exit codes.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

fn lint(file: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_taskoverflow"));
    command.arg("lint").arg(file).output().unwrap()
}

#[test]
fn the_exit_code_says_whether_there_are_findings_or_the_file_is_unreadable() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("calendar.ics");
    let clean = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nBEGIN:VEVENT\r\nUID:1\r\nDTSTAMP:20260227T000000Z\r\n\
                 DTSTART:20260227T000000Z\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";
    fs::write(&file, clean).unwrap();
    let output = lint(&file);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(output.stdout.is_empty());

    fs::write(&file, clean.replace("UID:1\r\n", "UID:1\n")).unwrap();
    let output = lint(&file);
    let findings = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{findings}");
    assert!(findings.contains("calendar.ics:5: "), "{findings}");

    let output = lint(&folder.path().join("none.ics"));
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{message}");
    assert!(message.contains("none.ics"), "{message}");
}
