//! Reads the source files.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::Context as _;

/// Files by name, such as `js/main.js`.
pub type Files = BTreeMap<String, Vec<u8>>;

/// Returns the files in `folder` and in the folders within it. Hidden files are left out, because editors create some
/// while a file is open.
///
/// # Errors
/// Returns an error if a file or folder can't be read.
pub fn read(folder: &Path) -> anyhow::Result<Files> {
    let mut files = Files::new();
    add(&mut files, folder, "")?;
    Ok(files)
}

fn add(files: &mut Files, folder: &Path, prefix: &str) -> anyhow::Result<()> {
    let entries = fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    for entry in entries {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        let name = name.with_context(|| format!("{} is not UTF-8", path.display()))?;
        if name.starts_with('.') {
            continue;
        }
        if path.is_dir() {
            add(files, &path, &format!("{prefix}{name}/"))?;
        } else {
            let bytes = fs::read(&path).with_context(|| path.display().to_string())?;
            files.insert(format!("{prefix}{name}"), bytes);
        }
    }
    Ok(())
}

/// Returns the text of the file with this name.
///
/// # Errors
/// Returns an error if there is no such file, or if it is not UTF-8.
pub fn text<'a>(files: &'a Files, name: &str) -> anyhow::Result<&'a str> {
    let bytes = files
        .get(name)
        .with_context(|| format!("{name} is missing"))?;
    std::str::from_utf8(bytes).with_context(|| format!("{name} is not UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_files_except_hidden_ones_are_read() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("js/operations")).unwrap();
        for name in ["a.html", "js/b.js", "js/operations/c.js", "js/.b.js.swp"] {
            fs::write(folder.path().join(name), name).unwrap();
        }
        let files = read(folder.path()).unwrap();
        let names: Vec<_> = files.keys().collect();
        assert_eq!(names, ["a.html", "js/b.js", "js/operations/c.js"]);
        assert_eq!(text(&files, "js/b.js").unwrap(), "js/b.js");
        let error = text(&files, "d.js").unwrap_err();
        assert_eq!(error.to_string(), "d.js is missing");
    }
}
