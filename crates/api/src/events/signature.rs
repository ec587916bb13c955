//! The signature of a webhook's request: symmetric, according to
//! <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>

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

/// The secrets that requests are signed with: one or, while receivers change from one to another, several.
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookSecrets(Arc<[Vec<u8>]>);

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

    /// Returns the value of the header `webhook-signature`: one signature for each secret.
    pub fn sign(&self, id: &str, timestamp: u64, body: &[u8]) -> String {
        let signatures: Vec<_> = self
            .0
            .iter()
            .filter_map(|secret| {
                // a key of HMAC may have any length
                let mut mac = Hmac::<Sha256>::new_from_slice(secret).ok()?;
                mac.update(format!("{id}.{timestamp}.").as_bytes());
                mac.update(body);
                let signature = STANDARD.encode(mac.finalize().into_bytes());
                Some(format!("v1,{signature}"))
            })
            .collect();
        signatures.join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The test vector of the specification's own libraries.
    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const SIGNATURE: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

    fn sign(secrets: &str) -> String {
        let secrets: WebhookSecrets = secrets.parse().unwrap();
        let body = br#"{"test": 2432232314}"#;
        secrets.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, body)
    }

    #[test]
    fn the_signature_is_the_one_that_the_libraries_of_standard_webhooks_expect() {
        assert_eq!(sign(SECRET), SIGNATURE);
    }

    #[test]
    fn each_secret_signs_so_that_receivers_can_change_theirs() {
        let other = format!("whsec_{}", STANDARD.encode([7; 32]));
        let both = sign(&format!("{other}, {SECRET}\n"));
        assert_eq!(both, format!("{} {SIGNATURE}", sign(&other)));
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
