//! Whole clusters, as users run them: real processes, a real database, REST and the command line.

use std::{future::Future, sync::OnceLock};

use anyhow::Result;
use tokio::runtime::Runtime;

mod bad_input;
mod cdc;
mod command_line;
mod connections;
mod demos;
mod examples;
mod faults;
mod files;
mod lifecycle;
mod memory;
mod messages;
mod recovery;
mod s3;
mod scripts;

/// Runs a test alone: each has a cluster of its own, and several side by side would starve each other.
fn alone(test: impl Future<Output = Result<()>>) {
    static ONE: OnceLock<tokio::sync::Mutex<()>> = OnceLock::new();
    let runtime = Runtime::new().expect("a runtime starts");
    runtime.block_on(async {
        let _turn = ONE.get_or_init(Default::default).lock().await;
        if let Err(error) = test.await {
            panic!("{error:?}");
        }
    });
}
