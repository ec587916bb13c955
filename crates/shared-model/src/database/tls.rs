//! TLS to PostgreSQL, which a program has only if it was built with the feature `tls`.

use std::net::IpAddr;

/// What to do about a database that needs TLS.
const WAY_OUT: &str = "this program was built without TLS to PostgreSQL; build it with `--features tls`, which compiles \
    OpenSSL and needs make and perl";

/// Whether this program can use TLS.
const HAS_TLS: bool = cfg!(feature = "tls");

/// Returns why a setting can't be used that gives these values to libpq's `sslmode` and `sslrootcert`, or `None` if it
/// can.
pub(super) fn problem(
    setting: &str,
    sslmode: Option<&str>,
    sslrootcert: Option<&str>,
) -> Option<String> {
    let demand = match (sslmode, sslrootcert) {
        (Some(mode @ ("require" | "verify-ca" | "verify-full")), _) => format!("sslmode={mode}"),
        // libpq would ignore the certificate and connect without TLS
        (None, Some(_)) => "sslrootcert".to_owned(),
        _ => return None,
    };
    (!HAS_TLS).then(|| format!("{setting} asks for TLS ({demand}), but {WAY_OUT}"))
}

/// Returns a warning if these settings may send everything over a network without TLS, though they do not ask for that:
/// libpq connects without TLS if it has none. `disabled` is the setting that asks for it.
pub(super) fn warning(hosts: &[&str], sslmode: Option<&str>, disabled: &str) -> Option<String> {
    let remote = hosts.iter().find(|host| !is_local(host))?;
    (!HAS_TLS && sslmode != Some("disable")).then(|| {
        format!(
            "the connection to the database on {remote} is not encrypted: {WAY_OUT}; if that is intended, set {disabled}"
        )
    })
}

/// Whether a host is this machine: a loopback address, or a socket, whose folder may be percent-encoded.
fn is_local(host: &str) -> bool {
    host.is_empty()
        || host.starts_with(['/', '@', '%'])
        || host.eq_ignore_ascii_case("localhost")
        || host
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

/// Adds what to do to an error of a failed connection, if TLS would help.
pub(crate) fn explain(error: &str) -> String {
    if !HAS_TLS && error.contains("SSL support is not compiled in") {
        format!("{error}: {WAY_OUT}")
    } else if !HAS_TLS && error.contains("no encryption") {
        format!("{error}; if the server accepts only TLS: {WAY_OUT}")
    } else {
        error.to_owned()
    }
}

#[cfg(all(test, not(feature = "tls")))]
mod tests {
    use super::*;

    #[test]
    fn settings_that_ask_for_tls_are_refused_with_the_way_to_build_it() {
        for (sslmode, sslrootcert, demand) in [
            (Some("require"), None, "sslmode=require"),
            (Some("verify-ca"), None, "sslmode=verify-ca"),
            (Some("verify-full"), Some("rds.pem"), "sslmode=verify-full"),
            (None, Some("rds.pem"), "sslrootcert"),
        ] {
            let problem = problem("DATABASE_URL", sslmode, sslrootcert).unwrap();
            let start = format!("DATABASE_URL asks for TLS ({demand}), but");
            assert!(problem.starts_with(&start), "{problem}");
            assert!(problem.contains("--features tls"), "{problem}");
        }
    }

    #[test]
    fn settings_that_allow_a_connection_without_tls_are_accepted() {
        for (sslmode, sslrootcert) in [
            (None, None),
            (Some("disable"), None),
            (Some("allow"), None),
            (Some("prefer"), Some("rds.pem")),
        ] {
            assert_eq!(problem("DATABASE_URL", sslmode, sslrootcert), None);
        }
    }

    #[test]
    fn a_connection_to_another_machine_without_tls_causes_a_warning() {
        for sslmode in [None, Some("allow"), Some("prefer")] {
            for hosts in [&["db"][..], &["10.0.0.1"], &["localhost", "db"]] {
                let warning = warning(hosts, sslmode, "sslmode=disable").unwrap();
                for expected in ["not encrypted", "--features tls", "sslmode=disable"] {
                    assert!(warning.contains(expected), "{warning}");
                }
            }
        }
        assert_eq!(warning(&["db"], Some("disable"), ""), None);
    }

    #[test]
    fn a_connection_on_this_machine_causes_no_warning() {
        for host in [
            "localhost",
            "127.0.0.1",
            "127.1.2.3",
            "::1",
            "",
            "/run/postgresql",
            "%2Frun",
            "@abstract",
        ] {
            assert_eq!(warning(&[host], None, ""), None, "{host}");
        }
    }

    #[test]
    fn an_error_is_explained_if_tls_would_help() {
        let variable = "sslmode value \"require\" invalid when SSL support is not compiled in";
        let server = "FATAL:  no pg_hba.conf entry for host \"10.0.0.1\", user \"me\", database \"todos\", no encryption";
        for error in [variable, server] {
            let explained = explain(error);
            assert!(explained.starts_with(error), "{explained}");
            assert!(explained.contains("--features tls"), "{explained}");
        }
        let other = "FATAL:  password authentication failed for user \"me\"";
        assert_eq!(explain(other), other);
    }
}
