//! The page's files as this binary serves them, and the version that identifies them.

use std::collections::BTreeMap;

use actix_web::web::Bytes;

use super::asset::{Asset, SCRIPT, content_type, sha256_hex};
use super::files::{FILES, INDEX, SERVICE_WORKER, STYLES};
use super::minify::{minify, minify_styles};

/// The placeholder for the version in the page and in the service worker.
const VERSION_PLACEHOLDER: &str = "VERSION";
/// The placeholder for the names of all files, separated by spaces, in the service worker.
const FILES_PLACEHOLDER: &str = "FILES";
/// The file that contains all style sheets, so that they cost a single request.
const STYLE_SHEET: &str = "page.css";
/// The length of a version in hexadecimal digits: 48 bits.
const VERSION_LENGTH: usize = 12;

/// The page and its files, ready to be served.
#[derive(Debug)]
pub(super) struct PageVersion {
    /// A hash of all files: it changes when any byte of them does.
    pub(super) version: String,
    pub(super) index: Asset,
    pub(super) service_worker: Asset,
    /// The other files by name, such as `js/main.js`.
    pub(super) files: BTreeMap<&'static str, Asset>,
}

impl PageVersion {
    pub(super) fn prepare() -> Self {
        let mut files: BTreeMap<_, _> = FILES
            .iter()
            .map(|(name, bytes)| (*name, Asset::new(name, minified(name, bytes))))
            .collect();
        files.insert(STYLE_SHEET, Asset::new(STYLE_SHEET, style_sheet()));
        let (index, service_worker) = (minify(INDEX), minify(SERVICE_WORKER));
        let version = version(&files, &[&index, &service_worker]);
        let names = FILES.iter().map(|(name, _)| *name).chain([STYLE_SHEET]);
        let names: Vec<&str> = names.collect();
        let filled = |text: &str| {
            text.replace(&format!("{{{{{VERSION_PLACEHOLDER}}}}}"), &version)
                .replace(&format!("{{{{{FILES_PLACEHOLDER}}}}}"), &names.join(" "))
        };
        Self {
            index: Asset::new("index.html", filled(&index)),
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

fn style_sheet() -> String {
    let styles: Vec<&[u8]> = STYLES.iter().map(|(_, bytes)| *bytes).collect();
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

    #[test]
    fn a_first_visit_transfers_less_than_50_kb() {
        let page = PageVersion::prepare();
        let all = page
            .files
            .values()
            .chain([&page.index, &page.service_worker]);
        let bytes: usize = all.map(|file| file.gzip.bytes.len() + HEADERS_BYTES).sum();
        let bytes = bytes + 2 * POLICY_BYTES;
        assert!(bytes < WIRE_LIMIT_BYTES, "{bytes} bytes");
    }

    #[test]
    fn every_file_in_the_folder_is_embedded() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets");
        let mut found = BTreeSet::new();
        for part in ["", "css", "js"] {
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
        let embedded = FILES
            .iter()
            .chain(STYLES)
            .map(|(name, _)| (*name).to_owned());
        let embedded: BTreeSet<_> = embedded
            .chain(["index.html".to_owned(), "service-worker.js".to_owned()])
            .collect();
        assert_eq!(found, embedded);
    }

    #[test]
    fn the_page_preloads_every_file() {
        let page = PageVersion::prepare();
        let index = text(&page.index);
        for name in page.files.keys() {
            let path = format!("assets/{}/{name}", page.version);
            assert!(index.contains(&path), "{name} is not in index.html");
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
        for asset in [&page.index, &page.service_worker] {
            assert!(!text(asset).contains("{{"), "{}", text(asset));
        }
        assert!(text(&page.service_worker).contains(&page.version));
        assert!(text(&page.service_worker).contains("js/main.js"));
    }
}
