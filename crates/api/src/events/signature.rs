//! The signature of a webhook's request: symmetric, according to
//! <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>
//!
//! Whoever can verify such a signature can make one. So each receiver has a secret of its own, and can't forge events for
//! others. It is derived from the service's secret, so that nothing has to be stored.

use std::fmt;
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

const PREFIX: &str = "whsec_";
/// How many bytes a secret has, which the specification demands.
const LENGTHS: std::ops::RangeInclusive<usize> = 24..=64;

/// What the text begins with from which the secret of a receiver is derived. A signed text never begins with it.
const DERIVATION: &str = "taskoverflow webhook ";

/// The secrets of the service: one or, while receivers change from one to another, several.
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookSecrets(Arc<[Vec<u8>]>);

/// The secrets that the requests to one receiver are signed with: one for each of the service's, in the same order.
#[derive(Clone, PartialEq, Eq)]
pub struct ReceiverSecrets(Vec<Vec<u8>>);

/// A text that contains no valid secrets. The message does not repeat it.
#[derive(Debug, thiserror::Error)]
#[error(
    "expected whsec_ and 24 to 64 random bytes in base64, or several of them separated by spaces or commas; \
     `echo whsec_$(openssl rand -base64 32)` makes one"
)]
pub struct InvalidSecrets;

impl fmt::Debug for WebhookSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl fmt::Debug for ReceiverSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl FromStr for WebhookSecrets {
    type Err = InvalidSecrets;

    fn from_str(text: &str) -> Result<Self, InvalidSecrets> {
        let secrets = text
            .split(|c: char| c == ',' || c.is_whitespace())
            .filter(|secret| !secret.is_empty());
        let secrets: Option<Vec<_>> = secrets.map(decode).collect();
        match secrets {
            Some(secrets) if !secrets.is_empty() => Ok(Self(secrets.into())),
            _ => Err(InvalidSecrets),
        }
    }
}

fn decode(secret: &str) -> Option<Vec<u8>> {
    let bytes = STANDARD.decode(secret.strip_prefix(PREFIX)?).ok()?;
    LENGTHS.contains(&bytes.len()).then_some(bytes)
}

impl WebhookSecrets {
    /// Reads the secrets from a file that contains nothing else.
    ///
    /// # Errors
    /// Returns an error that names the file, if it can't be read or contains no valid secrets.
    pub fn read(file: &Path) -> Result<Self, String> {
        let named = |error: &dyn fmt::Display| format!("{}: {error}", file.display());
        let text = std::fs::read_to_string(file).map_err(|error| named(&error))?;
        text.parse().map_err(|error: InvalidSecrets| named(&error))
    }

    /// Derives the secrets of the receivers at an [origin](crate::events::webhook_url::WebhookUrl::origin).
    pub fn of_receiver(&self, origin: &str) -> ReceiverSecrets {
        let text = format!("{DERIVATION}{origin}");
        let secrets = self.0.iter();
        ReceiverSecrets(
            secrets
                .map(|secret| hmac(secret, &[text.as_bytes()]))
                .collect(),
        )
    }
}

impl ReceiverSecrets {
    /// Returns the secrets as their receiver needs them: `whsec_` and base64.
    pub fn texts(&self) -> Vec<String> {
        let secrets = self.0.iter();
        secrets
            .map(|secret| format!("{PREFIX}{}", STANDARD.encode(secret)))
            .collect()
    }

    /// Returns the value of the header `webhook-signature`: one signature for each secret.
    pub fn sign(&self, id: &str, timestamp: u64, body: &[u8]) -> String {
        let head = format!("{id}.{timestamp}.");
        let signatures: Vec<_> = self
            .0
            .iter()
            .map(|secret| {
                let signature = hmac(secret, &[head.as_bytes(), body]);
                format!("v1,{}", STANDARD.encode(signature))
            })
            .collect();
        signatures.join(" ")
    }
}

fn hmac(key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    #[expect(
        clippy::expect_used,
        reason = "HMAC hashes a key that is longer than a block, and pads one that is shorter"
    )]
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("a key of HMAC may have any length");
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The test vector of the specification's own libraries.
    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const SIGNATURE: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

    fn sign(secrets: &[&str]) -> String {
        let secrets = secrets.iter().map(|secret| decode(secret).unwrap());
        let body = br#"{"test": 2432232314}"#;
        ReceiverSecrets(secrets.collect()).sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, body)
    }

    #[test]
    fn the_signature_is_the_one_that_the_libraries_of_standard_webhooks_expect() {
        assert_eq!(sign(&[SECRET]), SIGNATURE);
    }

    #[test]
    fn each_secret_signs_so_that_receivers_can_change_theirs() {
        let other = format!("whsec_{}", STANDARD.encode([7; 32]));
        let both = sign(&[&other, SECRET]);
        assert_eq!(both, format!("{} {SIGNATURE}", sign(&[&other])));
    }

    #[test]
    fn each_receiver_has_a_secret_of_its_own_which_stays_the_same() {
        let other = format!("whsec_{}", STANDARD.encode([7; 32]));
        let both: WebhookSecrets = format!("{SECRET}, {other}\n").parse().unwrap();
        let secrets = both.of_receiver("https://example.org:443");
        let texts = secrets.texts();
        // made with Python: hmac.digest(key, b"taskoverflow webhook https://example.org:443", "sha256")
        assert_eq!(
            texts[0],
            "whsec_6CbZEZjyPUCjF8BblI70tm0XdZLAOqTtRMzoYWj0lu4="
        );
        let only: WebhookSecrets = other.parse().unwrap();
        assert_eq!(
            texts[1..],
            only.of_receiver("https://example.org:443").texts()
        );
        assert_ne!(both.of_receiver("https://example.org:8443"), secrets);
        assert!(texts.iter().all(|text| decode(text).is_some()));
        assert_eq!(format!("{secrets:?}"), "***");
    }

    #[test]
    fn other_texts_are_refused_and_not_repeated() {
        let (short, long) = (STANDARD.encode([1; 23]), STANDARD.encode([1; 65]));
        for text in [
            "",
            " , ",
            "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "whsec_",
            "whsec_not base64!",
            &format!("whsec_{short}"),
            &format!("whsec_{long}"),
            &format!("{SECRET},whsec_x"),
        ] {
            let error = text.parse::<WebhookSecrets>().unwrap_err().to_string();
            assert!(error.contains("openssl rand"), "{error}");
            assert!(!error.contains("MfKQ"), "{error}");
        }
        let secrets: WebhookSecrets = SECRET.parse().unwrap();
        assert_eq!(format!("{secrets:?}"), "***");
    }
}
