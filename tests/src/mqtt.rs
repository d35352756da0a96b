//! An MQTT broker for a test: Mosquitto on a free port over a folder, stopped when dropped.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use anyhow::Result;

use crate::{cluster::free_port, process::Process, services::program, skip::skip};

/// Starts a broker that keeps its sessions in a folder, and saves each change of them; with more lines of its configuration. None: there is no
/// program for it, and that may be.
pub async fn start(folder: &Path, lines: &str) -> Result<Option<Process>> {
    let Some(program) = program("mosquitto") else {
        skip("mqtt", "no MQTT broker: script/services mqtt installs Mosquitto")?;
        return Ok(None);
    };
    let port = free_port()?;
    let store = folder.join("mosquitto");
    fs::create_dir_all(&store)?;
    // It drops its rights where it runs as root.
    fs::set_permissions(&store, fs::Permissions::from_mode(0o777))?;
    let config = folder.join("mosquitto.conf");
    let may_all = if lines.contains("allow_anonymous") {
        ""
    } else {
        "allow_anonymous true\n"
    };
    fs::write(
        &config,
        format!(
            "listener {port} 127.0.0.1\n{may_all}persistence true\npersistence_location {}/\nautosave_on_changes true\nautosave_interval \
             1\nuser root\nlog_type all\n{lines}\n",
            store.display()
        ),
    )?;
    let arguments = vec!["-c".to_owned(), config.display().to_string()];
    Process::start(program, arguments, port, folder.join("mosquitto.log"))
        .await
        .map(Some)
}

/// The address of a broker as a URL.
pub fn url(broker: &Process) -> String {
    format!("mqtt://127.0.0.1:{}", broker.port())
}
