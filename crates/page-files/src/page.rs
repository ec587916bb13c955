//! The files of the pages as they are served, and the version that identifies them. Both pages have the same version,
//! because they share modules.

use anyhow::{Context as _, ensure};
use sha2::{Digest, Sha256};

use crate::minify::{minify, minify_script, minify_styles};
use crate::sources::{Files, text};

/// The page itself.
pub const INDEX: &str = "index.html";
/// The page for operators.
pub const OPERATIONS: &str = "operations.html";
/// The script that lets the page open offline.
pub const SERVICE_WORKER: &str = "service-worker.js";
/// The folder of the style sheets.
const STYLES: &str = "css/";
/// The folder of our files for Swagger UI, which belong to neither page.
const SWAGGER_UI: &str = "docs/";
/// What only the page for operators uses.
const OPERATIONS_FILES: [&str; 2] = ["js/operations/", "operations.css"];
/// The files that contain all style sheets of a page, so that they cost a single request, and these sheets in order: a
/// later rule overrides an earlier one.
const STYLE_SHEETS: [(&str, &[&str]); 2] = [
    (
        "page.css",
        &[
            "css/foundation.css",
            "css/frame.css",
            "css/todos.css",
            "css/month.css",
            "css/export.css",
        ],
    ),
    (
        "operations.css",
        &["css/foundation.css", "css/frame.css", "css/operations.css"],
    ),
];
/// The placeholder for the version in the pages and in the service worker.
const VERSION_PLACEHOLDER: &str = "{{VERSION}}";
/// The placeholder for the names of all files of the page, separated by spaces, in the service worker.
const FILES_PLACEHOLDER: &str = "{{FILES}}";
/// The length of a version in bytes.
const VERSION_BYTES: usize = 6;

/// The pages and their files.
#[derive(Debug)]
pub struct Page {
    /// A hash of all files in hexadecimal digits: it changes when any byte of them does.
    pub version: String,
    /// The page.
    pub index: String,
    /// The page for operators.
    pub operations: String,
    /// The script that lets the page open offline. It caches all files of the page, and none of the page for operators.
    pub service_worker: String,
    /// The other files.
    pub files: Files,
}

impl Page {
    /// Minifies the files, and fills in the placeholders.
    ///
    /// # Errors
    /// Returns an error if a file is missing, can't be minified, or is a style sheet of neither page.
    pub fn new(sources: &Files) -> anyhow::Result<Self> {
        let mut files = minified_files(sources)?;
        files.extend(style_sheets(sources)?);
        let index = minify(text(sources, INDEX)?);
        let operations = minify(text(sources, OPERATIONS)?);
        let service_worker = minify_script(text(sources, SERVICE_WORKER)?)?;
        let version = version(&files, [&index, &operations, &service_worker]);
        let own = |name: &&str| !OPERATIONS_FILES.iter().any(|other| name.starts_with(other));
        let names: Vec<_> = files.keys().map(String::as_str).filter(own).collect();
        let names = names.join(" ");
        let filled = |text: String| {
            text.replace(VERSION_PLACEHOLDER, &version)
                .replace(FILES_PLACEHOLDER, &names)
        };
        Ok(Self {
            index: filled(index),
            operations: filled(operations),
            service_worker: filled(service_worker),
            files,
            version,
        })
    }
}

/// Returns the files that are served under their own names.
fn minified_files(sources: &Files) -> anyhow::Result<Files> {
    let mut files = Files::new();
    for (name, bytes) in sources {
        let is_other = [INDEX, OPERATIONS, SERVICE_WORKER].contains(&name.as_str())
            || name.starts_with(STYLES)
            || name.starts_with(SWAGGER_UI);
        if !is_other {
            let is_script = name.rsplit('.').next() == Some("js");
            let bytes = if is_script {
                let script = minify_script(text(sources, name)?);
                script.with_context(|| name.clone())?.into_bytes()
            } else {
                bytes.clone()
            };
            files.insert(name.clone(), bytes);
        }
    }
    Ok(files)
}

fn style_sheets(sources: &Files) -> anyhow::Result<Files> {
    let mut files = Files::new();
    for (name, parts) in STYLE_SHEETS {
        let mut sheet = String::new();
        for part in parts {
            let part_of_sheet = minify_styles(text(sources, part)?);
            sheet.push_str(&part_of_sheet.with_context(|| (*part).to_owned())?);
        }
        files.insert(name.to_owned(), sheet.into_bytes());
    }
    for name in sources.keys().filter(|name| name.starts_with(STYLES)) {
        let is_used = STYLE_SHEETS
            .iter()
            .any(|(_, parts)| parts.contains(&name.as_str()));
        ensure!(is_used, "{name} belongs to no page");
    }
    Ok(files)
}

/// Hashes the files as they are sent, not their sources, so that a change to the minifier also changes the version.
fn version(files: &Files, documents: [&str; 3]) -> String {
    let mut hash = Sha256::new();
    for (name, bytes) in files {
        hash.update(name);
        hash.update(Sha256::digest(bytes));
    }
    for document in documents {
        hash.update(Sha256::digest(document));
    }
    let mut version = hex::encode(hash.finalize());
    version.truncate(2 * VERSION_BYTES);
    version
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A page with little content.
    fn sources() -> Files {
        let mut sources: Files = STYLE_SHEETS
            .into_iter()
            .flat_map(|(_, parts)| parts)
            .map(|name| {
                (
                    (*name).to_owned(),
                    format!("/* {name} */\n.a {{\n}}\n").into(),
                )
            })
            .collect();
        for (name, text) in [
            (INDEX, "<a href=\"assets/{{VERSION}}/js/a.js\">\n"),
            (
                OPERATIONS,
                "<a href=\"assets/{{VERSION}}/js/operations/b.js\">\n",
            ),
            (SERVICE_WORKER, "const FILES = '{{VERSION}} {{FILES}}';\n"),
            ("icon.svg", "<svg/>"),
            ("js/a.js", "// A.\na();\n"),
            ("js/operations/b.js", "b();\n"),
            ("docs/index.html", "other"),
        ] {
            sources.insert(name.to_owned(), text.into());
        }
        sources
    }

    #[test]
    fn a_page_has_its_files_and_no_placeholders() {
        let page = Page::new(&sources()).unwrap();
        let names: Vec<_> = page.files.keys().collect();
        let expected = [
            "icon.svg",
            "js/a.js",
            "js/operations/b.js",
            "operations.css",
            "page.css",
        ];
        assert_eq!(names, expected);
        assert_eq!(text(&page.files, "js/a.js").unwrap(), "a();\n");
        assert_eq!(text(&page.files, "page.css").unwrap(), ".a{}".repeat(5));
        let version = &page.version;
        assert_eq!(version.len(), 12);
        assert_eq!(
            page.index,
            format!("<a href=\"assets/{version}/js/a.js\">\n")
        );
        assert_eq!(
            page.operations,
            format!("<a href=\"assets/{version}/js/operations/b.js\">\n")
        );
        let files = format!("const FILES = '{version} icon.svg js/a.js page.css';\n");
        assert_eq!(page.service_worker, files);
    }

    #[test]
    fn a_change_to_any_file_of_a_page_changes_the_version() {
        let sources = sources();
        let version = Page::new(&sources).unwrap().version;
        assert_eq!(Page::new(&sources).unwrap().version, version);
        for name in sources.keys() {
            let mut changed = sources.clone();
            changed.get_mut(name).unwrap().extend(b".b {\n}\n");
            let other = Page::new(&changed).unwrap().version;
            assert_eq!(other == version, name.starts_with(SWAGGER_UI), "{name}");
        }
    }

    #[test]
    fn a_style_sheet_that_belongs_to_no_page_is_refused() {
        let mut sources = sources();
        sources.insert("css/forgotten.css".to_owned(), Vec::new());
        let error = Page::new(&sources).unwrap_err();
        assert_eq!(error.to_string(), "css/forgotten.css belongs to no page");
    }
}
