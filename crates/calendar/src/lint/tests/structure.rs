use super::*;

#[test]
fn each_defect_of_structure_is_reported_on_its_line() {
    assert_each_found(&[
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
    ]);
    assert_eq!(findings(b""), [(1, Rule::Nesting)]);
}

#[test]
fn an_event_needs_a_start_unless_the_calendar_is_a_message() {
    let start = "DTSTART:20260301T100000Z\r\n";
    let missing = [(5, Rule::MissingProperty), (13, Rule::AlarmTrigger)];
    assert_eq!(findings(seeded(start, "").as_bytes()), missing);
    let message = seeded(start, "").replace("VERSION:2.0", "METHOD:CANCEL\r\nVERSION:2.0");
    assert_eq!(findings(message.as_bytes()), [(14, Rule::AlarmTrigger)]);
}

#[test]
fn a_missing_end_causes_no_findings_in_later_components() {
    let broken = seeded("END:VALARM\r\n", "");
    assert_eq!(findings(broken.as_bytes()), [(12, Rule::Nesting)]);
}
