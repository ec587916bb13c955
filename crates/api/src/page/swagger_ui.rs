//! Swagger UI: its script and style sheet, extracted from the release archive, and our own page that loads them. The
//! archive's page is not used, because it shows an example API on another server.

use std::collections::BTreeMap;
use std::io::{Cursor, Read};
use std::sync::LazyLock;

use utoipa_swagger_ui_vendored::SWAGGER_UI_VENDORED;
use zip::ZipArchive;

use super::asset::Asset;

/// Less strict than the policy of our own page: Swagger UI uses inline styles and `data:` images.
pub(crate) const CONTENT_POLICY: &str = "default-src 'none'; script-src 'self'; \
    style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; \
    form-action 'none'; frame-ancestors 'none'";

/// The page. It names its files with relative URLs.
pub(crate) static PAGE: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("index.html", include_str!("../../assets/docs/index.html")));
/// The files to extract from the archive.
const EXTRACTED: [&str; 3] = [
    "swagger-ui-bundle.js",
    "swagger-ui.css",
    "favicon-32x32.png",
];

static FILES: LazyLock<BTreeMap<&str, Asset>> = LazyLock::new(|| {
    let start = include_str!("../../assets/docs/start.js");
    let mut files = BTreeMap::from([("start.js", Asset::new("start.js", start))]);
    if let Ok(mut archive) = ZipArchive::new(Cursor::new(SWAGGER_UI_VENDORED)) {
        for name in EXTRACTED {
            if let Some(bytes) = extract(&mut archive, name) {
                files.insert(name, Asset::new(name, bytes));
            }
        }
    }
    files
});

/// Returns the file with this name, or `None` if Swagger UI has no such file.
pub(crate) fn file(name: &str) -> Option<&'static Asset> {
    FILES.get(name)
}

/// Extracts `dist/{name}` from the archive's top folder, whose name contains the version. Returns `None` if it is not
/// in the archive.
fn extract(archive: &mut ZipArchive<Cursor<&[u8]>>, name: &str) -> Option<Vec<u8>> {
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
    fn every_file_that_the_page_loads_exists() {
        for name in EXTRACTED.into_iter().chain(["start.js"]) {
            assert!(file(name).is_some(), "{name}");
        }
        assert!(file("no-such.js").is_none());
    }
}
