//! Swagger UI: its script and style sheet, extracted from the release archive, and our own page that loads them. The
//! archive's page is not used, because it shows an example API on another server.

use std::io::{Cursor, Read};

use anyhow::Context as _;
use utoipa_swagger_ui_vendored::SWAGGER_UI_VENDORED;
use zip::ZipArchive;

use crate::sources::Files;

/// Our page.
pub const INDEX: &str = "docs/index.html";
/// The folder of our own files.
const OWN: &str = "docs/";
/// The files to extract from the archive.
const EXTRACTED: [&str; 3] = [
    "swagger-ui-bundle.js",
    "swagger-ui.css",
    "favicon-32x32.png",
];

/// Returns the files that the page loads.
///
/// # Errors
/// Returns an error if a file is missing in the archive.
pub fn files(sources: &Files) -> anyhow::Result<Files> {
    let own = sources.iter().filter(|(name, _)| *name != INDEX);
    let mut files: Files = own
        .filter_map(|(name, bytes)| Some((name.strip_prefix(OWN)?.to_owned(), bytes.clone())))
        .collect();
    let mut archive = ZipArchive::new(Cursor::new(SWAGGER_UI_VENDORED))?;
    for name in EXTRACTED {
        let bytes = extract(&mut archive, name).with_context(|| format!("extracting {name}"))?;
        files.insert(name.to_owned(), bytes);
    }
    Ok(files)
}

/// Extracts `dist/{name}` from the archive's top folder, whose name contains the version.
fn extract(archive: &mut ZipArchive<Cursor<&[u8]>>, name: &str) -> anyhow::Result<Vec<u8>> {
    let ending = format!("/dist/{name}");
    let path = archive
        .file_names()
        .filter_map(Result::ok)
        .find(|path| path.ends_with(&ending))
        .context("the archive of Swagger UI has no such file")?
        .into_owned();
    let mut bytes = Vec::new();
    archive.by_name(&path)?.read_to_end(&mut bytes)?;
    Ok(bytes)
}
