//! Swagger UI: its script and its style, taken out of the archive that it was released as, and a page of ours around
//! them. The archive's own page starts it from a script that names an API elsewhere.

use std::collections::BTreeMap;
use std::io::{Cursor, Read};
use std::sync::LazyLock;

use utoipa_swagger_ui_vendored::SWAGGER_UI_VENDORED;
use zip::ZipArchive;

use crate::page::Asset;

/// Swagger UI sets styles in its markup and has its pictures inline.
pub(crate) const CONTENT_POLICY: &str = "default-src 'none'; script-src 'self'; \
    style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; \
    form-action 'none'; frame-ancestors 'none'";

/// The page, which names its files by where it is itself.
pub(crate) static PAGE: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("index.html", include_str!("../../assets/docs/index.html")));
/// What is taken out of the archive.
const TAKEN: [&str; 3] = [
    "swagger-ui-bundle.js",
    "swagger-ui.css",
    "favicon-32x32.png",
];

static FILES: LazyLock<BTreeMap<&str, Asset>> = LazyLock::new(|| {
    let start = include_str!("../../assets/docs/start.js");
    let mut files = BTreeMap::from([("start.js", Asset::new("start.js", start))]);
    if let Ok(mut archive) = ZipArchive::new(Cursor::new(SWAGGER_UI_VENDORED)) {
        for name in TAKEN {
            if let Some(bytes) = take(&mut archive, name) {
                files.insert(name, Asset::new(name, bytes));
            }
        }
    }
    files
});

/// A file by its name, if there is one.
pub(crate) fn file(name: &str) -> Option<&'static Asset> {
    FILES.get(name)
}

/// Takes `dist/{name}` out of the archive, below a folder that is named by the version. `None`: it is not in it.
fn take(archive: &mut ZipArchive<Cursor<&[u8]>>, name: &str) -> Option<Vec<u8>> {
    let ending = format!("/dist/{name}");
    let path = archive
        .file_names()
        .filter_map(Result::ok)
        .find(|path| path.ends_with(&ending))?
        .into_owned();
    let mut bytes = Vec::new();
    archive.by_name(&path).ok()?.read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_that_the_page_needs_is_there() {
        for name in TAKEN.into_iter().chain(["start.js"]) {
            assert!(file(name).is_some(), "{name}");
        }
        assert!(file("no-such.js").is_none());
    }
}
