//! The process verifies the certificate of its database, as it does with RDS (terraform/ecs.tf).

use std::path::Path;

use local_services::postgres::Cluster;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

use crate::process::Process;

/// A database that uses TLS, with a certificate for `localhost`.
struct Database {
    cluster: Cluster,
    /// The certificate of the authority that signed it.
    authority: String,
}

impl Database {
    fn start() -> Self {
        let (authority, issuer) = authority("of the database");
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(["localhost".to_owned()])
            .unwrap()
            .signed_by(&key, &issuer)
            .unwrap();
        let cluster = Cluster::ephemeral().unwrap();
        for (file, pem) in [
            ("server.crt", certificate.pem()),
            ("server.key", key.serialize_pem()),
        ] {
            // the server itself writes the files, because it must own its key
            let write = format!(
                "COPY (SELECT unnest(string_to_array('{}', E'\\n'))) TO PROGRAM 'umask 077; cat >{file}'",
                pem.trim_end()
            );
            cluster.execute("postgres", &write).unwrap();
        }
        for statement in ["ALTER SYSTEM SET ssl = on", "SELECT pg_reload_conf()"] {
            cluster.execute("postgres", statement).unwrap();
        }
        Self { cluster, authority }
    }

    /// Returns the settings that Terraform sets.
    fn settings(&self, host: &str, authority: &Path) -> Vec<(&'static str, String)> {
        let url = self.cluster.url();
        let (user, rest) = url
            .strip_prefix("postgres://")
            .and_then(|rest| rest.split_once(':'))
            .unwrap();
        let (password, _) = rest.split_once('@').unwrap();
        vec![
            ("DATABASE_HOST", host.to_owned()),
            ("DATABASE_PORT", self.cluster.port().to_string()),
            ("DATABASE_NAME", "postgres".to_owned()),
            ("DATABASE_USER", user.to_owned()),
            ("DATABASE_PASSWORD", password.to_owned()),
            ("DATABASE_SSLMODE", "verify-full".to_owned()),
            ("PGSSLROOTCERT", authority.display().to_string()),
        ]
    }
}

fn authority(name: &str) -> (String, Issuer<'static, KeyPair>) {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    // must differ from the name of the certificate that it signs, which would otherwise count as self-signed
    params.distinguished_name.push(DnType::CommonName, name);
    let key = KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap();
    (certificate.pem(), Issuer::new(params, key))
}

fn start(settings: &[(&'static str, String)], until: &str) -> Process {
    let settings: Vec<_> = settings
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    Process::start(&settings, until)
}

#[test]
fn the_certificate_of_the_database_is_verified() {
    let database = Database::start();
    let folder = tempfile::tempdir().unwrap();
    let (right, wrong) = (
        folder.path().join("right.pem"),
        folder.path().join("wrong.pem"),
    );
    std::fs::write(&right, &database.authority).unwrap();
    std::fs::write(&wrong, authority("of something else").0).unwrap();

    start(&database.settings("localhost", &right), "ready");
    for (host, authority, words) in [
        ("localhost", &wrong, "certificate verify failed"),
        ("127.0.0.1", &right, "does not match host name"),
    ] {
        let waiting = "can't reach the database yet; waiting for it";
        let process = start(&database.settings(host, authority), waiting);
        assert!(process.last_line.contains(words), "{}", process.last_line);
    }
}
