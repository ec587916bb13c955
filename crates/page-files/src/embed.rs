//! Compresses files, and writes the Rust code that embeds them. Each file is embedded in two forms, uncompressed
//! and gzipped, so that the API can send either without any work.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};

use crate::sources::Files;

/// The length of an `ETag` in bytes.
const ETAG_BYTES: usize = 8;

/// The code, and the folder of the files that it embeds. It needs the type `Asset` of the API.
#[derive(Debug)]
pub struct Code {
    items: Vec<String>,
    folder: PathBuf,
}

impl Code {
    /// Creates empty code that belongs into `folder`.
    pub fn new(folder: &Path) -> Self {
        Self {
            items: Vec::new(),
            folder: folder.to_owned(),
        }
    }

    /// Adds the constant `VERSION`.
    pub fn version(&mut self, version: &str) {
        let item = format!("pub(super) const VERSION: &str = {version:?};\n");
        self.items.push(item);
    }

    /// Adds a static variable that contains a file. The media type follows from the extension of `name`.
    ///
    /// # Errors
    /// Returns an error if the media type is not known, or if the file can't be written.
    pub fn file(&mut self, variable: &str, name: &str, text: &str) -> anyhow::Result<()> {
        let asset = self.asset(variable, name, text.as_bytes())?;
        let item = format!("pub(crate) static {variable}: Asset = {asset};\n");
        self.items.push(item);
        Ok(())
    }

    /// Adds a static variable with an array of files and their names.
    ///
    /// # Errors
    /// Returns an error if a media type is not known, or if a file can't be written.
    pub fn table(&mut self, variable: &str, files: &Files) -> anyhow::Result<()> {
        let entry = |(name, bytes): (&String, &Vec<u8>)| {
            let asset = self.asset(variable, name, bytes)?;
            Ok(format!("    ({name:?}, {asset}),\n"))
        };
        let entries = files
            .iter()
            .map(entry)
            .collect::<anyhow::Result<Vec<_>>>()?;
        let (count, entries) = (entries.len(), entries.concat());
        let item =
            format!("pub(crate) static {variable}: [(&str, Asset); {count}] = [\n{entries}];\n");
        self.items.push(item);
        Ok(())
    }

    /// Writes the code to the file with this name.
    ///
    /// # Errors
    /// Returns an error if that fails.
    pub fn write(self, name: &str) -> anyhow::Result<()> {
        write(&self.folder.join(name), self.items.concat().as_bytes())
    }

    /// Writes both forms of a file, and returns the expression that embeds them.
    fn asset(&self, folder: &str, name: &str, bytes: &[u8]) -> anyhow::Result<String> {
        let content_type =
            content_type(name).with_context(|| format!("the media type of {name} is not known"))?;
        let plain = format!("{folder}/{name}");
        let gzip = format!("{plain}.gz");
        let compressed = compress(bytes)?;
        write(&self.folder.join(&plain), bytes)?;
        write(&self.folder.join(&gzip), &compressed)?;
        let [etag, gzip_etag] = [bytes, &compressed].map(etag);
        Ok(format!(
            "Asset::embedded({content_type:?}, \
             (include_bytes!({plain:?}), {etag:?}), (include_bytes!({gzip:?}), {gzip_etag:?}))"
        ))
    }
}

fn write(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let folder = path.parent().unwrap_or(path);
    fs::create_dir_all(folder)
        .and_then(|()| fs::write(path, bytes))
        .with_context(|| format!("writing {}", path.display()))
}

/// Returns `bytes` in gzip format, without a time.
fn compress(bytes: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes)?;
    Ok(encoder.finish()?)
}

fn etag(bytes: &[u8]) -> String {
    let mut etag = hex::encode(Sha256::digest(bytes));
    etag.truncate(2 * ETAG_BYTES);
    etag
}

/// Returns the media type of a file, or `None` if its extension is not known.
fn content_type(name: &str) -> Option<&'static str> {
    let (_, extension) = name.rsplit_once('.')?;
    Some(match extension {
        "html" => "text/html; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        // needs no charset: modules are always UTF-8
        "js" => "text/javascript",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "webmanifest" => "application/manifest+json",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_files_make_the_same_code_and_the_same_bytes() {
        let files = Files::from([("js/a.js".to_owned(), b"a(); a(); a();".repeat(9))]);
        let written = || {
            let folder = tempfile::tempdir().unwrap();
            let mut code = Code::new(folder.path());
            code.table("FILES", &files).unwrap();
            code.write("embedded.rs").unwrap();
            crate::sources::read(folder.path()).unwrap()
        };
        let first = written();
        let names: Vec<_> = first.keys().collect();
        assert_eq!(names, ["FILES/js/a.js", "FILES/js/a.js.gz", "embedded.rs"]);
        // https://www.rfc-editor.org/rfc/rfc1952#section-2.3: zero means that there is no time
        assert_eq!(first["FILES/js/a.js.gz"][4..8], [0; 4]);
        assert_eq!(written(), first);
    }

    #[test]
    fn a_file_without_a_known_media_type_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let mut code = Code::new(folder.path());
        let error = code.file("INDEX", "index.html~", "").unwrap_err();
        assert_eq!(
            error.to_string(),
            "the media type of index.html~ is not known"
        );
    }
}
