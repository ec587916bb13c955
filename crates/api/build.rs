//! Prepares the files of the page, which the program embeds.

use std::path::Path;

use anyhow::Context as _;

fn main() -> anyhow::Result<()> {
    println!("cargo::rerun-if-changed=assets");
    #[expect(clippy::disallowed_methods, reason = "cargo sets it for build scripts")]
    let folder = std::env::var_os("OUT_DIR").context("OUT_DIR is missing")?;
    page_files::prepare(Path::new("assets"), Path::new(&folder))
}
