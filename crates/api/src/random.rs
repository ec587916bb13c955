//! Secrets that nobody can guess.

/// 160 bits.
const SECRET_BYTES: usize = 20;
/// The length of a secret in hexadecimal digits.
pub const SECRET_CHARS: usize = 2 * SECRET_BYTES;

/// The operating system provides no random bytes.
#[derive(Debug, thiserror::Error)]
#[error("no random bytes: {0}")]
pub struct NoRandomness(getrandom::Error);

/// Returns a new secret of [`SECRET_CHARS`] hexadecimal digits.
///
/// # Errors
/// Returns an error if the operating system provides no random bytes.
pub fn secret() -> Result<String, NoRandomness> {
    let mut bytes = [0; SECRET_BYTES];
    getrandom::fill(&mut bytes).map_err(NoRandomness)?;
    Ok(hex::encode(bytes))
}
