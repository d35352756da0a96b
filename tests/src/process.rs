//! A server for a test: a process that listens at a free port, and that can be killed and started again there.

use std::{
    fs,
    net::TcpStream,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use nix::sys::signal::Signal;

use crate::{
    cluster::{die_with_test, signal_continue, signal_stop},
    wait::{Seen, until},
};

const START_TIMEOUT: Duration = Duration::from_secs(20);

/// A process that serves at a port; it is killed when this is dropped.
#[derive(Debug)]
pub struct Process {
    /// None: stopped.
    child: Option<Child>,
    program: PathBuf,
    arguments: Vec<String>,
    log: PathBuf,
    port: u16,
}

impl Process {
    /// Starts a program that listens at a port of 127.0.0.1 then, and waits until it does. What it says goes to a log.
    pub async fn start(program: PathBuf, arguments: Vec<String>, port: u16, log: PathBuf) -> Result<Self> {
        let mut process = Self {
            child: None,
            program,
            arguments,
            log,
            port,
        };
        process.start_again().await?;
        Ok(process)
    }

    /// Starts it with the arguments, and at the port, that it had.
    pub async fn start_again(&mut self) -> Result<()> {
        ensure!(self.child.is_none(), "{} runs", self.program.display());
        let log = fs::File::options().create(true).append(true).open(&self.log)?;
        let mut command = Command::new(&self.program);
        command
            .args(&self.arguments)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        die_with_test(&mut command, Signal::SIGKILL);
        let child = command.spawn();
        self.child = Some(child.with_context(|| format!("starting {}", self.program.display()))?);
        let what = format!("{} to listen", self.program.display());
        until(&what, START_TIMEOUT, async || {
            Ok(match TcpStream::connect(("127.0.0.1", self.port)) {
                Ok(_) => Seen::Done(()),
                Err(error) => Seen::NotYet(format!(
                    "{error}; it said {}",
                    fs::read_to_string(&self.log).unwrap_or_default()
                )),
            })
        })
        .await
    }

    /// Kills it, as if its machine had lost power.
    pub fn kill(&mut self) -> Result<()> {
        let mut child = self.child.take().context("the server does not run")?;
        child.kill()?;
        child.wait()?;
        Ok(())
    }

    /// The port at which it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// From now on it takes connections and answers nobody.
    pub fn freeze(&self) -> Result<()> {
        signal_stop(self.pid()?)
    }

    /// It answers again, also what was asked meanwhile.
    pub fn thaw(&self) -> Result<()> {
        signal_continue(self.pid()?)
    }

    /// Ends it as its own stopping would, and waits until it is gone.
    pub fn stop(&mut self) -> Result<()> {
        let mut child = self.child.take().context("the server does not run")?;
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(child.id() as i32), Signal::SIGTERM)?;
        child.wait()?;
        Ok(())
    }

    fn pid(&self) -> Result<i32> {
        let child = self.child.as_ref().context("the server does not run")?;
        Ok(child.id() as i32)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
