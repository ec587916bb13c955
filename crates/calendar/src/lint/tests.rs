use super::*;

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

/// The good calendar with one place of it changed.
fn seeded(good: &str, bad: &str) -> String {
    assert_eq!(GOOD.matches(good).count(), 1, "{good:?} is not one place");
    GOOD.replace(good, bad)
}

#[test]
fn a_good_calendar_has_no_findings() {
    assert_eq!(lint(GOOD.as_bytes()), []);
}

#[test]
fn each_defect_of_a_line_is_found_where_it_is() {
    for (good, bad, line, rule) in [
        ("VERSION:2.0\r\n", "VERSION:2.0\n", 2, Rule::LineEnding),
        (
            "END:VCALENDAR\r\n",
            "END:VCALENDAR",
            24,
            Rule::LastLineEnding,
        ),
        ("END:VCALENDAR\r\n", "END:VCALENDAR\n", 24, Rule::LineEnding),
        ("with th\r\n e", "with thx\r\n e", 9, Rule::LineLength),
        ("Milk\\; eggs", "Milk\\\r\n ; eggs", 9, Rule::FoldInEscape),
        (
            "Milk\\; eggs",
            "Milk\\\\\\\r\n ; eggs",
            9,
            Rule::FoldInEscape,
        ),
        (
            "Milk\\; eggs",
            "Milk\r\n \\\r\n ; eggs",
            10,
            Rule::FoldInEscape,
        ),
        (
            "Milk\\; eggs",
            "Milk\\\\\\\\\r\n \\\r\n ; eggs",
            10,
            Rule::FoldInEscape,
        ),
        (
            "BEGIN:VCALENDAR",
            "\u{feff}BEGIN:VCALENDAR",
            1,
            Rule::ByteOrderMark,
        ),
        (
            "VERSION:2.0\r\n",
            "VERSION:2.0\r\r\n",
            2,
            Rule::ControlCharacter,
        ),
        ("PRODID:-//x", "PRODID:-//\0x", 3, Rule::ControlCharacter),
        (
            "PRODID:-//x",
            "PRODID:-//\u{7f}x",
            3,
            Rule::ControlCharacter,
        ),
        ("UID:2@h\r\n", "UID:2@h\r\n\r\n", 20, Rule::ContentLine),
        (
            "UID:2@h\r\n",
            "UID:2@h\r\nfree text\r\n",
            20,
            Rule::ContentLine,
        ),
        (
            "UID:2@h\r\n",
            "UID:2@h\r\nX-A;B=\"c:d\r\n",
            20,
            Rule::ContentLine,
        ),
        (
            "UID:2@h\r\n",
            "UID:2@h\r\n:value\r\n",
            20,
            Rule::ContentLine,
        ),
    ] {
        assert_eq!(
            findings(seeded(good, bad).as_bytes()),
            [(line, rule)],
            "{bad:?}"
        );
    }
}

#[test]
fn a_fold_within_a_character_is_told_from_bytes_that_are_no_characters() {
    let cut = seeded("PRODID:-//x", "PRODID:-//\u{1f9b7}");
    let at = cut.find('\u{1f9b7}').unwrap() + 2;
    let bytes = [&cut.as_bytes()[..at], b"\r\n ", &cut.as_bytes()[at..]].concat();
    assert_eq!(findings(&bytes), [(3, Rule::FoldInCharacter)]);

    let bytes = [&cut.as_bytes()[..at], b"x", &cut.as_bytes()[at..]].concat();
    assert_eq!(findings(&bytes), [(3, Rule::Utf8)]);
}

#[test]
fn each_defect_of_structure_is_found_where_it_is() {
    for (good, bad, line, rule) in [
        ("END:VTODO\r\n", "", 18, Rule::Nesting),
        ("END:VCALENDAR\r\n", "", 1, Rule::Nesting),
        (
            "END:VTODO\r\n",
            "END:VTODO\r\nEND:VTODO\r\n",
            24,
            Rule::Nesting,
        ),
        (
            "END:VCALENDAR\r\n",
            "END:VCALENDAR\r\nX-A:1\r\n",
            25,
            Rule::Nesting,
        ),
        (
            "END:VCALENDAR\r\n",
            "BEGIN:VALARM\r\nACTION:AUDIO\r\nTRIGGER;VALUE=DATE-TIME:20260301T100000Z\r\nEND:VALARM\r\nEND:VCALENDAR\r\n",
            24,
            Rule::Nesting,
        ),
        ("VERSION:2.0\r\n", "", 1, Rule::MissingProperty),
        ("PRODID:-//x//EN\r\n", "", 1, Rule::MissingProperty),
        ("UID:1@h\r\n", "", 5, Rule::MissingProperty),
        (
            "UID:1@h\r\nDTSTAMP:20260227T123000Z\r\n",
            "UID:1@h\r\n",
            5,
            Rule::MissingProperty,
        ),
        (
            "UID:2@h\r\nDTSTAMP:20260227T123000Z\r\n",
            "UID:2@h\r\n",
            18,
            Rule::MissingProperty,
        ),
        ("ACTION:DISPLAY\r\n", "", 12, Rule::MissingProperty),
        ("TRIGGER:-PT15M\r\n", "", 12, Rule::MissingProperty),
        ("DESCRIPTION:Milk\r\n", "", 12, Rule::MissingProperty),
        (
            "UID:1@h\r\n",
            "UID:1@h\r\nUID:3@h\r\n",
            7,
            Rule::RepeatedProperty,
        ),
        (
            "STATUS:NEEDS-ACTION\r\n",
            "STATUS:NEEDS-ACTION\r\nstatus:COMPLETED\r\n",
            23,
            Rule::RepeatedProperty,
        ),
        (
            "VERSION:2.0\r\n",
            "VERSION:2.0\r\nPRODID:a\r\n",
            4,
            Rule::RepeatedProperty,
        ),
        (
            "ACTION:DISPLAY\r\n",
            "ACTION:DISPLAY\r\nUID:3@h\r\n",
            14,
            Rule::AlarmProperty,
        ),
        (
            "ACTION:DISPLAY\r\n",
            "ACTION:DISPLAY\r\nDTSTAMP:20260227T123000Z\r\n",
            14,
            Rule::AlarmProperty,
        ),
        (
            "TRIGGER:-PT15M",
            "TRIGGER;RELATED=END:-PT15M",
            14,
            Rule::AlarmTrigger,
        ),
        ("UID:2@h", "UID:1@h", 18, Rule::RepeatedUid),
        ("UID:2@h", "UID:1@\r\n h", 18, Rule::RepeatedUid),
        (
            "DTSTART:20260301T100000Z",
            "DTSTART;TZID=Europe/Berlin:20260301T100000",
            8,
            Rule::MissingTimezone,
        ),
        (
            "DTSTART:20260301T100000Z",
            "DTSTART;TZID=\"Europe/Berlin\":20260301T100000",
            8,
            Rule::MissingTimezone,
        ),
        ("STATUS:NEEDS-ACTION", "STATUS:CONFIRMED", 22, Rule::Status),
    ] {
        assert_eq!(
            findings(seeded(good, bad).as_bytes()),
            [(line, rule)],
            "{bad:?}"
        );
    }
    assert_eq!(findings(b""), [(1, Rule::Nesting)]);
}

#[test]
fn an_event_without_a_start_lacks_it_unless_the_calendar_is_a_message() {
    let start = "DTSTART:20260301T100000Z\r\n";
    let missing = [(5, Rule::MissingProperty), (13, Rule::AlarmTrigger)];
    assert_eq!(findings(seeded(start, "").as_bytes()), missing);
    let message = seeded(start, "").replace("VERSION:2.0", "METHOD:CANCEL\r\nVERSION:2.0");
    assert_eq!(findings(message.as_bytes()), [(14, Rule::AlarmTrigger)]);
}

#[test]
fn each_defect_of_a_value_is_found_where_it_is() {
    for (good, bad, line, rule) in [
        ("eggs\\nand", "eggs,and", 9, Rule::RawText),
        ("Milk\\; eggs", "Milk; eggs", 9, Rule::RawText),
        ("NAME:Work\\, home", "NAME:Work, home", 4, Rule::RawText),
        ("Shop,Home", "Shop;Home", 11, Rule::RawText),
        ("eggs\\nand", "eggs\\tand", 9, Rule::UnknownEscape),
        ("NAME:Work\\, home", "NAME:Work\\", 4, Rule::UnknownEscape),
        (
            "UID:1@h\r\nDTSTAMP:20260227T123000Z",
            "UID:1@h\r\nDTSTAMP:20260227T123000",
            7,
            Rule::NotUtc,
        ),
        (
            "UID:1@h\r\nDTSTAMP:20260227T123000Z",
            "UID:1@h\r\nDTSTAMP:20260227",
            7,
            Rule::NotUtc,
        ),
        (
            "UID:2@h\r\n",
            "UID:2@h\r\nCOMPLETED:20260227T123000\r\n",
            20,
            Rule::NotUtc,
        ),
        (
            "UID:1@h\r\nDTSTAMP:20260227T123000Z",
            "UID:1@h\r\nDTSTAMP:now",
            7,
            Rule::Moment,
        ),
        (
            "DTSTART:20260301T100000Z",
            "DTSTART:20260230T100000Z",
            8,
            Rule::Moment,
        ),
        (
            "DTSTART:20260301T100000Z",
            "DTSTART:20260301T250000Z",
            8,
            Rule::Moment,
        ),
        (
            "DTSTART:20260301T100000Z",
            "DTSTART:2026-03-01T10:00:00Z",
            8,
            Rule::Moment,
        ),
        (
            "DTSTART:20260301T100000Z",
            "DTSTART:20260301T100000ZZ",
            8,
            Rule::Moment,
        ),
        (
            "DTSTART:20260301T100000Z",
            "DTSTART:120260301T100000Z",
            8,
            Rule::Moment,
        ),
        (
            "DTSTART:20260301T100000Z\r\n",
            "DTSTART:20260301T100000Z\r\nDTEND:20260301T100000Z\r\n",
            9,
            Rule::Span,
        ),
        (
            "DTSTART:20260301T100000Z\r\n",
            "DTEND:20260228T100000Z\r\nDTSTART:20260301T100000Z\r\n",
            8,
            Rule::Span,
        ),
        (
            "UID:2@h\r\n",
            "UID:2@h\r\nDTSTART;VALUE=DATE:20260301\r\n",
            22,
            Rule::Span,
        ),
    ] {
        assert_eq!(
            findings(seeded(good, bad).as_bytes()),
            [(line, rule)],
            "{bad:?}"
        );
    }
}

#[test]
fn what_is_legal_but_rare_is_let_pass() {
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
        "UIDs and time zones belong to one calendar"
    );
}

#[test]
fn a_component_without_its_end_does_not_spoil_those_after_it() {
    let broken = seeded("END:VALARM\r\n", "");
    assert_eq!(findings(broken.as_bytes()), [(12, Rule::Nesting)]);
}

#[test]
fn any_bytes_at_all_are_linted_without_a_panic() {
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

#[test]
fn a_report_names_the_file_the_line_and_the_rule() {
    let path = std::env::temp_dir().join(format!("taskoverflow-lint-{}.ics", std::process::id()));
    fs::write(&path, seeded("VERSION:2.0\r\n", "VERSION:2.0\n")).unwrap();
    let mut out = Vec::new();
    assert_eq!(report(&path, &mut out).unwrap(), 1);
    let expected = format!(
        "{}:2: line-ending: the line ends in LF alone\n",
        path.display()
    );
    assert_eq!(String::from_utf8(out).unwrap(), expected);

    fs::write(&path, GOOD).unwrap();
    assert_eq!(report(&path, &mut Vec::new()).unwrap(), 0);
    fs::remove_file(&path).unwrap();
    assert!(report(&path, &mut Vec::new()).is_err());
}
