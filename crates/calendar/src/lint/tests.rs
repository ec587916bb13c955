//! The lint against a valid calendar in which one place is changed.

use super::*;

mod lines;
mod report;
mod structure;
mod values;

const GOOD: &str = "BEGIN:VCALENDAR\r
VERSION:2.0\r
PRODID:-//x//EN\r
NAME:Work\\, home\r
BEGIN:VEVENT\r
UID:1@h\r
DTSTAMP:20260227T123000Z\r
DTSTART:20260301T100000Z\r
SUMMARY:Milk\\; eggs\\nand bread at the baker at the corner\\, the one with th\r
 e green door\r
CATEGORIES:Shop,Home\r
BEGIN:VALARM\r
ACTION:DISPLAY\r
TRIGGER:-PT15M\r
DESCRIPTION:Milk\r
END:VALARM\r
END:VEVENT\r
BEGIN:VTODO\r
UID:2@h\r
DTSTAMP:20260227T123000Z\r
DUE;VALUE=DATE:20260301\r
STATUS:NEEDS-ACTION\r
END:VTODO\r
END:VCALENDAR\r
";

fn findings(bytes: &[u8]) -> Vec<(usize, Rule)> {
    lint(bytes)
        .into_iter()
        .map(|finding| (finding.line, finding.rule))
        .collect()
}

/// The valid calendar with `good` replaced by `bad`.
fn seeded(good: &str, bad: &str) -> String {
    assert_eq!(GOOD.matches(good).count(), 1, "{good:?} must occur once");
    GOOD.replace(good, bad)
}

/// Asserts that each replacement of `good` by `bad` causes one finding and no other.
#[track_caller]
fn assert_each_found(defects: &[(&str, &str, usize, Rule)]) {
    for &(good, bad, line, rule) in defects {
        assert_eq!(
            findings(seeded(good, bad).as_bytes()),
            [(line, rule)],
            "{bad:?}"
        );
    }
}

#[test]
fn a_good_calendar_has_no_findings() {
    assert_eq!(lint(GOOD.as_bytes()), []);
}

#[test]
fn rare_but_legal_constructs_pass() {
    let zone = "BEGIN:VTIMEZONE\r\nTZID:Europe/Berlin\r\nBEGIN:STANDARD\r\nDTSTART:19701025T030000\r\n\
                TZOFFSETFROM:+0200\r\nTZOFFSETTO:+0100\r\nEND:STANDARD\r\nEND:VTIMEZONE\r\nBEGIN:VTODO";
    for (good, bad) in [
        ("UID:2@h", "uid:2@h"),
        ("UID:2@h", "UID:1@h\r\nRECURRENCE-ID:20260301T100000Z"),
        ("BEGIN:VTODO", zone),
        ("DTSTART:20260301T100000Z", "DTSTART:20261231T235960Z"),
        ("DTSTART:20260301T100000Z", "DTSTART:20260301T100000"),
        ("UID:2@h", "UID:2@h\r\nX-A;B=\"c;d:e\":f;g,h\\i"),
        ("UID:2@h", "UID:2@h\r\nATTENDEE;CN=\"Doe, J\":mailto:a@b"),
        ("TRIGGER:-PT15M", "TRIGGER;VALUE=DATE-TIME:20260301T090000Z"),
        ("UID:2@h", "UID:2@h\r\nX-BEGIN:1"),
        ("with th\r\n e", "with th\r\n\te"),
    ] {
        assert_eq!(lint(seeded(good, bad).as_bytes()), [], "{bad:?}");
    }
    let two = [GOOD, GOOD].concat();
    assert_eq!(
        lint(two.as_bytes()),
        [],
        "UIDs and time zones are per calendar"
    );
}

#[test]
fn arbitrary_bytes_never_cause_a_panic() {
    for bytes in [
        b"\n".as_slice(),
        b" ",
        b" \r\n ",
        b"\r\n \\",
        b"\xff\xfe\n \xff",
        b":",
        b"END:X",
        b"BEGIN:",
        b"A;=:\r\n",
    ] {
        assert_ne!(lint(bytes), [], "{bytes:?}");
    }
    for cut in 0..GOOD.len() {
        assert_ne!(lint(&GOOD.as_bytes()[..cut]), [], "cut at {cut}");
        lint(&GOOD.as_bytes()[cut..]);
    }
}
