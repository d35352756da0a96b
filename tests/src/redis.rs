//! A Redis server for a test: a process on a free port that keeps nothing on disk, stopped when dropped.

use std::{
    fs,
    net::TcpStream,
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::{Context, Result};
use nix::sys::signal::Signal;

use crate::{
    cluster::{die_with_test, free_port, signal_continue, signal_stop},
    services::program,
    skip::skip,
    wait::{Seen, until},
};

const START_TIMEOUT: Duration = Duration::from_secs(20);

/// A running server.
#[derive(Debug)]
pub struct Redis {
    child: Child,
    port: u16,
}

impl Redis {
    /// Starts a server that writes its log into a folder. None: there is no program for it, and that may be.
    pub async fn start(folder: &Path) -> Result<Option<Self>> {
        let Some(program) = program("redis-server") else {
            skip("redis", "no Redis server: script/services redis installs one")?;
            return Ok(None);
        };
        let port = free_port()?;
        Self::start_at(&program, folder, port).await.map(Some)
    }

    async fn start_at(program: &Path, folder: &Path, port: u16) -> Result<Self> {
        let path = folder.join("redis.log");
        let log = fs::File::options().create(true).append(true).open(&path)?;
        let mut command = Command::new(program);
        command
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1"])
            .args(["--save", "", "--appendonly", "no", "--daemonize", "no"])
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        die_with_test(&mut command, Signal::SIGKILL);
        let child = command
            .spawn()
            .with_context(|| format!("starting {}", program.display()))?;
        let server = Self { child, port };
        until("Redis to listen", START_TIMEOUT, async || {
            Ok(match TcpStream::connect(("127.0.0.1", port)) {
                Ok(_) => Seen::Done(()),
                Err(error) => Seen::NotYet(format!(
                    "{error}; it said {}",
                    fs::read_to_string(&path).unwrap_or_default()
                )),
            })
        })
        .await?;
        Ok(server)
    }

    /// Where it listens: `127.0.0.1`.
    pub fn host(&self) -> &'static str {
        "127.0.0.1"
    }

    /// The port at which it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its address as a URL.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// From now on it takes connections and answers nobody.
    pub fn freeze(&self) -> Result<()> {
        signal_stop(self.child.id() as i32)
    }

    /// It answers again, also what was asked meanwhile.
    pub fn thaw(&self) -> Result<()> {
        signal_continue(self.child.id() as i32)
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
