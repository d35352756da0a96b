//! A NATS server with JetStream for a test: a process on a free port over a folder, stopped when dropped.

use std::path::Path;

use anyhow::Result;

use crate::{cluster::free_port, process::Process, services::program, skip::skip};

/// Starts a server that keeps its streams in a folder; with more of `nats-server`'s arguments. None: there is no program for it, and that
/// may be.
pub async fn start(folder: &Path, arguments: &[&str]) -> Result<Option<Process>> {
    let Some(program) = program("nats-server") else {
        skip(
            "nats",
            "no NATS server: script/services nats installs one where there is Go",
        )?;
        return Ok(None);
    };
    let port = free_port()?;
    let (port_text, store) = (port.to_string(), folder.join("nats").display().to_string());
    let own = [
        "--addr",
        "127.0.0.1",
        "--port",
        &port_text,
        "--jetstream",
        "--store_dir",
        &store,
    ];
    let arguments = own
        .iter()
        .chain(arguments)
        .map(|text| (*text).to_owned())
        .collect();
    Process::start(program, arguments, port, folder.join("nats.log"))
        .await
        .map(Some)
}

/// The address of a server as a URL.
pub fn url(server: &Process) -> String {
    format!("nats://127.0.0.1:{}", server.port())
}
