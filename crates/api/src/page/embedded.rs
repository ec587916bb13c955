//! The files as the build script has prepared them: see the crate `page-files`.

use super::Asset;

include!(concat!(env!("OUT_DIR"), "/embedded.rs"));

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::io::Read as _;
    use std::path::Path;

    use flate2::read::GzDecoder;

    use super::super::asset::etag;
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

    fn wire_bytes<'a>(files: impl IntoIterator<Item = &'a Asset>) -> usize {
        let files = files.into_iter();
        files
            .map(|file| file.gzip.bytes.len() + HEADERS_BYTES)
            .sum()
    }

    /// The files that a page loads, and their names.
    fn loaded_by(document: &Asset) -> impl Iterator<Item = &'static (&'static str, Asset)> {
        let is_loaded = |(name, _): &&(&str, Asset)| {
            text(document).contains(&format!("\"assets/{VERSION}/{name}\""))
        };
        FILES.iter().filter(is_loaded)
    }

    #[test]
    fn a_first_visit_transfers_less_than_50_kb() {
        let files = loaded_by(&INDEX).map(|(_, file)| file);
        let bytes = wire_bytes(files.chain([&INDEX, &SERVICE_WORKER])) + 2 * POLICY_BYTES;
        assert!(bytes < WIRE_LIMIT_BYTES, "{bytes} bytes");
    }

    #[test]
    fn a_first_visit_of_an_operator_transfers_less_than_50_kb() {
        let files = loaded_by(&OPERATIONS).map(|(_, file)| file);
        let bytes = wire_bytes(files.chain([&OPERATIONS])) + POLICY_BYTES;
        assert!(bytes < WIRE_LIMIT_BYTES, "{bytes} bytes");
    }

    #[test]
    fn both_forms_of_every_file_have_the_same_content_and_different_etags() {
        let documents = [&INDEX, &OPERATIONS, &SERVICE_WORKER, &SWAGGER_UI];
        let tables = FILES.iter().chain(&SWAGGER_UI_FILES).map(|(_, file)| file);
        for file in documents.into_iter().chain(tables) {
            let mut bytes = Vec::new();
            let mut decoder = GzDecoder::new(&file.gzip.bytes[..]);
            decoder.read_to_end(&mut bytes).unwrap();
            assert!(bytes == file.plain.bytes, "{file:?}");
            let [plain, gzip] = [&file.plain.bytes, &file.gzip.bytes].map(|bytes| etag(bytes));
            assert_eq!([&file.plain.etag, &file.gzip.etag], [&*plain, &*gzip]);
            assert_ne!(plain, gzip);
        }
    }

    #[test]
    fn the_page_preloads_its_files_and_none_of_the_page_for_operators() {
        let loaded: Vec<_> = loaded_by(&INDEX).map(|(name, _)| *name).collect();
        let names = FILES.iter().map(|(name, _)| *name);
        let own: Vec<_> = names.filter(|name| !name.contains("operations")).collect();
        assert_eq!(loaded, own);
        for name in own {
            assert!(text(&SERVICE_WORKER).contains(name), "{name}");
        }
    }

    #[test]
    fn the_page_for_operators_preloads_every_module_that_it_imports() {
        let loaded: BTreeSet<_> = loaded_by(&OPERATIONS).map(|(name, _)| *name).collect();
        for (name, _) in FILES.iter().filter(|(name, _)| name.contains("operations")) {
            assert!(loaded.contains(name), "{name}");
        }
        for (name, file) in loaded_by(&OPERATIONS) {
            for import in text(file).split(" from '").skip(1) {
                let (import, _) = import.split_once('\'').unwrap();
                let folder = Path::new("js").join(if name.contains("operations/") {
                    "operations"
                } else {
                    ""
                });
                let import = match import.strip_prefix("../") {
                    Some(shared) => format!("js/{shared}"),
                    None => folder.join(&import[2..]).display().to_string(),
                };
                assert!(loaded.contains(import.as_str()), "{name} imports {import}");
            }
        }
    }

    #[test]
    fn every_file_that_the_page_of_swagger_ui_loads_exists() {
        let names: Vec<_> = SWAGGER_UI_FILES.iter().map(|(name, _)| *name).collect();
        let loaded = text(&SWAGGER_UI).split("=\"docs/").skip(1);
        let loaded: Vec<_> = loaded.map(|rest| rest.split('"').next().unwrap()).collect();
        assert_eq!(loaded.len(), 4, "{loaded:?}");
        for name in loaded {
            assert!(names.contains(&name), "{name}");
        }
    }
}
