//! The files of the pages as this binary serves them, and the version that identifies them. Both pages have the same
//! version, because they share modules.

use std::collections::BTreeMap;

use actix_web::web::Bytes;

use super::asset::{Asset, SCRIPT, content_type, sha256_hex};
use super::files::{
    FILES, INDEX, OPERATIONS, OPERATIONS_FILES, OPERATIONS_STYLES, SERVICE_WORKER, STYLES,
};
use super::minify::{minify, minify_styles};

/// The placeholder for the version in the pages and in the service worker.
const VERSION_PLACEHOLDER: &str = "VERSION";
/// The placeholder for the names of all files of the page, separated by spaces, in the service worker.
const FILES_PLACEHOLDER: &str = "FILES";
/// The file that contains all style sheets, so that they cost a single request.
const STYLE_SHEET: &str = "page.css";
/// The same for the page for operators.
const OPERATIONS_STYLE_SHEET: &str = "operations.css";
/// The length of a version in hexadecimal digits: 48 bits.
const VERSION_LENGTH: usize = 12;

/// The pages and their files, ready to be served.
#[derive(Debug)]
pub(super) struct PageVersion {
    /// A hash of all files: it changes when any byte of them does.
    pub(super) version: String,
    pub(super) index: Asset,
    pub(super) operations: Asset,
    pub(super) service_worker: Asset,
    /// The other files by name, such as `js/main.js`.
    pub(super) files: BTreeMap<&'static str, Asset>,
}

impl PageVersion {
    pub(super) fn prepare() -> Self {
        let mut files: BTreeMap<_, _> = FILES
            .iter()
            .chain(OPERATIONS_FILES)
            .map(|(name, bytes)| (*name, Asset::new(name, minified(name, bytes))))
            .collect();
        for (name, styles) in [
            (STYLE_SHEET, STYLES),
            (OPERATIONS_STYLE_SHEET, OPERATIONS_STYLES),
        ] {
            files.insert(name, Asset::new(name, style_sheet(styles)));
        }
        let [index, operations, service_worker] = [INDEX, OPERATIONS, SERVICE_WORKER].map(minify);
        let version = version(&files, &[&index, &operations, &service_worker]);
        let names = FILES.iter().map(|(name, _)| *name).chain([STYLE_SHEET]);
        let names: Vec<&str> = names.collect();
        let filled = |text: &str| {
            text.replace(&format!("{{{{{VERSION_PLACEHOLDER}}}}}"), &version)
                .replace(&format!("{{{{{FILES_PLACEHOLDER}}}}}"), &names.join(" "))
        };
        Self {
            index: Asset::new("index.html", filled(&index)),
            operations: Asset::new("operations.html", filled(&operations)),
            service_worker: Asset::new("service-worker.js", filled(&service_worker)),
            files,
            version,
        }
    }
}

fn minified(name: &str, bytes: &'static [u8]) -> Bytes {
    match std::str::from_utf8(bytes) {
        Ok(script) if content_type(name) == SCRIPT => minify(script).into(),
        _ => Bytes::from_static(bytes),
    }
}

fn style_sheet(styles: &[(&str, &[u8])]) -> String {
    let styles: Vec<&[u8]> = styles.iter().map(|(_, bytes)| *bytes).collect();
    minify_styles(&String::from_utf8_lossy(&styles.concat()))
}

/// Hashes the files as they are sent, not their sources, so that a change to the minifier also changes the version.
fn version(files: &BTreeMap<&str, Asset>, others: &[&str]) -> String {
    let mut all = String::new();
    for (name, file) in files {
        all.push_str(name);
        all.push_str(&file.plain.etag);
    }
    for text in others {
        all.push_str(text);
    }
    let mut version = sha256_hex(all.as_bytes());
    version.truncate(VERSION_LENGTH);
    version
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    /// The most that a first visit may transfer.
    const WIRE_LIMIT_BYTES: usize = 50_000;
    /// The size of a response's headers, without those of a limited rate.
    const HEADERS_BYTES: usize = 284;
    /// The additional size of the policy headers, which the page and the service worker have.
    const POLICY_BYTES: usize = 350;

    fn text(asset: &Asset) -> &str {
        std::str::from_utf8(&asset.plain.bytes).unwrap()
    }

    fn wire_bytes<'a>(files: impl IntoIterator<Item = &'a Asset>) -> usize {
        let files = files.into_iter();
        files
            .map(|file| file.gzip.bytes.len() + HEADERS_BYTES)
            .sum()
    }

    /// The names of the files that a page loads.
    fn loaded_by(page: &PageVersion, document: &Asset) -> BTreeSet<&'static str> {
        let is_loaded = |name: &&'static str| {
            text(document).contains(&format!("\"assets/{}/{name}\"", page.version))
        };
        page.files.keys().copied().filter(is_loaded).collect()
    }

    #[test]
    fn a_first_visit_transfers_less_than_50_kb() {
        let page = PageVersion::prepare();
        let files = loaded_by(&page, &page.index);
        let files = files.iter().map(|name| &page.files[name]);
        let bytes = wire_bytes(files.chain([&page.index, &page.service_worker]));
        let bytes = bytes + 2 * POLICY_BYTES;
        assert!(bytes < WIRE_LIMIT_BYTES, "{bytes} bytes");
    }

    #[test]
    fn a_first_visit_of_an_operator_transfers_less_than_50_kb() {
        let page = PageVersion::prepare();
        let files = loaded_by(&page, &page.operations);
        let files = files.iter().map(|name| &page.files[name]);
        let bytes = wire_bytes(files.chain([&page.operations])) + POLICY_BYTES;
        assert!(bytes < WIRE_LIMIT_BYTES, "{bytes} bytes");
    }

    #[test]
    fn every_file_in_the_folder_is_embedded() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets");
        let mut found = BTreeSet::new();
        for part in ["", "css", "js", "js/operations"] {
            for entry in std::fs::read_dir(folder.join(part)).unwrap() {
                let entry = entry.unwrap();
                if entry.file_type().unwrap().is_file() {
                    let name = entry.file_name().into_string().unwrap();
                    found.insert(if part.is_empty() {
                        name
                    } else {
                        format!("{part}/{name}")
                    });
                }
            }
        }
        let documents = ["index.html", "operations.html", "service-worker.js"];
        let embedded = [FILES, STYLES, OPERATIONS_FILES, OPERATIONS_STYLES].concat();
        let embedded = embedded.iter().map(|(name, _)| *name).chain(documents);
        let embedded: BTreeSet<_> = embedded.map(ToOwned::to_owned).collect();
        assert_eq!(found, embedded);
    }

    #[test]
    fn the_page_preloads_its_files_and_none_of_the_page_for_operators() {
        let page = PageVersion::prepare();
        let own = FILES.iter().map(|(name, _)| *name).chain([STYLE_SHEET]);
        assert_eq!(loaded_by(&page, &page.index), own.collect());
    }

    #[test]
    fn the_page_for_operators_preloads_every_module_that_it_imports() {
        let page = PageVersion::prepare();
        let loaded = loaded_by(&page, &page.operations);
        for (name, _) in OPERATIONS_FILES {
            assert!(loaded.contains(name), "{name}");
        }
        for name in loaded.iter().filter(|name| content_type(name) == SCRIPT) {
            for import in text(&page.files[name]).split(" from '").skip(1) {
                let (import, _) = import.split_once('\'').unwrap();
                let folder = Path::new("js").join(if name.contains("operations/") {
                    "operations"
                } else {
                    ""
                });
                let import = match import.strip_prefix("../") {
                    Some(shared) => format!("js/{shared}"),
                    None => folder.join(&import[2..]).display().to_string(),
                };
                assert!(loaded.contains(import.as_str()), "{name} imports {import}");
            }
        }
    }

    #[test]
    fn a_change_to_any_file_changes_the_version() {
        let files = |text: &str| BTreeMap::from([("a.js", Asset::new("a.js", text.to_owned()))]);
        let one = version(&files("1"), &["page"]);
        assert_eq!(one, version(&files("1"), &["page"]));
        assert_ne!(one, version(&files("2"), &["page"]));
        assert_ne!(one, version(&files("1"), &["other page"]));
    }

    #[test]
    fn all_placeholders_are_filled_in() {
        let page = PageVersion::prepare();
        for asset in [&page.index, &page.operations, &page.service_worker] {
            assert!(!text(asset).contains("{{"), "{}", text(asset));
        }
        assert!(text(&page.service_worker).contains(&page.version));
        assert!(text(&page.service_worker).contains("js/main.js"));
    }
}
