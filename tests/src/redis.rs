//! A Redis server for a test: a process on a free port, stopped when dropped. It keeps nothing on disk, unless it is started so.

use std::{
    fs,
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use nix::sys::signal::Signal;

use crate::{
    cluster::{die_with_test, free_port, signal_continue, signal_stop},
    services::program,
    skip::skip,
    wait::{Seen, until},
};

const START_TIMEOUT: Duration = Duration::from_secs(20);

/// What a server is started with that has all of its data when it is started again.
pub const KEEPS_ALL: &[&str] = &["--appendonly", "yes", "--appendfsync", "always"];

/// A running server.
#[derive(Debug)]
pub struct Redis {
    /// None: stopped.
    child: Option<Child>,
    program: PathBuf,
    folder: PathBuf,
    arguments: Vec<String>,
    port: u16,
}

impl Redis {
    /// Starts a server that writes its log into a folder. None: there is no program for it, and that may be.
    pub async fn start(folder: &Path) -> Result<Option<Self>> {
        Self::start_with(folder, &[]).await
    }

    /// The same, with more of `redis-server`'s arguments.
    pub async fn start_with(folder: &Path, arguments: &[&str]) -> Result<Option<Self>> {
        let Some(program) = program("redis-server") else {
            skip("redis", "no Redis server: script/services redis installs one")?;
            return Ok(None);
        };
        let mut server = Self {
            child: None,
            program,
            folder: folder.to_owned(),
            arguments: arguments.iter().map(|text| (*text).to_owned()).collect(),
            port: free_port()?,
        };
        server.start_again().await?;
        Ok(Some(server))
    }

    /// Starts the server at the port that it had.
    pub async fn start_again(&mut self) -> Result<()> {
        ensure!(self.child.is_none(), "the server runs");
        let path = self.folder.join("redis.log");
        let log = fs::File::options().create(true).append(true).open(&path)?;
        let mut command = Command::new(&self.program);
        command
            .args(["--port", &self.port.to_string(), "--bind", "127.0.0.1"])
            .args(["--save", "", "--appendonly", "no", "--daemonize", "no"])
            .args(&self.arguments)
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        die_with_test(&mut command, Signal::SIGKILL);
        let child = command
            .spawn()
            .with_context(|| format!("starting {}", self.program.display()))?;
        self.child = Some(child);
        until("Redis to listen", START_TIMEOUT, async || {
            Ok(match TcpStream::connect(("127.0.0.1", self.port)) {
                Ok(_) => Seen::Done(()),
                Err(error) => Seen::NotYet(format!(
                    "{error}; it said {}",
                    fs::read_to_string(&path).unwrap_or_default()
                )),
            })
        })
        .await
    }

    /// Kills the server, as if its machine had lost power.
    pub fn kill(&mut self) -> Result<()> {
        let mut child = self.child.take().context("the server does not run")?;
        child.kill()?;
        child.wait()?;
        Ok(())
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
        signal_stop(self.pid()?)
    }

    /// It answers again, also what was asked meanwhile.
    pub fn thaw(&self) -> Result<()> {
        signal_continue(self.pid()?)
    }

    fn pid(&self) -> Result<i32> {
        let child = self.child.as_ref().context("the server does not run")?;
        Ok(child.id() as i32)
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
