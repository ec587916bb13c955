//! Prepares the files of the page, of the page for operators and of Swagger UI while the API is compiled: the build
//! script of `api` calls [`prepare`]. So the API minifies none of them, and compresses none of them.
//!
//! # Layout
//! - [`sources`]: reads the files in `crates/api/assets`
//! - [`minify`]: removes what only people read
//! - [`page`]: the files as they are served, and the version that identifies them
//! - [`swagger_ui`]: the files of Swagger UI
//! - [`embed`]: compresses the files, and writes the Rust code that embeds them
//!
//! The same sources always make the same bytes.

pub mod embed;
pub mod minify;
pub mod page;
pub mod sources;
pub mod swagger_ui;

use std::path::Path;

use embed::Code;
use page::Page;

/// Prepares the files in the folder `assets`, and writes `embedded.rs`, which embeds them, into the folder `into`.
///
/// # Errors
/// Returns an error if a file can't be read or written, or contains something that can't be minified.
pub fn prepare(assets: &Path, into: &Path) -> anyhow::Result<()> {
    let sources = sources::read(assets)?;
    let page = Page::new(&sources)?;
    let mut code = Code::new(into);
    code.version(&page.version);
    code.file("INDEX", page::INDEX, &page.index)?;
    code.file("OPERATIONS", page::OPERATIONS, &page.operations)?;
    code.file("SERVICE_WORKER", page::SERVICE_WORKER, &page.service_worker)?;
    code.table("FILES", &page.files)?;
    let swagger_ui = sources::text(&sources, swagger_ui::INDEX)?;
    code.file("SWAGGER_UI", swagger_ui::INDEX, swagger_ui)?;
    code.table("SWAGGER_UI_FILES", &swagger_ui::files(&sources)?)?;
    code.write("embedded.rs")
}
