//! Swagger UI: its script and its style, taken out of the archive that it was released as, and a page of ours around
//! them. The archive's own page starts it from a script that names an API elsewhere.

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::LazyLock;

use flate2::read::DeflateDecoder;
use utoipa_swagger_ui_vendored::SWAGGER_UI_VENDORED;

use crate::page::Asset;

/// Swagger UI sets styles in its markup and has its pictures inline.
pub(crate) const CONTENT_POLICY: &str = "default-src 'none'; script-src 'self'; \
    style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; \
    form-action 'none'; frame-ancestors 'none'";

/// The name of the page.
pub(crate) const PAGE: &str = "index.html";
/// What is taken out of the archive.
const TAKEN: [&str; 3] = [
    "swagger-ui-bundle.js",
    "swagger-ui.css",
    "favicon-32x32.png",
];

static FILES: LazyLock<BTreeMap<&str, Asset>> = LazyLock::new(|| {
    let page = include_str!("../assets/docs/index.html");
    let start = include_str!("../assets/docs/start.js");
    let mut files = BTreeMap::from([
        (PAGE, Asset::new(PAGE, page)),
        ("start.js", Asset::new("start.js", start)),
    ]);
    for name in TAKEN {
        if let Some(bytes) = take(SWAGGER_UI_VENDORED, name) {
            files.insert(name, Asset::new(name, bytes));
        }
    }
    files
});

/// A file by its name, if there is one.
pub(crate) fn file(name: &str) -> Option<&'static Asset> {
    FILES.get(name)
}

/// Takes `dist/{name}` out of a ZIP archive. `None`: it is not in it, or packed in a way that is not known here.
/// <https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT>, 4.3.7, 4.3.12 and 4.3.16
fn take(archive: &[u8], name: &str) -> Option<Vec<u8>> {
    const DIRECTORY_END: &[u8] = b"PK\x05\x06";
    const DIRECTORY_ENTRY: &[u8] = b"PK\x01\x02";
    const STORED: usize = 0;
    const DEFLATED: usize = 8;
    let path = format!("/dist/{name}");
    let end = archive
        .windows(DIRECTORY_END.len())
        .rposition(|bytes| bytes == DIRECTORY_END)?;
    let mut entry = archive.get(number(archive, end + 16, 4)?..)?;
    while entry.starts_with(DIRECTORY_ENTRY) {
        let name_length = number(entry, 28, 2)?;
        if !entry.get(46..46 + name_length)?.ends_with(path.as_bytes()) {
            let others = number(entry, 30, 2)? + number(entry, 32, 2)?;
            entry = entry.get(46 + name_length + others..)?;
            continue;
        }
        let file = archive.get(number(entry, 42, 4)?..)?;
        let header = 30 + number(file, 26, 2)? + number(file, 28, 2)?;
        let packed = file.get(header..header + number(entry, 20, 4)?)?;
        return match number(entry, 10, 2)? {
            STORED => Some(packed.to_vec()),
            DEFLATED => {
                let mut bytes = Vec::new();
                DeflateDecoder::new(packed).read_to_end(&mut bytes).ok()?;
                Some(bytes)
            }
            _ => None,
        };
    }
    None
}

/// A number of `length` bytes, the least significant first.
fn number(bytes: &[u8], at: usize, length: usize) -> Option<usize> {
    let digits = bytes.get(at..at + length)?.iter().rev();
    Some(digits.fold(0, |number, byte| (number << 8) | usize::from(*byte)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_that_the_page_needs_is_there() {
        for name in TAKEN.into_iter().chain([PAGE, "start.js"]) {
            assert!(file(name).is_some(), "{name}");
        }
        let script = take(SWAGGER_UI_VENDORED, "swagger-ui-bundle.js").unwrap();
        assert!(script.len() > 1_000_000 && std::str::from_utf8(&script).is_ok());
    }

    #[test]
    fn what_is_not_in_the_archive_is_not_found() {
        assert!(take(SWAGGER_UI_VENDORED, "no-such.js").is_none());
        assert!(take(b"no archive", "swagger-ui.css").is_none());
        assert!(take(b"PK\x05\x06 cut off", "swagger-ui.css").is_none());
    }
}
