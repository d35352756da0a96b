//! `weir control-plane`.

use std::sync::Arc;

use weir_control_plane::{Config, Limits};
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
    let config = Config {
        listen: arguments.listen,
        grpc_listen: arguments.grpc_listen,
        database_url: arguments.database_url,
        state_url,
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
