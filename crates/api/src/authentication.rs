//! Who may call the API: tokens, and the sessions of browsers that have signed in with one.
//!
//! # Layout
//! - [`mode`]: whether tokens are needed
//! - [`secret`]: what a client sends, and the hash of it that is stored
//! - [`scope`]: what a token allows
//! - [`cookie`]: how a browser carries the secret of its session
//! - [`tokens`], [`sessions`]: the tables
//! - [`grants`]: which of the hashes are valid now
//! - [`cache`]: remembers valid hashes for a few seconds
//! - [`commands`]: the commands that create, list and revoke tokens

pub mod cache;
pub mod commands;
pub mod cookie;
pub mod grants;
pub mod mode;
pub mod scope;
pub mod secret;
pub mod sessions;
pub mod tokens;
