use super::*;

fn parse(text: &str) -> Result<WebhookUrl, InvalidWebhookUrl> {
    WebhookUrl::of_client(text, &"hooks.internal,10.0.0.7:8080".parse().unwrap())
}

#[test]
fn an_https_url_and_urls_of_allowed_hosts_are_accepted() {
    for (text, host, port, stored) in [
        (
            "https://Example.org",
            "example.org",
            443,
            "https://example.org/",
        ),
        (
            "https://xn--exmple-cua.org./",
            "xn--exmple-cua.org.",
            443,
            "https://xn--exmple-cua.org./",
        ),
        (
            "https://example.org:8443/a?b=c",
            "example.org",
            8443,
            "https://example.org:8443/a?b=c",
        ),
        ("https://1.1.1.1/", "1.1.1.1", 443, "https://1.1.1.1/"),
        (
            "https://[2606:4700::1111]:1/",
            "2606:4700::1111",
            1,
            "https://[2606:4700::1111]:1/",
        ),
        (
            "http://hooks.internal/x",
            "hooks.internal",
            80,
            "http://hooks.internal/x",
        ),
        (
            "http://10.0.0.7:8080/",
            "10.0.0.7",
            8080,
            "http://10.0.0.7:8080/",
        ),
    ] {
        let url = parse(text).unwrap();
        assert_eq!((url.host(), url.port(), url.as_str()), (host, port, stored));
        assert_eq!(
            parse(stored).unwrap(),
            url,
            "it is read again when it is used"
        );
        let rest = format!("{}{}", url.authority(), url.path_and_query());
        assert!(stored.ends_with(&format!("://{rest}")) && url.path_and_query().starts_with('/'));
    }
}

#[test]
fn operators_may_name_any_host_and_port_but_only_as_a_url() {
    for text in [
        "http://10.0.0.8:5432/x?y",
        "http://localhost/",
        "https://[::1]:1/",
        "https://xn--exmple-cua.org/",
    ] {
        let url = WebhookUrl::of_operators(text).unwrap();
        assert!(url.may_be_private(), "{text}");
        assert_eq!(url.as_str(), text);
    }
    for text in [
        "ftp://10.0.0.8/",
        "http://127.1/",
        "http://me@10.0.0.8/",
        "http://10.0.0.8/#a",
        "10.0.0.8",
    ] {
        assert!(WebhookUrl::of_operators(text).is_err(), "{text}");
    }
}

#[test]
fn only_the_scheme_host_and_port_are_shown() {
    for (url, shown) in [
        ("https://a.example", "https://a.example"),
        ("https://a.example/", "https://a.example/"),
        ("https://a.example/x", "https://a.example/…"),
        ("https://a.example?x", "https://a.example/…"),
        ("https://a.example#x", "https://a.example/…"),
        ("http://[fd00::1]:81/?x@y/z", "http://[fd00::1]:81/…"),
        ("https://x:x@a.example:1/x", "https://a.example:1/…"),
        ("a.example/x", "a.example/…"),
    ] {
        assert_eq!(redacted(url), shown);
    }
    let url = WebhookUrl::of_operators("https://a.example/x").unwrap();
    assert_eq!(format!("{url:?}"), "https://a.example/…");
}

#[test]
fn a_receiver_is_its_scheme_host_and_port_however_they_are_spelled() {
    let origin = |text| WebhookUrl::of_operators(text).unwrap().origin();
    for (text, expected) in [
        ("https://Example.ORG", "https://example.org:443"),
        ("HTTPS://example.org.:443/a?b", "https://example.org:443"),
        ("http://example.org/", "http://example.org:80"),
        ("http://example.org:8080/", "http://example.org:8080"),
        ("http://10.0.0.7/", "http://10.0.0.7:80"),
        ("http://[::ffff:10.0.0.7]/", "http://10.0.0.7:80"),
        ("http://[FD00:0::7]:1/", "http://[fd00::7]:1"),
    ] {
        assert_eq!(origin(text), expected);
    }
}

#[test]
fn other_urls_are_refused_with_what_to_do() {
    let long = format!("https://example.org/{}", "a".repeat(MAX_LENGTH));
    for (text, words) in [
        ("", "must be a URL"),
        ("example.org/x", "must be a URL"),
        ("/x", "must be a URL"),
        ("https://", "must be a URL"),
        ("https://exa mple.org", "must be a URL"),
        ("https://exämple.org/", "must be a URL"),
        ("https://example.org:port/", "must be a URL"),
        (long.as_str(), "at most 2000 characters"),
        ("http://example.org/", "must begin with https://"),
        ("ftp://example.org/", "must begin with https://"),
        (
            "https://user:secret@example.org/",
            "must not contain a user name",
        ),
        ("https://user@example.org/", "must not contain a user name"),
        ("https://example.org/#a", "must not contain a fragment"),
        ("https://localhost/", "must not be at localhost"),
        ("https://a.localhost:1/", "must not be at a.localhost"),
        ("https://127.0.0.1/", "must not be at 127.0.0.1"),
        (
            "https://169.254.169.254/latest",
            "must not be at 169.254.169.254",
        ),
        ("https://[::1]/", "must not be at ::1"),
        ("https://[::]/", "must not be at ::"),
        ("https://[::127.0.0.1]/", "must not be at ::7f00:1"),
        ("https://[fe80::1]/", "must not be at fe80::1"),
        ("https://[ff02::1]/", "must not be at ff02::1"),
        (
            "https://[64:ff9b::7f00:1]/",
            "must not be at 64:ff9b::7f00:1",
        ),
        (
            "https://[64:ff9b:1::808:808]/",
            "must not be at 64:ff9b:1::808:808",
        ),
        ("https://[2002:7f00:1::]/", "must not be at 2002:7f00:1::"),
        (
            "https://[2001:0:7f00:1::]/",
            "must not be at 2001:0:7f00:1::",
        ),
        ("https://[2001:db8::1]/", "must not be at 2001:db8::1"),
        ("https://[::ffff:10.0.0.1]/", "must not be at 10.0.0.1"),
        ("https://[fd00::1]/", "must not be at fd00::1"),
        ("https://0.0.0.0/", "must not be at 0.0.0.0"),
        ("https://255.255.255.255/", "must not be at 255.255.255.255"),
        ("https://168.63.129.16/", "must not be at 168.63.129.16"),
        ("https://10.0.0.8:8080/", "WEBHOOK_ALLOWED_HOSTS"),
        // other ports of allowed hosts
        ("https://10.0.0.7/", "must not be at 10.0.0.7"),
        ("http://10.0.0.7:5432/", "must begin with https://"),
        ("http://hooks.internal:443/", "must begin with https://"),
        ("http://hooks.internal:5432/", "must begin with https://"),
        // dots at the end
        ("https://localhost./", "must not be at localhost"),
        ("https://a.LOCALHOST.:1/", "must not be at a.localhost"),
        ("https://127.0.0.1./", "four decimal numbers"),
        // numbers that some programs read as 127.0.0.1
        ("https://127.1/", "four decimal numbers"),
        ("https://2130706433/", "four decimal numbers"),
        ("https://0x7f000001/", "four decimal numbers"),
        ("https://0X7F.0.0.0X1/", "four decimal numbers"),
        ("https://0177.0.0.1/", "four decimal numbers"),
        ("https://0/", "four decimal numbers"),
        ("https://0x/", "four decimal numbers"),
        ("https://256.0.0.1/", "four decimal numbers"),
        ("https://a.127.0.0.1/", "four decimal numbers"),
        // spellings that become localhost or 127.0.0.1 if they are decoded or normalised
        ("https://%6cocalhost/", "must be a URL"),
        ("https://127%2e0%2e0%2e1/", "must be a URL"),
        ("https://①②⑦.0.0.1/", "must be a URL"),
        ("https://127。0。0。1/", "must be a URL"),
        ("https://ｌocalhost/", "must be a URL"),
        ("https://[fe80::1%25eth0]/", "must be a URL"),
        ("https://[v1.a]/", "must be a URL"),
        ("https://example.org\\@127.0.0.1/", "must"),
        ("https://example.org\r\nx: y/", "must be a URL"),
    ] {
        let error = parse(text).unwrap_err().to_string();
        assert!(error.contains(words), "{text:?}: {error}");
        assert!(!error.contains("secret@"), "{error}");
    }
}
