//! The secrets that clients send: the token of a program, and the cookie of a browser. Only their hashes are stored.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::random::{self, NoRandomness, SECRET_CHARS};

/// The start of every token, so that programs which search files for leaked secrets recognize it.
pub const TOKEN_PREFIX: &str = "taskoverflow_";

/// What is hashed before the cookie of a session.
const SESSION_DOMAIN: &str = "taskoverflow session ";

/// The SHA-256 of a secret. A secret has 160 random bits, so its hash needs neither salt nor many rounds: nobody can
/// find the secret by trying.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SecretHash([u8; 32]);

impl SecretHash {
    /// Returns the hash of a token, or `None` if no token has this form.
    pub fn of_token(text: &str) -> Option<Self> {
        let secret = text.strip_prefix(TOKEN_PREFIX)?;
        is_secret(secret).then(|| Self::token(text))
    }

    /// Returns the hash of a session's cookie, or `None` if no session has a cookie of this form.
    pub fn of_session(text: &str) -> Option<Self> {
        is_secret(text).then(|| Self::session(text))
    }

    /// The plain hash, which `sha256sum` prints, too.
    fn token(text: &str) -> Self {
        Self(Sha256::digest(text).into())
    }

    /// Differs from the hash of every token, also of one that an operator has stored without the prefix: both are looked up
    /// by one statement.
    fn session(text: &str) -> Self {
        let hash = Sha256::new().chain_update(SESSION_DOMAIN);
        Self(hash.chain_update(text).finalize().into())
    }

    /// Returns the bytes of the hash, for the database.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Returns whether `stored` is the same hash, in constant time.
    pub fn matches(&self, stored: &[u8]) -> bool {
        self.0.ct_eq(stored).into()
    }
}

/// What a request carries to identify its client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Credential {
    /// Nothing.
    Missing,
    /// Something that is neither a token nor a session.
    Malformed,
    /// The hash of a token or of a session, which need not exist.
    Secret(SecretHash),
}

impl From<Option<SecretHash>> for Credential {
    fn from(hash: Option<SecretHash>) -> Self {
        hash.map_or(Self::Malformed, Self::Secret)
    }
}

/// Parses the 64 hexadecimal digits of a hash, as `sha256sum` prints them.
impl FromStr for SecretHash {
    type Err = InvalidHash;

    fn from_str(text: &str) -> Result<Self, InvalidHash> {
        let mut hash = [0; 32];
        match hex::decode_to_slice(text, &mut hash) {
            Ok(()) => Ok(Self(hash)),
            Err(_) => Err(InvalidHash),
        }
    }
}

/// A text is not a hash.
#[derive(Debug, thiserror::Error)]
#[error("must be the 64 hexadecimal digits of a SHA-256")]
pub struct InvalidHash;

fn is_secret(text: &str) -> bool {
    let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    text.len() == SECRET_CHARS && text.bytes().all(is_digit)
}

/// A secret that was just created: the only moment at which its text is known.
pub struct NewSecret {
    /// What the client has to send.
    pub text: String,
    /// What is stored.
    pub hash: SecretHash,
}

impl NewSecret {
    /// Returns a new token.
    ///
    /// # Errors
    /// Returns an error if the operating system provides no random bytes.
    pub fn token() -> Result<Self, NoRandomness> {
        let text = format!("{TOKEN_PREFIX}{}", random::secret()?);
        let hash = SecretHash::token(&text);
        Ok(Self { text, hash })
    }

    /// Returns the cookie of a new session.
    ///
    /// # Errors
    /// Returns an error if the operating system provides no random bytes.
    pub fn session() -> Result<Self, NoRandomness> {
        let text = random::secret()?;
        let hash = SecretHash::session(&text);
        Ok(Self { text, hash })
    }
}

impl fmt::Debug for NewSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewSecret").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_matches_only_its_own_hash_and_only_in_its_own_role() {
        let (token, session) = (NewSecret::token().unwrap(), NewSecret::session().unwrap());
        assert_eq!(SecretHash::of_token(&token.text), Some(token.hash));
        assert_eq!(SecretHash::of_session(&session.text), Some(session.hash));
        assert_eq!(SecretHash::of_token(&session.text), None);
        assert_eq!(SecretHash::of_session(&token.text), None);
        assert!(token.hash.matches(token.hash.as_bytes()));
        assert!(!token.hash.matches(session.hash.as_bytes()) && !token.hash.matches(&[]));
        assert!(!format!("{token:?}").contains(&token.text));
    }

    #[test]
    fn a_cookie_is_not_found_by_the_hash_that_an_operator_computes_of_it() {
        let session = NewSecret::session().unwrap();
        let plain: [u8; 32] = Sha256::digest(&session.text).into();
        assert!(!session.hash.matches(&plain));
    }

    #[test]
    fn a_text_that_is_no_token_is_refused_without_a_query() {
        let good = NewSecret::token().unwrap().text;
        for text in [
            "",
            TOKEN_PREFIX,
            &good[1..],
            &good[..good.len() - 1],
            &format!("{good}0"),
            &good.to_uppercase(),
            &format!("{TOKEN_PREFIX}{}", "ä".repeat(SECRET_CHARS / 2)),
        ] {
            assert_eq!(SecretHash::of_token(text), None, "{text:?}");
        }
    }
}
