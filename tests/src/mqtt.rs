//! An MQTT broker for a test: Mosquitto on a free port over a folder, stopped when dropped.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use anyhow::Result;
use rumqttc::v5::{
    AsyncClient, Event, MqttOptions,
    mqttbytes::{QoS, v5::Packet},
};

use crate::{cluster::free_port, process::Process, services::program, skip::skip};

/// Starts a broker that keeps its sessions in a folder when it is stopped; with more lines of its configuration. None: there is no
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
            "listener {port} 127.0.0.1\n{may_all}persistence true\npersistence_location {}/\nuser root\nlog_type error\nlog_type \
             warning\nlog_type notice\n{lines}\n",
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

/// Publishes texts to a topic at quality 1, each after the broker has the one before.
pub async fn publish(broker: &Process, topic: &str, texts: impl IntoIterator<Item = String>) -> Result<()> {
    let options = MqttOptions::new("weir-test-publisher", "127.0.0.1", broker.port());
    let (client, mut events) = AsyncClient::new(options, 10);
    for text in texts {
        client.publish(topic, QoS::AtLeastOnce, false, text).await?;
        while !matches!(events.poll().await?, Event::Incoming(Packet::PubAck(_))) {}
    }
    Ok(())
}
