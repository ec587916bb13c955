use super::*;

fn parsed(url: &str) -> BrokerAddress {
    url.parse().unwrap_or_else(|error| panic!("{url}: {error}"))
}

#[test]
fn each_scheme_has_a_kind_and_a_port() {
    for (url, kind, is_tls, port) in [
        ("redis://h/q", BrokerKind::Redis, false, 6379),
        ("rediss://h/q", BrokerKind::Redis, true, 6379),
        ("amqp://h/q", BrokerKind::RabbitMq, false, 5672),
        ("amqps://h/q", BrokerKind::RabbitMq, true, 5671),
        ("stomp://h/q", BrokerKind::ActiveMq, false, 61613),
        ("stomp+ssl://h/q", BrokerKind::ActiveMq, true, 61614),
        ("kafka://h/q", BrokerKind::Kafka, false, 9092),
        ("kafka+ssl://h/q", BrokerKind::Kafka, true, 9092),
    ] {
        let address = parsed(url);
        assert_eq!((address.kind, address.is_tls), (kind, is_tls), "{url}");
        assert_eq!((address.host(), address.port()), ("h", port), "{url}");
        assert_eq!(address.name, "q");
        assert_eq!(address.to_string(), url);
    }
}

#[test]
fn user_password_and_virtual_host_are_decoded() {
    let address = parsed("amqp://me:p%40ss%2F%25@rabbit.example.org:5673/a%2Fb/ical-1.x_y");
    assert_eq!(address.user.as_deref(), Some("me"));
    assert_eq!(address.password.as_ref().unwrap().expose(), "p@ss/%");
    assert_eq!(address.hosts, [("rabbit.example.org".to_owned(), 5673)]);
    assert_eq!(address.vhost, "a/b");
    assert_eq!(address.name, "ical-1.x_y");
    assert_eq!(parsed("amqp://h/q").vhost, "/");
    assert_eq!(parsed("amqp://h/%2F/q"), parsed("amqp://h/q"));
}

#[test]
fn redis_has_a_password_without_a_user_and_a_database() {
    let address = parsed("redis://:s3cret@h/ical?db=15");
    assert_eq!(address.user, None);
    assert_eq!(address.password.as_ref().unwrap().expose(), "s3cret");
    assert_eq!(address.option("db"), Some("15"));
    assert_eq!(address.option("group"), None);
}

#[test]
fn kafka_has_several_hosts_and_a_mechanism() {
    let address = parsed("kafka://a:1,[::1],c:3/ical?group=g&sasl=SCRAM-SHA-512");
    let hosts = [
        ("a".to_owned(), 1),
        ("::1".to_owned(), 9092),
        ("c".to_owned(), 3),
    ];
    assert_eq!(address.hosts, hosts);
    assert_eq!(address.option("sasl"), Some("SCRAM-SHA-512"));
    assert_eq!(
        address.to_string(),
        "kafka://a:1,[::1],c:3/ical?group=g&sasl=SCRAM-SHA-512"
    );
}

#[test]
fn only_the_whole_url_contains_the_password() {
    for (url, shown) in [
        ("redis://:s3cret@h/q", "redis://:***@h/q"),
        ("redis://me:s3cret@h:1/q?db=2", "redis://me:***@h:1/q?db=2"),
        (
            "amqps://m%40e:s3cret%2F@[::1]/v/q",
            "amqps://m%40e:***@[::1]/v/q",
        ),
        ("stomp://me@h/q", "stomp://me@h/q"),
        ("stomp+ssl://a,b:1/q", "stomp+ssl://a,b:1/q"),
    ] {
        let address = parsed(url);
        assert_eq!(address.to_string(), shown);
        assert_eq!(address.with_password(), url);
        assert_eq!(parsed(&address.with_password()), address);
        assert!(!format!("{address:?}").contains("s3cret"), "{address:?}");
    }
}

#[test]
fn a_host_of_another_machine_is_found() {
    for (url, remote) in [
        ("redis://localhost/q", None),
        ("redis://127.1.2.3:1/q", None),
        ("redis://[::1]/q", None),
        ("redis://10.0.0.1/q", Some("10.0.0.1")),
        ("kafka://localhost,kafka-1/q", Some("kafka-1")),
    ] {
        assert_eq!(parsed(url).remote_host(), remote, "{url}");
    }
}

#[test]
fn a_text_that_is_no_address_is_refused_without_repeating_a_password() {
    let long = format!("redis://h/{}", "x".repeat(121));
    for url in [
        "redis://",
        "redis://h",
        "redis://h/",
        "redis://h/a b",
        "redis://h/a/b",
        "redis://h/..",
        &long,
        "redis://h/q?db=-1",
        "redis://h/q?db=01",
        "redis://h/q?db",
        "redis://h/q?db=1&db=2",
        "redis://h/q?group=g",
        "redis://@h/q",
        "redis://:@h/q",
        "redis://a,b/q",
        "redis://h:/q",
        "redis://h:0/q",
        "redis://h:65536/q",
        "redis://::1/q",
        "redis://[::1/q",
        "redis://[::1]x/q",
        "redis:///q",
        "redis://me:s3cret%@h/q",
        "redis://me:s3cret/x@h/q",
        "redis://me:s3cret?x@h",
        "redis://me:s3cret%00@h/q",
        "redis://me:s3cret%FF@h/q",
        "amqp://:s3cret@h/q",
        "amqp://h//q",
        "amqp://h/v/w/q",
        "kafka://h/q?sasl=GSSAPI",
        "kafka://h/q?group=a%20b",
        "valkey://h/q",
        "redis",
    ] {
        let error = url.parse::<BrokerAddress>().unwrap_err().to_string();
        assert!(!error.contains("s3cret"), "{url}: {error}");
    }
}

#[test]
fn the_form_of_each_kind_is_one_of_its_urls() {
    for kind in BrokerKind::ALL {
        let form = kind.form().split(' ').next().unwrap();
        let address = parsed(&form.replace("NUMBER", "1"));
        assert_eq!(address.kind, kind);
        let given = address.options.iter().map(|(name, _)| name.as_str());
        assert!(given.eq(kind.options().iter().copied()), "{address}");
    }
}
