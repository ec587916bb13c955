//! What librdkafka, the client of Kafka, has to know of an address:
//! <https://github.com/confluentinc/librdkafka/blob/master/CONFIGURATION.md>.

use secret::Secret;

use crate::access::{AccessError, BrokerAccess};
use crate::address::BrokerAddress;

/// How users prove who they are, unless the URL says otherwise.
const MECHANISM: &str = "PLAIN";

/// Returns librdkafka's settings for the servers, TLS and the user, as names and values. One of the values is the password.
///
/// # Errors
/// Returns an error if the file with the password can't be read.
pub fn kafka_settings(
    address: &BrokerAddress,
    access: &BrokerAccess,
) -> Result<Vec<(String, String)>, AccessError> {
    let protocol = match (address.is_tls, &address.user) {
        (false, None) => "plaintext",
        (false, Some(_)) => "sasl_plaintext",
        (true, None) => "ssl",
        (true, Some(_)) => "sasl_ssl",
    };
    let mut settings = vec![
        ("bootstrap.servers", servers(address)),
        ("security.protocol", protocol.to_owned()),
        // Whoever creates a topic chooses its partitions and copies.
        ("allow.auto.create.topics", "false".to_owned()),
    ];
    if address.is_tls {
        let authorities = access.ca_file.as_ref();
        // Without a file, librdkafka looks for the system's authorities in the usual places.
        let location = authorities.map_or_else(|| "probe".into(), |file| file.to_string_lossy());
        settings.push(("ssl.ca.location", location.into_owned()));
    }
    if let Some(user) = &address.user {
        let mechanism = address.option("sasl").unwrap_or(MECHANISM);
        let password = access.password(address)?;
        let password = password.as_ref().map_or("", Secret::expose);
        settings.push(("sasl.mechanism", mechanism.to_owned()));
        settings.push(("sasl.username", user.clone()));
        settings.push(("sasl.password", password.to_owned()));
    }
    let owned = settings.into_iter();
    Ok(owned
        .map(|(name, value)| (name.to_owned(), value))
        .collect())
}

fn servers(address: &BrokerAddress) -> String {
    let hosts = address.hosts.iter().map(|(host, port)| {
        if host.contains(':') {
            format!("[{host}]:{port}")
        } else {
            format!("{host}:{port}")
        }
    });
    hosts.collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_authorities_replaces_those_of_the_system() {
        let access = BrokerAccess {
            password_file: None,
            ca_file: Some("/ca.pem".into()),
        };
        for (access, location) in [(access, "/ca.pem"), (BrokerAccess::default(), "probe")] {
            let address = "kafka+ssl://me@a/ical".parse().unwrap();
            let settings = kafka_settings(&address, &access).unwrap();
            for (name, value) in [
                ("ssl.ca.location", location),
                ("security.protocol", "sasl_ssl"),
            ] {
                assert!(settings.contains(&(name.to_owned(), value.to_owned())));
            }
        }
    }
}
