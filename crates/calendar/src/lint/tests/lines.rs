use super::*;

#[test]
fn each_defect_of_a_line_is_reported_on_that_line() {
    assert_each_found(&[
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
    ]);
}

#[test]
fn a_fold_within_a_character_is_distinguished_from_invalid_utf8() {
    let cut = seeded("PRODID:-//x", "PRODID:-//\u{1f9b7}");
    let at = cut.find('\u{1f9b7}').unwrap() + 2;
    let bytes = [&cut.as_bytes()[..at], b"\r\n ", &cut.as_bytes()[at..]].concat();
    assert_eq!(findings(&bytes), [(3, Rule::FoldInCharacter)]);

    let bytes = [&cut.as_bytes()[..at], b"x", &cut.as_bytes()[at..]].concat();
    assert_eq!(findings(&bytes), [(3, Rule::Utf8)]);
}
