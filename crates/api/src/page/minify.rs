//! Removes comments and indentation from scripts, style sheets and the pages, which makes a first visit a quarter
//! smaller.

/// Returns `script` without indentation, empty lines, and lines that contain only a comment.
///
/// It works line by line, so a string must not continue on the next line. A test checks that for the page's scripts.
pub(super) fn minify(script: &str) -> String {
    let mut minified = String::with_capacity(script.len());
    let mut is_in_comment = false;
    for line in script.lines().map(str::trim) {
        if is_in_comment || (line.starts_with("/*") && !line.contains("*/")) {
            is_in_comment = !line.ends_with("*/");
        } else if !is_only_comment(line) {
            push_without_types(&mut minified, line);
            minified.push('\n');
        }
    }
    minified
}

/// Returns the style sheet also without line breaks, and without the spaces that only make it readable.
///
/// It replaces text, so no string may contain such a space, and a line must not end between two words. A test checks
/// that for the page's style sheets.
pub(super) fn minify_styles(styles: &str) -> String {
    let mut minified = minify(styles).replace('\n', "");
    for separator in ["{", "}", ";", ",", ":"] {
        minified = minified.replace(&format!("{separator} "), separator);
    }
    minified.replace(" {", "{").replace(";}", "}")
}

fn is_only_comment(line: &str) -> bool {
    let is_block = line.starts_with("/*") && line.find("*/") == line.len().checked_sub(2);
    line.is_empty() || line.starts_with("//") || is_block
}

/// Leaves out type annotations within a line, such as `/** @type {any} */ (value)`: only editors read them.
fn push_without_types(minified: &mut String, mut line: &str) {
    while let Some((code, (_, rest))) = line
        .split_once("/** @")
        .and_then(|(code, comment)| Some((code, comment.split_once("*/")?)))
    {
        minified.push_str(code);
        line = rest.trim_start();
    }
    minified.push_str(line);
}

#[cfg(test)]
mod tests {
    use super::super::asset::{SCRIPT, content_type};
    use super::super::files::{FILES, OPERATIONS_FILES, OPERATIONS_STYLES, SERVICE_WORKER, STYLES};
    use super::*;

    #[test]
    fn only_comments_and_indentation_are_removed() {
        let script = "\
            // A module.\n\nimport { a } from './a.js';\n\n/**\n * Adds.\n * @param {number} b\n */\nfunction add(b) {\n  \
            /** @type {number} */\n  const c = /** @type {any} */ (b); // why\n  /** @type {any} */ (c).d();\n}\n";
        let code = "\
            import { a } from './a.js';\nfunction add(b) {\nconst c = (b); // why\n\
            (c).d();\n}\n";
        assert_eq!(minify(script), code);
    }

    #[test]
    fn no_string_in_a_script_spans_several_lines() {
        let scripts = FILES
            .iter()
            .chain(OPERATIONS_FILES)
            .filter(|(name, _)| content_type(name) == SCRIPT);
        let scripts = scripts.map(|(_, bytes)| std::str::from_utf8(bytes).unwrap());
        for line in scripts.chain([SERVICE_WORKER]).flat_map(str::lines) {
            assert!(line.matches('`').count() % 2 == 0, "{line}");
            assert!(!line.ends_with('\\'), "{line}");
        }
    }

    #[test]
    fn style_sheets_keep_the_spaces_that_have_a_meaning() {
        let styles = "\
            /* Notices. */\n@media (max-width: 3rem) {\n  .a :focus, .b > p:not([type='x'], .c) {\n    \
            margin: 0 1px;\n    content: '';\n  }\n}\n";
        let minified =
            "@media (max-width:3rem){.a :focus,.b > p:not([type='x'],.c){margin:0 1px;content:''}}";
        assert_eq!(minify_styles(styles), minified);
    }

    #[test]
    fn no_string_in_a_style_sheet_contains_what_is_removed() {
        for (_, bytes) in STYLES.iter().chain(OPERATIONS_STYLES) {
            let styles = minify(std::str::from_utf8(bytes).unwrap());
            for line in styles.lines() {
                assert!(line.ends_with(['{', '}', ';', ',']), "{line}");
                // what is within quotes
                for string in line.split(['\'', '"']).skip(1).step_by(2) {
                    assert!(
                        string
                            .chars()
                            .all(|c| c.is_alphanumeric() || " -_".contains(c)),
                        "{line}"
                    );
                }
            }
        }
    }
}
