//! How much the page transfers, and from which servers.

use serde_json::{Value, json};

use crate::support::{Page, Service};

/// 50 kB, with 1000 bytes per kilobyte.
const LIMIT_BYTES: u64 = 50_000;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn a_first_visit_transfers_less_than_50_kb() {
    let service = Service::start().await;
    let page = Page::open(&service).await;
    // `transferSize` includes 300 bytes for the headers; ours are smaller
    let files = page
        .value("[...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')].map((r) => [r.name, r.transferSize, r.encodedBodySize])")
        .await;
    let files: Vec<&Vec<Value>> = files
        .as_array()
        .unwrap()
        .iter()
        .map(|file| file.as_array().unwrap())
        .collect();
    let bytes: u64 = files.iter().map(|file| file[1].as_u64().unwrap()).sum();
    assert!(files.len() > 20, "{files:?}");
    assert!(bytes < LIMIT_BYTES, "{bytes} bytes: {files:?}");
    for file in files {
        assert!(
            file[0].as_str().unwrap().starts_with(&service.url),
            "{file:?}"
        );
    }

    page.reload().await;
    let again = page.value("performance.getEntriesByType('resource').filter((r) => !r.name.includes('/api/')).reduce((sum, r) => sum + r.transferSize, 0)").await;
    assert_eq!(again, json!(0), "a reload transfers no files");
}
