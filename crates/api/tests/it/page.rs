//! The responses for the page and its files.

use reqwest::StatusCode;

use crate::support::{Service, send};

/// The page, and the page for operators.
const PAGES: [&str; 2] = ["/", "/operations"];

/// Returns the path of the page's main script, which contains the version.
async fn main_script(service: &Service) -> String {
    let page = service.get("/").await;
    let text = page.text();
    let (_, from_version) = text.split_once("assets/").unwrap();
    let (version, _) = from_version.split_once('/').unwrap();
    format!("/assets/{version}/js/main.js")
}

#[tokio::test]
async fn the_content_policy_of_each_page_allows_only_its_own_files() {
    let service = Service::start().await;
    for path in PAGES {
        let page = service.get(path).await;
        assert_eq!(page.status, StatusCode::OK, "{path}");
        assert_eq!(
            page.header("content-type"),
            Some("text/html; charset=utf-8"),
            "{path}"
        );
        let policy = page.header("content-security-policy").unwrap();
        assert!(policy.starts_with("default-src 'none'; "), "{policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
        assert!(!policy.contains("http"), "{policy}");
        // the policy would block these
        for inline in [
            "<style",
            "style=\"",
            "onclick",
            "javascript:",
            "src=\"http",
            "href=\"http",
        ] {
            assert!(!page.text().contains(inline), "{path} {inline}");
        }
    }
}

#[tokio::test]
async fn the_page_for_operators_opens_without_a_token() {
    let service = Service::start_with(&["--auth=tokens"]).await;
    let page = service.get("/operations").await;
    assert_eq!(page.status, StatusCode::OK);
    let (_, script) = page.text().split_once("src=\"").unwrap();
    let (script, _) = script.split_once('"').unwrap();
    let script = service.get(&format!("/{script}")).await;
    assert_eq!(script.status, StatusCode::OK);
}

#[tokio::test]
async fn the_page_is_revalidated_and_its_files_are_cached_forever() {
    let service = Service::start().await;
    let script = service.get(&main_script(&service).await).await;
    assert_eq!(script.status, StatusCode::OK);
    assert_eq!(
        (script.header("cache-control"), script.header("etag")),
        (Some("max-age=31536000, immutable"), None)
    );
    for path in PAGES.into_iter().chain(["/service-worker.js"]) {
        let file = service.get(path).await;
        assert_eq!(file.status, StatusCode::OK, "{path}");
        assert_eq!(file.header("cache-control"), Some("no-cache"), "{path}");
        let etag = file.header("etag").unwrap();
        let again = send(service.request("GET", path).header("If-None-Match", etag)).await;
        assert_eq!(again.status, StatusCode::NOT_MODIFIED, "{path}");
        assert_eq!(again.header("etag"), Some(etag), "{path}");
        assert!(again.bytes.is_empty(), "{path}");
    }
}

#[tokio::test]
async fn files_are_compressed_if_the_client_accepts_gzip() {
    let service = Service::start().await;
    let plain = service.get("/").await;
    assert_eq!(plain.header("content-encoding"), None);
    let gzip = send(
        service
            .request("GET", "/")
            .header("Accept-Encoding", "br, gzip"),
    )
    .await;
    assert_eq!(gzip.header("content-encoding"), Some("gzip"));
    assert_eq!(gzip.header("vary"), Some("Accept-Encoding"));
    assert!(gzip.bytes.starts_with(&[0x1f, 0x8b]));
    assert!(gzip.bytes.len() * 3 < plain.bytes.len());
    assert_ne!(gzip.header("etag"), plain.header("etag"));
    let head = send(service.request("HEAD", "/")).await;
    assert_eq!(head.status, StatusCode::OK);
    assert!(head.bytes.is_empty());
}

#[tokio::test]
async fn a_file_of_another_version_or_outside_the_page_is_not_found() {
    let service = Service::start().await;
    let script = main_script(&service).await;
    for path in [
        "/assets/0123456789ab/js/main.js".to_owned(),
        script.replace("main.js", "no-such.js"),
        script.replace("main.js", "../../index.html"),
        script.replace("js/main.js", "..%2f..%2fCargo.toml"),
        "/assets/".to_owned(),
    ] {
        let response = service.get(&path).await;
        response.assert_problem(404, "no resource exists at this path");
    }
}
