//! What a feed's URL holds: the feed's id, and a secret that only its subscriber knows.

use std::fmt::{self, Write};

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use uuid::Uuid;

use crate::response::problem::ApiError;

/// 160 bits: not to be guessed.
const SECRET_BYTES: usize = 20;
const ID_CHARS: usize = 32;

/// The token in a feed's URL. Written with its secret by `Display` alone.
#[derive(Clone, PartialEq, Eq)]
pub struct FeedToken {
    /// The feed.
    pub id: Uuid,
    secret: String,
}

impl FeedToken {
    /// A new one for a feed.
    ///
    /// # Errors
    /// When the operating system gives no random bytes.
    pub fn generate(id: Uuid) -> Result<Self, ApiError> {
        let mut bytes = [0; SECRET_BYTES];
        getrandom::fill(&mut bytes).map_err(|error| ApiError::NoRandomness(error.to_string()))?;
        let mut secret = String::with_capacity(2 * SECRET_BYTES);
        for byte in bytes {
            // writing to a String can't fail
            let _ = write!(secret, "{byte:02x}");
        }
        Ok(Self { id, secret })
    }

    /// Reads one from a URL. `None`: it can't be a feed's.
    pub fn parse(text: &str) -> Option<Self> {
        let (id, secret) = text.split_at_checked(ID_CHARS)?;
        let is_secret = secret.len() == 2 * SECRET_BYTES && secret.is_ascii();
        Some(Self {
            id: Uuid::try_parse(id).ok()?,
            secret: is_secret.then(|| secret.to_owned())?,
        })
    }

    /// What is stored of it.
    pub fn secret_sha256(&self) -> Vec<u8> {
        Sha256::digest(&self.secret).to_vec()
    }

    /// Whether it is the one of which that was stored. Takes as long for a wrong one as for the right one.
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
    fn a_token_is_read_back_and_matches_only_its_own_hash() {
        let token = FeedToken::generate(Uuid::now_v7()).unwrap();
        let other = FeedToken::generate(token.id).unwrap();
        assert_eq!(FeedToken::parse(&token.to_string()), Some(token.clone()));
        assert!(token.matches(&token.secret_sha256()));
        assert!(!token.matches(&other.secret_sha256()) && !token.matches(&[]));
        assert!(!format!("{token:?}").contains(&token.secret));
    }

    #[test]
    fn what_is_no_token_is_not_read() {
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
