use clap::Parser;

use super::*;

#[derive(Debug, Parser)]
struct Process {
    #[command(flatten)]
    traces: TraceConfig,
}

fn parse(flags: &[&str]) -> Result<TraceConfig, clap::Error> {
    let flags = flags.iter().map(|flag| format!("--otel-{flag}"));
    let flags = ["process".to_owned()].into_iter().chain(flags);
    Process::try_parse_from(flags).map(|process| process.traces)
}

const BASE: &str = "exporter-otlp-endpoint=http://base:1/";
const OWN: &str = "exporter-otlp-traces-endpoint=http://own:2/x?y=z";

#[test]
fn spans_go_to_the_url_that_the_specification_prescribes() {
    for (flags, url) in [
        (&[][..], None),
        (&[BASE], Some("http://base:1/v1/traces")),
        (&[OWN], Some("http://own:2/x?y=z")),
        (&[BASE, OWN], Some("http://own:2/x?y=z")),
        (
            &["traces-exporter=OTLP"],
            Some("http://localhost:4318/v1/traces"),
        ),
        (
            &["traces-exporter=otlp", BASE],
            Some("http://base:1/v1/traces"),
        ),
        (&["traces-exporter=none", BASE, OWN], None),
        (&["sdk-disabled=True", BASE, OWN], None),
        (
            &["sdk-disabled=False", BASE],
            Some("http://base:1/v1/traces"),
        ),
    ] {
        let config = parse(flags).unwrap();
        assert_eq!(config.url().as_deref(), url, "{flags:?}");
    }
}

#[test]
fn an_endpoint_is_the_base_of_an_http_url_and_that_for_traces_a_whole_one() {
    for (text, base) in [
        ("http://localhost:4318", "http://localhost:4318"),
        ("http://localhost:4318/", "http://localhost:4318"),
        ("https://c.example/otlp", "https://c.example/otlp"),
    ] {
        assert_eq!(text.parse::<Endpoint>().unwrap().to_string(), base);
        text.parse::<TracesEndpoint>().unwrap();
    }
    assert!("http://a/?b=c".parse::<Endpoint>().is_err());
    for text in ["", "localhost:4318", "grpc://localhost:4317", "http://"] {
        assert!(text.parse::<Endpoint>().is_err(), "{text:?}");
        assert!(text.parse::<TracesEndpoint>().is_err(), "{text:?}");
    }
}

#[test]
fn the_timeout_for_traces_overrides_the_other_and_zero_is_no_limit() {
    let (general, own) = ("exporter-otlp-timeout=", "exporter-otlp-traces-timeout=");
    for (flags, millis) in [
        (vec![], Some(10_000)),
        (vec![format!("{general}500")], Some(500)),
        (vec![format!("{own}200")], Some(200)),
        (
            vec![format!("{general}500"), format!("{own}200")],
            Some(200),
        ),
        (vec![format!("{general}500"), format!("{own}0")], None),
    ] {
        let flags: Vec<_> = flags.iter().map(String::as_str).collect();
        let timeout = parse(&flags).unwrap().timeout();
        assert_eq!(timeout, millis.map(Duration::from_millis), "{flags:?}");
    }
}

#[test]
fn the_sampler_is_the_one_that_is_named() {
    let arg = "traces-sampler-arg=0.25";
    for (flags, sampler) in [
        (&[][..], "ParentBased(AlwaysOn)"),
        (&[arg], "ParentBased(AlwaysOn)"),
        (&["traces-sampler=always_on"], "AlwaysOn"),
        (&["traces-sampler=always_off"], "AlwaysOff"),
        (&["traces-sampler=traceidratio"], "TraceIdRatioBased(1.0)"),
        (
            &["traces-sampler=TraceIdRatio", arg],
            "TraceIdRatioBased(0.25)",
        ),
        (
            &["traces-sampler=parentbased_always_on"],
            "ParentBased(AlwaysOn)",
        ),
        (
            &["traces-sampler=parentbased_always_off"],
            "ParentBased(AlwaysOff)",
        ),
        (
            &["traces-sampler=parentbased_traceidratio", arg],
            "ParentBased(TraceIdRatioBased(0.25))",
        ),
    ] {
        let config = parse(flags).unwrap();
        assert_eq!(format!("{:?}", config.sampler()), sampler, "{flags:?}");
    }
}

#[test]
fn an_unusable_value_is_refused_with_what_is_possible() {
    for (flag, expected) in [
        (
            "exporter-otlp-endpoint=here",
            "/v1/traces is appended to it",
        ),
        (
            "exporter-otlp-traces-endpoint=here",
            "nothing is appended to it",
        ),
        ("exporter-otlp-timeout=10s", "number of milliseconds"),
        ("exporter-otlp-traces-timeout=-1", "number of milliseconds"),
        ("traces-exporter=zipkin", "[possible values: otlp, none]"),
        ("sdk-disabled=1", "true or false"),
        ("traces-sampler=xray", "parentbased_traceidratio"),
        ("traces-sampler-arg=2", "from 0 to 1"),
        ("traces-sampler-arg=NaN", "from 0 to 1"),
    ] {
        let error = parse(&[flag]).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}
