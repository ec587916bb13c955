//! Removes comments and indentation from scripts, style sheets and the pages, which makes a first visit a quarter
//! smaller.
//!
//! It works line by line and knows no syntax, so it refuses sources in which that could change a string.

use anyhow::ensure;

/// Returns `text` without indentation, empty lines, and lines that contain only a comment.
pub fn minify(text: &str) -> String {
    let mut minified = String::with_capacity(text.len());
    let mut is_in_comment = false;
    for line in text.lines().map(str::trim) {
        if is_in_comment || (line.starts_with("/*") && !line.contains("*/")) {
            is_in_comment = !line.ends_with("*/");
        } else if !is_only_comment(line) {
            push_without_types(&mut minified, line);
            minified.push('\n');
        }
    }
    minified
}

/// Returns the script, [minified](minify).
///
/// # Errors
/// Returns an error if a string might continue on the next line.
pub fn minify_script(script: &str) -> anyhow::Result<String> {
    for line in script.lines() {
        let ends = line.matches('`').count() % 2 == 0 && !line.ends_with('\\');
        ensure!(ends, "a string must end on its line: {line}");
    }
    Ok(minify(script))
}

/// Returns the style sheet, [minified](minify), without line breaks, and without the spaces that only make it readable.
///
/// # Errors
/// Returns an error if a line ends between two words, or if a string contains anything but letters, digits, spaces,
/// hyphens and underscores.
pub fn minify_styles(styles: &str) -> anyhow::Result<String> {
    let minified = minify(styles);
    for line in minified.lines() {
        let ends = line.ends_with(['{', '}', ';', ',']);
        ensure!(ends, "a line must not end between two words: {line}");
        // what is within quotes
        let mut strings = line.split(['\'', '"']).skip(1).step_by(2);
        let is_plain = |text: &str| {
            text.chars()
                .all(|c| c.is_alphanumeric() || " -_".contains(c))
        };
        ensure!(
            strings.all(is_plain),
            "a string must contain only words: {line}"
        );
    }
    let mut minified = minified.replace('\n', "");
    for separator in ["{", "}", ";", ",", ":"] {
        minified = minified.replace(&format!("{separator} "), separator);
    }
    Ok(minified.replace(" {", "{").replace(";}", "}"))
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
    use super::*;

    #[test]
    fn only_comments_and_indentation_are_removed() {
        let script = "\
            // A module.\n\nimport { a } from './a.js';\n\n/**\n * Adds.\n * @param {number} b\n */\nfunction add(b) {\n  \
            /** @type {number} */\n  const c = /** @type {any} */ (b); // why\n  /** @type {any} */ (c).d();\n}\n";
        let code = "\
            import { a } from './a.js';\nfunction add(b) {\nconst c = (b); // why\n\
            (c).d();\n}\n";
        assert_eq!(minify_script(script).unwrap(), code);
    }

    #[test]
    fn a_script_with_a_string_of_several_lines_is_refused() {
        for script in [
            "const text = `\n  indented\n`;\n",
            "const text = 'one \\\n  two';\n",
        ] {
            let error = minify_script(script).unwrap_err().to_string();
            assert!(error.starts_with("a string must end"), "{error}");
        }
    }

    #[test]
    fn style_sheets_keep_the_spaces_that_have_a_meaning() {
        let styles = "\
            /* Notices. */\n@media (max-width: 3rem) {\n  .a :focus, .b > p:not([type='x'], .c) {\n    \
            margin: 0 1px;\n    content: '';\n  }\n}\n";
        let minified =
            "@media (max-width:3rem){.a :focus,.b > p:not([type='x'],.c){margin:0 1px;content:''}}";
        assert_eq!(minify_styles(styles).unwrap(), minified);
    }

    #[test]
    fn a_style_sheet_that_minifying_would_change_is_refused() {
        for (styles, reason) in [
            (".a {\n  margin: 0\n    1px;\n}\n", "a line must not end"),
            (".a {\n  content: 'a: b';\n}\n", "a string must contain"),
        ] {
            let error = minify_styles(styles).unwrap_err().to_string();
            assert!(error.starts_with(reason), "{error}");
        }
    }
}
