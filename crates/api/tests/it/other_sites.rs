//! Pages of other sites can neither read nor change anything, and the API answers only for its own hosts.

use reqwest::RequestBuilder;
use serde_json::json;

use crate::support::{Service, config, database, send};

const TODOS: &str = "/api/v1/todos";
const ICAL: &str = "/api/v1/todos/ical";
const FEEDS: &str = "/api/v1/calendar/feeds";
const PROBES: [&str; 4] = ["/livez", "/readyz", "/startedz", "/api/v1/health"];

const FOREIGN_PAGE: &str = "a page of another site sent this request; if that page belongs to this service, set PUBLIC_URL to its address";
const MALFORMED_HOST: &str = "Host must be a host with an optional port";

fn unknown(host: &str, header: &str) -> String {
    format!(
        "{host} is not a host of this service ({header} header); if it should be one, add it to the setting ALLOWED_HOSTS"
    )
}

/// Returns `request` with the headers that a browser adds if a page of another site sends it: the first browser is
/// current, the second older, or the API is not on its own machine. The third page hides its origin.
fn from_other_sites(request: impl Fn() -> RequestBuilder) -> [RequestBuilder; 3] {
    [
        request()
            .header("Sec-Fetch-Site", "cross-site")
            .header("Origin", "https://evil.example"),
        request().header("Origin", "https://evil.example"),
        request().header("Origin", "null"),
    ]
}

#[tokio::test]
async fn a_fetch_of_another_site_without_a_content_type_creates_no_todo() {
    let service = Service::start().await;
    let fetch = || service.request("POST", TODOS).body(r#"{"title": "a"}"#);
    for request in from_other_sites(fetch) {
        send(request).await.assert_problem(403, FOREIGN_PAGE);
    }
    assert_eq!(send(fetch()).await.status, 415);
    assert_eq!(service.count("todos").await, 0);
}

#[tokio::test]
async fn a_form_of_another_site_creates_no_job_even_if_it_is_empty() {
    let service = Service::start().await;
    for content_type in [
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "text/plain",
    ] {
        for body in ["", "window=7"] {
            let form = || {
                let request = service.request("POST", ICAL).body(body);
                request.header("Content-Type", content_type)
            };
            for request in from_other_sites(form) {
                send(request).await.assert_problem(403, FOREIGN_PAGE);
            }
        }
    }
    for request in from_other_sites(|| service.request("POST", ICAL)) {
        send(request).await.assert_problem(403, FOREIGN_PAGE);
    }
    assert_eq!(service.count("calendar_jobs").await, 0);
}

#[tokio::test]
async fn pages_of_other_sites_change_nothing_and_are_not_allowed_to_read() {
    let service = Service::start().await;
    let todo = service.post(TODOS, &json!({"title": "a"})).await.json();
    let path = format!("{TODOS}/{}", todo["id"]);
    let job = format!("{ICAL}/{}", service.new_job().await);
    let feed = service.post(FEEDS, &json!({})).await.json();
    let feed = format!("{FEEDS}/{}", feed["id"].as_str().unwrap());
    for (method, path) in [
        ("PUT", path.as_str()),
        ("PATCH", &path),
        ("DELETE", &path),
        ("DELETE", &job),
        ("POST", FEEDS),
        ("DELETE", &feed),
        ("POST", "/livez"),
        ("POST", "/nowhere"),
        ("BREW", TODOS),
    ] {
        let change = || service.request(method, path).json(&json!({"title": "b"}));
        for request in from_other_sites(change) {
            send(request).await.assert_problem(403, FOREIGN_PAGE);
        }
    }
    for request in from_other_sites(|| service.request("GET", &path)) {
        let response = send(request).await;
        assert_eq!(response.json(), todo);
        // without this header, the browser keeps the response from the page
        assert_eq!(response.header("access-control-allow-origin"), None);
    }
    // a browser asks in this way before it sends any other request of another site
    let preflight = service
        .request("OPTIONS", &path)
        .header("Access-Control-Request-Method", "DELETE");
    for request in from_other_sites(|| preflight.try_clone().unwrap()) {
        assert_eq!(send(request).await.status, 405);
    }
    let status = service.get(&format!("{job}/status")).await;
    assert_eq!(status.json()["task_status"], "PENDING");
    assert_eq!(service.get(FEEDS).await.json().as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_page_of_the_service_itself_may_change_everything() {
    let service = Service::start().await;
    for host in ["localhost:6400", "127.0.0.1:1", "[::1]:65535", "localhost"] {
        let own = format!("http://{host}");
        for header in [
            ("Sec-Fetch-Site", "same-origin"),
            ("Sec-Fetch-Site", "none"),
            ("Origin", &own),
        ] {
            let request = |method, path: &str| {
                let request = service.request(method, path).header("Host", host);
                request.header(header.0, header.1)
            };
            let create = request("POST", TODOS).json(&json!({"title": "a"}));
            let todo = send(create).await;
            assert_eq!(todo.status, 201, "{}", todo.text());
            let path = format!("{TODOS}/{}", todo.json()["id"]);
            let update = request("PUT", &path).json(&json!({"title": "b"}));
            assert_eq!(send(update).await.json()["title"], "b");
            assert_eq!(send(request("POST", ICAL)).await.status, 202);
            assert_eq!(send(request("DELETE", &path)).await.status, 200);
        }
    }
}

#[tokio::test]
async fn other_programs_on_this_machine_are_other_sites() {
    let service = Service::start().await;
    for (site, origin) in [
        ("same-site", "http://localhost:3000"),
        ("cross-site", "http://127.0.0.1:6400"),
        ("none", "chrome-extension://abcdefghijklmnop"),
        ("none", "null"),
    ] {
        let request = service
            .request("POST", ICAL)
            .header("Host", "localhost:6400");
        let request = request.header("Origin", origin);
        let current = request.try_clone().unwrap().header("Sec-Fetch-Site", site);
        for request in [request, current] {
            send(request).await.assert_problem(403, FOREIGN_PAGE);
        }
    }
    assert_eq!(service.count("calendar_jobs").await, 0);
}

#[tokio::test]
async fn a_request_for_another_host_reads_nothing_and_gets_no_links_to_it() {
    let service = Service::start().await;
    service.post(TODOS, &json!({"title": "secret"})).await;
    let job = service.new_job().await;
    for path in [
        "/",
        "/docs",
        "/metrics",
        "/nowhere",
        "/service-worker.js",
        "/calendar/0123.ics",
        "/api/v1/openapi.json",
        TODOS,
        "/api/v1/todos?limit=1",
        ICAL,
        FEEDS,
        &format!("{ICAL}/{job}/status"),
        &format!("{ICAL}/{job}/events"),
    ] {
        for method in ["GET", "POST", "OPTIONS"] {
            let request = service
                .request(method, path)
                .header("Host", "evil.example:6400");
            let response = send(request).await;
            response.assert_problem(421, &unknown("evil.example", "Host"));
            assert!(!format!("{response:?}").contains("://evil.example"));
        }
    }
    assert_eq!(service.count("calendar_jobs").await, 1);
}

#[tokio::test]
async fn probes_are_answered_under_any_host() {
    let service = Service::start().await;
    for path in PROBES {
        for host in ["evil.example", "10.0.0.7:6400", "a b", ""] {
            for method in ["GET", "HEAD"] {
                let request = service.request(method, path).header("Host", host);
                assert_eq!(send(request).await.status, 200, "{path} at {host:?}");
            }
        }
    }
}

#[tokio::test]
async fn hosts_are_recognised_in_every_form_that_http_has() {
    let service = Service::start().await;
    for host in [
        "localhost",
        "LOCALHOST:6400",
        "localhost.",
        "todo.localhost:1",
        "127.9.9.9",
        "[::1]:6400",
        "[::ffff:127.0.0.1]",
    ] {
        let get = format!("GET {TODOS} HTTP/1.1\r\nHost: {host}\r\n\r\n");
        assert_eq!(service.raw(get).await.status(), 200, "{host}");
    }
    for (host, error) in [
        ("evil.example", unknown("evil.example", "Host")),
        ("Evil.Example.:80", unknown("Evil.Example", "Host")),
        (
            "127.0.0.1.evil.example",
            unknown("127.0.0.1.evil.example", "Host"),
        ),
        ("192.0.2.7", unknown("192.0.2.7", "Host")),
        ("2130706433", unknown("2130706433", "Host")),
        ("0.0.0.0", unknown("0.0.0.0", "Host")),
        ("[2001:db8::1]:6400", unknown("2001:db8::1", "Host")),
        ("", MALFORMED_HOST.to_owned()),
        ("user@localhost", MALFORMED_HOST.to_owned()),
        ("localhost:port", MALFORMED_HOST.to_owned()),
        ("localhost, evil.example", MALFORMED_HOST.to_owned()),
        ("[fe80::1%eth0]", MALFORMED_HOST.to_owned()),
        ("l\u{f6}calhost", MALFORMED_HOST.to_owned()),
    ] {
        let get = format!("GET {TODOS} HTTP/1.1\r\nHost: {host}\r\n\r\n");
        let response = service.raw(get).await;
        let status = if error == MALFORMED_HOST { 400 } else { 421 };
        assert_eq!(response.status(), status, "{host}");
        assert_eq!(response.json()["error"], error, "{host}");
    }
}

#[tokio::test]
async fn the_host_in_the_target_counts_instead_of_the_header() {
    let service = Service::start().await;
    for (head, status) in [
        (
            "GET http://localhost/api/v1/todos HTTP/1.1\r\nHost: evil.example",
            200,
        ),
        (
            "GET http://evil.example/api/v1/todos HTTP/1.1\r\nHost: localhost",
            421,
        ),
        (
            "GET https://evil.example:6400/livez HTTP/1.1\r\nHost: localhost",
            200,
        ),
        (
            "GET http://user@localhost/api/v1/todos HTTP/1.1\r\nHost: localhost",
            400,
        ),
        ("CONNECT evil.example:443 HTTP/1.1\r\nHost: localhost", 421),
        ("OPTIONS * HTTP/1.1\r\nHost: evil.example", 421),
        (
            "GET //evil.example/api/v1/todos HTTP/1.1\r\nHost: localhost",
            404,
        ),
        (
            "GET /api/v1/todos HTTP/1.1\r\nHost: localhost\r\nHost: localhost",
            400,
        ),
        (
            "GET /api/v1/todos HTTP/1.1\r\nHost: evil.example\r\nHost: localhost",
            400,
        ),
        ("GET /api/v1/todos HTTP/1.0\r\nHost: evil.example", 421),
        ("GET /api/v1/todos HTTP/1.0", 200),
    ] {
        let response = service.raw(format!("{head}\r\n\r\n")).await;
        assert_eq!(response.status(), status, "{head}");
    }
}

#[tokio::test]
async fn settings_allow_more_hosts() {
    let flags = [
        "--public-url=https://todo.example.org/path",
        "--allowed-hosts=api,.example.net,192.0.2.7",
    ];
    let service = Service::start_with(&flags).await;
    for (host, status) in [
        ("todo.example.org", 200),
        ("api:6400", 200),
        ("a.example.net", 200),
        ("192.0.2.7", 200),
        ("localhost", 200),
        ("example.org", 421),
        ("192.0.2.8", 421),
    ] {
        let get = |path| send(service.request("GET", path).header("Host", host));
        assert_eq!(get(TODOS).await.status, status, "{host}");
        // where a calendar program looks for a feed, which does not exist here
        let feed = if status == 200 { 404 } else { status };
        assert_eq!(get("/calendar/0123.ics").await.status, feed, "{host}");
    }
    // the page is at the public URL, wherever the proxy sends its requests
    let create = |origin| {
        let request = service.request("POST", TODOS).header("Origin", origin);
        request.json(&json!({"title": "a"}))
    };
    assert_eq!(send(create("https://todo.example.org")).await.status, 201);
    assert_eq!(send(create("https://a.example.net")).await.status, 403);

    let service = Service::start_with(&["--allowed-hosts=*"]).await;
    let request = service.request("GET", TODOS).header("Host", "evil.example");
    assert_eq!(send(request).await.status, 200);
}

#[tokio::test]
async fn behind_a_proxy_every_named_host_must_be_allowed() {
    let flags = ["--trust-proxy", "--allowed-hosts=todo.example.org"];
    let service = Service::start_with(&flags).await;
    let get = |host, forwarded| {
        let request = service.request("GET", TODOS).header("Host", host);
        send(request.header("X-Forwarded-Host", forwarded))
    };
    assert_eq!(get("127.0.0.1", "todo.example.org").await.status, 200);
    let response = get("127.0.0.1", "evil.example").await;
    response.assert_problem(421, &unknown("evil.example", "X-Forwarded-Host"));
    let response = get("evil.example", "todo.example.org").await;
    response.assert_problem(421, &unknown("evil.example", "Host"));

    let service = Service::start().await;
    let request = service
        .request("POST", ICAL)
        .header("X-Forwarded-Host", "evil.example");
    let response = send(request).await;
    assert_eq!(response.status, 202);
    assert!(!format!("{response:?}").contains("evil.example"));
}

#[tokio::test]
async fn links_for_a_client_without_a_host_point_to_the_address_that_it_used() {
    let mut settings = config(&database(), &["--auth=off"]);
    settings.bind_addr = "0.0.0.0:0".parse().unwrap();
    let mut service = Service::launch(&settings);
    service.url = service.url.replace("0.0.0.0", "127.0.0.1");
    service.wait_until_ready().await;
    let post = format!("POST {ICAL} HTTP/1.0\r\nContent-Length: 0\r\n\r\n");
    let url = service.raw(post).await.json()["task_url"].clone();
    assert!(url.as_str().unwrap().starts_with(&service.url), "{url}");
}

#[tokio::test]
async fn the_body_of_a_refused_request_is_never_read_as_another_request() {
    let service = Service::start().await;
    let hidden = format!("DELETE {TODOS}/1 HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let length = hidden.len();
    service.post(TODOS, &json!({"title": "a"})).await;
    for host in ["localhost", "evil.example"] {
        for body in [
            format!("Content-Length: {length}\r\n\r\n{hidden}"),
            format!("Transfer-Encoding: chunked\r\n\r\n{length:x}\r\n{hidden}\r\n0\r\n\r\n"),
        ] {
            let head = format!("POST {TODOS} HTTP/1.1\r\nHost: {host}\r\nOrigin: null\r\n{body}");
            let text = service.raw(head).await.text;
            assert_eq!(text.matches("HTTP/1.1 ").count(), 1, "{text}");
        }
    }
    assert_eq!(service.count("todos").await, 1);
}
