//! `weir control-plane`.

use std::{path::Path, sync::Arc};

use weir_control_plane::{Config, Limits, secrets::SecretKey};
use weir_env::SystemClock;

use crate::{arguments::ControlPlane, examples, outcome::Outcome};

pub(super) async fn control_plane(arguments: ControlPlane) -> Result<(), Outcome> {
    super::init_log("info");
    let shutdown = super::shutdown_signal()?;
    let examples = examples::install(&arguments.data_dir).map_err(|e| {
        Outcome::failed(format!(
            "cannot write the examples to {}: {e}",
            arguments.data_dir.display()
        ))
    })?;
    let state_url = arguments
        .checkpoint_dir
        .as_deref()
        .map(super::folder_url)
        .transpose()?;
    let secret_key = secret_key(
        arguments.secret_key.as_deref(),
        arguments.secret_key_file.as_deref(),
    )?;
    let config = Config {
        listen: arguments.listen,
        grpc_listen: arguments.grpc_listen,
        database_url: arguments.database_url,
        state_url,
        secret_key,
        limits: Limits::default(),
        examples,
        tables: weir_worker::runtime::tables::of,
    };
    let handle = weir_control_plane::start(
        config,
        Arc::new(SystemClock::new()),
        weir_env::ids::system(),
        shutdown,
    )
    .await
    .map_err(|e| Outcome::failed(e.to_string()))?;
    tracing::info!(http = %handle.http_address, grpc = %handle.grpc_address, "control plane ready");
    handle.join().await.map_err(|e| Outcome::failed(e.to_string()))
}

/// The key that seals secrets: given, or in a file.
fn secret_key(given: Option<&str>, file: Option<&Path>) -> Result<Option<SecretKey>, Outcome> {
    let (text, place) = match (given, file) {
        (Some(text), _) => (text.to_owned(), "WEIR_SECRET_KEY".to_owned()),
        (None, Some(file)) => {
            let place = file.display().to_string();
            let text = std::fs::read_to_string(file)
                .map_err(|e| Outcome::wrong(format!("cannot read the key of secrets in {place}: {e}")))?;
            (text, place)
        }
        (None, None) => return Ok(None),
    };
    let wrong = || {
        Outcome::wrong(format!(
            "{place} is no key of secrets: 32 random bytes in base64 (`openssl rand -base64 32`)"
        ))
    };
    SecretKey::parse(&text).ok_or_else(wrong).map(Some)
}
