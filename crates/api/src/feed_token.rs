//! The token in a feed's URL: the feed's id, and a secret that only the subscriber knows.

use std::fmt;

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use uuid::Uuid;

use crate::random::{self, NoRandomness, SECRET_CHARS};

/// A UUID without hyphens.
const ID_CHARS: usize = 32;

/// The token in a feed's URL. Only `Display` shows the secret.
#[derive(Clone, PartialEq, Eq)]
pub struct FeedToken {
    /// The feed.
    pub id: Uuid,
    secret: String,
}

impl FeedToken {
    /// Generates a token for the feed `id`.
    ///
    /// # Errors
    /// Returns an error if the operating system provides no random bytes.
    pub fn generate(id: Uuid) -> Result<Self, NoRandomness> {
        Ok(Self {
            id,
            secret: random::secret()?,
        })
    }

    /// Parses the token of a URL. Returns `None` if no feed can have this token.
    pub fn parse(text: &str) -> Option<Self> {
        let (id, secret) = text.split_at_checked(ID_CHARS)?;
        let is_secret = secret.len() == SECRET_CHARS && secret.is_ascii();
        Some(Self {
            id: Uuid::try_parse(id).ok()?,
            secret: is_secret.then(|| secret.to_owned())?,
        })
    }

    /// Returns the hash of the secret. Only the hash is stored.
    pub fn secret_sha256(&self) -> Vec<u8> {
        Sha256::digest(&self.secret).to_vec()
    }

    /// Returns whether `secret_sha256` is the hash of this token's secret, in constant time.
    pub fn matches(&self, secret_sha256: &[u8]) -> bool {
        self.secret_sha256().ct_eq(secret_sha256).into()
    }
}

impl fmt::Display for FeedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.id.simple(), self.secret)
    }
}

impl fmt::Debug for FeedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FeedToken")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_survives_a_round_trip_and_matches_only_its_own_hash() {
        let token = FeedToken::generate(Uuid::now_v7()).unwrap();
        let other = FeedToken::generate(token.id).unwrap();
        assert_eq!(FeedToken::parse(&token.to_string()), Some(token.clone()));
        assert!(token.matches(&token.secret_sha256()));
        assert!(!token.matches(&other.secret_sha256()) && !token.matches(&[]));
        assert!(!format!("{token:?}").contains(&token.secret));
    }

    #[test]
    fn a_malformed_token_is_refused() {
        let good = FeedToken::generate(Uuid::now_v7()).unwrap().to_string();
        let short = &good[..71];
        for text in [
            "",
            "x",
            short,
            &format!("{good}0"),
            &good.replace(&good[..1], "z"),
            &"ä".repeat(36),
        ] {
            assert_eq!(FeedToken::parse(text), None, "{text:?}");
        }
    }
}
