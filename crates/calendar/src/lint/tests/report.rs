use super::*;

#[test]
fn a_report_names_the_file_the_line_and_the_rule() {
    let path = std::env::temp_dir().join(format!("taskoverflow-lint-{}.ics", std::process::id()));
    fs::write(&path, seeded("VERSION:2.0\r\n", "VERSION:2.0\n")).unwrap();
    let mut out = Vec::new();
    assert_eq!(report(&path, &mut out).unwrap(), 1);
    let expected = format!(
        "{}:2: line-ending: the line ends with LF instead of CRLF\n",
        path.display()
    );
    assert_eq!(String::from_utf8(out).unwrap(), expected);

    fs::write(&path, GOOD).unwrap();
    assert_eq!(report(&path, &mut Vec::new()).unwrap(), 0);
    fs::remove_file(&path).unwrap();
    assert!(report(&path, &mut Vec::new()).is_err());
}
