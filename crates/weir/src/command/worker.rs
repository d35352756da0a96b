//! `weir worker`.

use std::sync::Arc;

use weir_env::SystemClock;
use weir_worker::Config;

use crate::{allocator, arguments::Worker, outcome::Outcome};

pub(super) async fn worker(arguments: Worker) -> Result<(), Outcome> {
    allocator::keep_little();
    super::init_log("info");
    let shutdown = super::shutdown_signal()?;
    let config = Config {
        control_plane: arguments.control_plane,
        exchange_listen: arguments.exchange_listen,
        advertise_host: arguments
            .advertise_host
            .unwrap_or_else(|| arguments.exchange_listen.ip().to_string()),
        slots: arguments.slots,
        threads: threads(arguments.threads),
        state_dir: arguments.state_dir.unwrap_or_else(|| Config::default().state_dir),
        memory_bytes: arguments.memory,
        give_back: allocator::give_back,
    };
    let handle = weir_worker::start(
        config,
        Arc::new(SystemClock::new()),
        weir_env::ids::system(),
        shutdown,
    )
    .await
    .map_err(|e| Outcome::failed(e.to_string()))?;
    tracing::info!(worker = %handle.id, exchange = %handle.exchange_address, "worker ready");
    handle.join().await;
    Ok(())
}

/// Compute threads: as asked, else one per core.
pub(super) fn threads(asked: Option<u16>) -> usize {
    asked.map_or_else(
        || std::thread::available_parallelism().map_or(1, Into::into),
        usize::from,
    )
}
