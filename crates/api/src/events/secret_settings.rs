//! The settings of the service's secret.

use std::path::PathBuf;

use crate::events::signature::WebhookSecrets;

/// The secret of the service, from which the secrets of all receivers are derived.
#[derive(Debug, Clone, clap::Args)]
pub struct SecretSettings {
    /// Enables webhooks: whsec_ and 24 to 64 random bytes in base64. The secret of each receiver, which signs its requests,
    /// is derived from it: see `taskoverflow-api webhook-secret`. While receivers change theirs, several, separated by
    /// spaces
    #[arg(long, env, value_name = "SECRET", hide_env_values = true)]
    pub webhook_secret: Option<WebhookSecrets>,
    /// A file that contains the secret and nothing else. It is read for every request, so a changed secret needs no
    /// restart
    #[arg(long, env, value_name = "FILE", conflicts_with = "webhook_secret")]
    pub webhook_secret_file: Option<PathBuf>,
}

impl SecretSettings {
    /// Returns whether there is a secret.
    pub fn is_set(&self) -> bool {
        self.webhook_secret.is_some() || self.webhook_secret_file.is_some()
    }

    /// Returns the secrets. Blocks while it reads the file, if there is one.
    ///
    /// # Errors
    /// Returns an error that names the setting, if neither is set, and if the file can't be read or contains no valid
    /// secrets.
    pub fn read(&self) -> Result<WebhookSecrets, String> {
        match (&self.webhook_secret, &self.webhook_secret_file) {
            (Some(secrets), _) => Ok(secrets.clone()),
            (None, Some(file)) => {
                WebhookSecrets::read(file).map_err(|error| format!("WEBHOOK_SECRET_FILE: {error}"))
            }
            (None, None) => Err("set WEBHOOK_SECRET or WEBHOOK_SECRET_FILE".to_owned()),
        }
    }
}
