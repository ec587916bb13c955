//! Paths, methods and malformed HTTP.

use crate::support::{Service, send};

const TODOS: &str = "/api/v1/todos";
const ICAL: &str = "/api/v1/todos/ical";

#[tokio::test]
async fn an_unknown_path_is_404() {
    let service = Service::start().await;
    for path in [
        "/nowhere",
        "/api",
        "/api/v1",
        "/api/v1/",
        "/api/v2/todos",
        "/api/v1/todos/",
        "/api/v1/todos/1/2",
        "//",
        "/api/v1/todos/ical/",
        "/api/v1/todos/ical/1/2",
        "/API/v1/todos",
        "/../etc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/%00",
        "/%ff",
    ] {
        for method in ["GET", "POST", "BREW"] {
            let response = send(service.request(method, path)).await;
            if response.json()["error"] != "Todo not found" {
                response.assert_problem(404, "no resource exists at this path");
            }
        }
    }
}

#[tokio::test]
async fn an_unsupported_method_is_405_with_the_supported_methods() {
    let service = Service::start().await;
    let job = "/api/v1/todos/ical/0192f0c1-2345-7abc-8def-0123456789ab";
    let (status, result) = (format!("{job}/status"), format!("{job}/result"));
    for (path, allowed, wrong) in [
        ("/", "GET, HEAD", "POST"),
        ("/livez", "GET, HEAD", "DELETE"),
        ("/readyz", "GET, HEAD", "PUT"),
        ("/startedz", "GET, HEAD", "PATCH"),
        ("/metrics", "GET, HEAD", "POST"),
        ("/api/v1/health", "GET, HEAD", "POST"),
        (TODOS, "GET, HEAD, POST", "DELETE"),
        ("/api/v1/todos/1", "GET, HEAD, PUT, PATCH, DELETE", "POST"),
        (ICAL, "GET, HEAD, POST", "DELETE"),
        (job, "DELETE", "GET"),
        (&status, "GET, HEAD", "POST"),
        (&result, "GET, HEAD", "DELETE"),
    ] {
        for method in [wrong, "OPTIONS", "BREW", "get"] {
            let response = send(service.request(method, path)).await;
            response.assert_problem(405, &format!("this resource supports only {allowed}"));
            assert_eq!(response.header("allow"), Some(allowed));
        }
        for method in allowed.split(", ") {
            assert_ne!(
                send(service.request(method, path)).await.status,
                405,
                "{method} {path}"
            );
        }
    }
}

#[tokio::test]
async fn a_head_request_gets_the_headers_of_a_get_request() {
    let service = Service::start().await;
    let id = service.new_job().await;
    for path in [
        "/",
        "/livez",
        "/api/v1/health",
        TODOS,
        ICAL,
        &format!("{ICAL}/{id}/status"),
        "/api/v1/todos/1",
    ] {
        let get = service.get(path).await;
        let head = send(service.request("HEAD", path)).await;
        assert_eq!(head.status, get.status, "{path}");
        assert_eq!(head.bytes, b"");
        for name in ["content-type", "content-length", "etag", "retry-after"] {
            assert_eq!(head.header(name), get.header(name), "{name} of {path}");
        }
    }
}

#[tokio::test]
async fn malformed_http_is_400_and_http_1_0_is_supported() {
    let service = Service::start().await;
    for request in [
        "GARBAGE\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\n",
        "GET /\0 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ] {
        let response = service.raw(request).await;
        assert!(
            response.text.is_empty() || response.status() == 400,
            "{}",
            response.text
        );
    }
    let old = service
        .raw("POST /api/v1/todos/ical HTTP/1.0\r\nContent-Length: 0\r\n\r\n")
        .await;
    assert!(old.text.starts_with("HTTP/1.0 202 "), "{}", old.text);
    let url = old.json()["task_url"].clone();
    assert!(url.as_str().unwrap().starts_with(&service.url), "{url}");
}
