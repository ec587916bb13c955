//! One version of the page: the files of this binary, ready to be sent.

use std::collections::BTreeMap;

use actix_web::web::Bytes;

use super::files::{FILES, INDEX, SERVICE_WORKER, STYLES};
use super::minify::minify;
use super::{Asset, SCRIPT, content_type, sha256_hex};

/// Stands for the version in the page and in the service worker.
const VERSION_MARK: &str = "VERSION";
/// Stands for the names of the files, apart by spaces, in the service worker.
const FILES_MARK: &str = "FILES";
/// One file of all style sheets: each further one would cost a request.
const STYLE_SHEET: &str = "page.css";
/// Hexadecimal digits of a version: 48 bits.
const VERSION_LENGTH: usize = 12;

/// The page and its files.
#[derive(Debug)]
pub(super) struct PageVersion {
    /// Changes when a byte of any file does.
    pub(super) version: String,
    pub(super) index: Asset,
    pub(super) service_worker: Asset,
    /// By name, such as `js/start.js`.
    pub(super) files: BTreeMap<&'static str, Asset>,
}

impl PageVersion {
    pub(super) fn prepare() -> Self {
        let mut files: BTreeMap<_, _> = FILES
            .iter()
            .map(|(name, bytes)| (*name, Asset::new(name, as_sent(name, bytes))))
            .collect();
        files.insert(STYLE_SHEET, Asset::new(STYLE_SHEET, style_sheet()));
        let (index, service_worker) = (minify(INDEX), minify(SERVICE_WORKER));
        let version = version(&files, &[&index, &service_worker]);
        let names = FILES.iter().map(|(name, _)| *name).chain([STYLE_SHEET]);
        let names: Vec<&str> = names.collect();
        let filled = |text: &str| {
            text.replace(&format!("{{{{{VERSION_MARK}}}}}"), &version)
                .replace(&format!("{{{{{FILES_MARK}}}}}"), &names.join(" "))
        };
        Self {
            index: Asset::new("index.html", filled(&index)),
            service_worker: Asset::new("service-worker.js", filled(&service_worker)),
            files,
            version,
        }
    }
}

fn as_sent(name: &str, bytes: &'static [u8]) -> Bytes {
    match std::str::from_utf8(bytes) {
        Ok(script) if content_type(name) == SCRIPT => minify(script).into(),
        _ => Bytes::from_static(bytes),
    }
}

fn style_sheet() -> String {
    let styles: Vec<&[u8]> = STYLES.iter().map(|(_, bytes)| *bytes).collect();
    minify(&String::from_utf8_lossy(&styles.concat()))
}

/// Of what is sent, not of its sources: what makes the one from the other may change too.
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

    /// What a first visit may cost over the wire.
    const WIRE_LIMIT_BYTES: usize = 50_000;
    /// What the headers of a file cost; those that are sent have 284.
    const HEADERS_BYTES: usize = 300;
    /// What the policies cost in addition, where there are some.
    const POLICY_BYTES: usize = 350;

    fn text(asset: &Asset) -> &str {
        std::str::from_utf8(&asset.plain.bytes).unwrap()
    }

    #[test]
    fn a_first_visit_costs_less_than_50_kb() {
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
    fn the_page_asks_for_every_module_at_once() {
        let page = PageVersion::prepare();
        let index = text(&page.index);
        for name in page.files.keys() {
            let path = format!("assets/{}/{name}", page.version);
            assert!(index.contains(&path), "{name} is not in index.html");
        }
    }

    #[test]
    fn another_byte_is_another_version() {
        let files = |text: &str| BTreeMap::from([("a.js", Asset::new("a.js", text.to_owned()))]);
        let one = version(&files("1"), &["page"]);
        assert_eq!(one, version(&files("1"), &["page"]));
        assert_ne!(one, version(&files("2"), &["page"]));
        assert_ne!(one, version(&files("1"), &["other page"]));
    }

    #[test]
    fn the_marks_are_filled_in() {
        let page = PageVersion::prepare();
        for asset in [&page.index, &page.service_worker] {
            assert!(!text(asset).contains("{{"), "{}", text(asset));
        }
        assert!(text(&page.service_worker).contains(&page.version));
        assert!(text(&page.service_worker).contains("js/start.js"));
    }
}
