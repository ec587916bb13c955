//! The command `webhook-secret`: prints the secret of a receiver, for the operator to hand out.

use std::io::Write;
use std::process::ExitCode;

use shared_model::logging::LogConfig;
use shared_model::process;

use crate::events::secret_settings::SecretSettings;
use crate::events::signature::ReceiverSecrets;
use crate::events::webhook_url::WebhookUrl;

/// The settings of the command.
#[derive(Debug, Clone, clap::Args)]
pub struct WebhookSecretConfig {
    /// A URL of the receiver. The secret depends only on its scheme, host and port
    #[arg(value_name = "URL", value_parser = WebhookUrl::of_operators)]
    url: WebhookUrl,
    /// The secret of the service.
    #[command(flatten)]
    secrets: SecretSettings,
    /// How the command logs.
    #[command(flatten)]
    log: LogConfig,
}

/// Prints the secret of the receiver: one line for each secret of the service, in the same order. Returns the exit code:
/// see [`shared_model::process`].
pub fn run_process(config: &WebhookSecretConfig) -> ExitCode {
    let (secrets, problems) = match config.secrets.read() {
        Ok(secrets) => (Some(secrets), Vec::new()),
        Err(problem) => (None, vec![problem]),
    };
    process::run(&problems, &config.log, || {
        let origin = config.url.origin();
        let secrets = secrets.map(|secrets| secrets.of_receiver(&origin));
        for text in secrets.iter().flat_map(ReceiverSecrets::texts) {
            writeln!(std::io::stdout(), "{text}")?;
        }
        Ok(ExitCode::SUCCESS)
    })
}
