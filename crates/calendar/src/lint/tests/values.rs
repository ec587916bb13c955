use super::*;

#[test]
fn each_defect_of_a_value_is_reported_on_its_line() {
    assert_each_found(&[
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
    ]);
}
