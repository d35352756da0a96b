//! Real clusters: `weir up` in a folder of its own on free ports, stopped when the test ends.

use std::{
    fs::{self, File, Permissions},
    net::TcpListener,
    os::unix::{fs::PermissionsExt as _, process::CommandExt as _},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tempfile::TempDir;

use crate::{
    api::Api,
    repository,
    wait::{Seen, until},
};

/// How long a cluster may take to be ready: it makes a database first.
const START_TIMEOUT: Duration = Duration::from_secs(90);
/// How long it may take to stop.
const STOP_TIMEOUT: Duration = Duration::from_secs(30);

/// The binary under test: `WEIR_BIN`, else the one that cargo built beside the running test.
pub fn binary() -> Result<PathBuf> {
    let path = if let Some(path) = std::env::var_os("WEIR_BIN") {
        PathBuf::from(path)
    } else {
        let test = std::env::current_exe()?;
        let profile = test
            .parent()
            .and_then(Path::parent)
            .context("a test lies in <profile>/deps")?;
        profile.join("weir")
    };
    ensure!(
        path.exists(),
        "{} is not there: run `cargo build --workspace --bins --tests` first",
        path.display()
    );
    Ok(path)
}

/// Runs a command of the binary to its end, from the checkout's top folder.
pub fn weir(arguments: &[&str], environment: &[(&str, &str)]) -> Result<Output> {
    let mut command = Command::new(binary()?);
    command
        .args(arguments)
        .envs(environment.iter().copied())
        .current_dir(repository::root())
        .stdin(Stdio::null());
    command
        .output()
        .with_context(|| format!("running weir {}", arguments.join(" ")))
}

/// A port that was free a moment ago.
pub fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// How big a cluster is.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// Worker processes.
    pub workers: u32,
    /// Slots of each.
    pub slots: u32,
}

/// What a cluster is started with beside what all are.
#[derive(Clone, Debug, Default)]
pub struct Extra {
    /// Arguments of `weir up`.
    pub arguments: Vec<String>,
    /// Variables of its environment, which its processes inherit.
    pub environment: Vec<(String, String)>,
}

/// A running `weir up`.
#[derive(Debug)]
pub struct Cluster {
    /// Its REST API.
    pub api: Api,
    child: Option<Child>,
    log: PathBuf,
}

impl Cluster {
    /// Starts a cluster that keeps its data in `folder`, and waits until all its workers are there.
    pub async fn start(folder: &Path, size: Size) -> Result<Self> {
        Self::start_with(folder, size, &Extra::default()).await
    }

    /// The same, with something more.
    pub async fn start_with(folder: &Path, size: Size, extra: &Extra) -> Result<Self> {
        let listen = format!("127.0.0.1:{}", free_port()?);
        let log = folder.join("up.log");
        let output = File::options().create(true).append(true).open(&log)?;
        let mut command = Command::new(binary()?);
        command
            .args(["up", "--listen", &listen, "--workers", &size.workers.to_string()])
            .args(["--slots", &size.slots.to_string(), "--data-dir"])
            .arg(folder.join("data"))
            .args(&extra.arguments)
            .env_remove("DATABASE_URL")
            .envs(extra.environment.iter().cloned())
            .current_dir(repository::root())
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output);
        die_with_test(&mut command, Signal::SIGTERM);
        let child = command.spawn()?;
        let mut cluster = Self {
            api: Api::at(format!("http://{listen}")),
            child: Some(child),
            log,
        };
        cluster.wait_ready(size).await?;
        Ok(cluster)
    }

    async fn wait_ready(&mut self, size: Size) -> Result<()> {
        until("the cluster to start", START_TIMEOUT, async || {
            if let Some(status) = self
                .child
                .as_mut()
                .context("the cluster was started")?
                .try_wait()?
            {
                bail!("`weir up` ended at its start ({status}):\n{}", self.log_text());
            }
            match self.api.info().await {
                Ok(info) if info.workers == size.workers => Ok(Seen::Done(())),
                Ok(info) => Ok(Seen::NotYet(format!("{} workers", info.workers))),
                Err(error) => Ok(Seen::NotYet(format!("{error:#}\n{}", self.log_text()))),
            }
        })
        .await
    }

    /// What `weir up` has said.
    pub fn log_text(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// The process id of `weir up` itself.
    pub fn pid(&self) -> i32 {
        self.child.as_ref().map_or(0, |child| child.id() as i32)
    }

    /// The process id of its control plane, unless that is not running now.
    pub fn control_plane_pid(&self) -> Result<Option<i32>> {
        Ok(children(self.pid())?
            .into_iter()
            .find(|pid| command_line(*pid).contains("control-plane")))
    }

    /// Stops it as Ctrl-C does, and expects that it stops well.
    pub fn stop(mut self) -> Result<()> {
        let mut child = self.child.take().context("the cluster was started")?;
        let pid = child.id() as i32;
        kill(Pid::from_raw(pid), Signal::SIGINT)?;
        let status = wait_end(&mut child)?;
        let Some(status) = status else {
            child.kill()?;
            bail!(
                "`weir up` does not stop within {} s:\n{}",
                STOP_TIMEOUT.as_secs(),
                self.log_text()
            );
        };
        ensure!(
            status.success(),
            "`weir up` ended with {status}:\n{}",
            self.log_text()
        );
        Ok(())
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let Some(mut child) = self.child.take() else {
            return;
        };
        let _ = kill(Pid::from_raw(child.id() as i32), Signal::SIGTERM);
        if !matches!(wait_end(&mut child), Ok(Some(_))) {
            let _ = child.kill();
            let _ = child.wait();
        }
        if std::thread::panicking() {
            eprintln!("what the cluster said:\n{}", self.log_text());
        }
    }
}

/// Asks the kernel to send a child this signal when the thread that starts it ends, so that nothing stays behind a test that is killed.
pub fn die_with_test(command: &mut Command, signal: Signal) {
    #[cfg(target_os = "linux")]
    // SAFETY: between fork and exec one system call is made, which is async-signal-safe.
    unsafe {
        command.pre_exec(move || Ok(nix::sys::prctl::set_pdeathsig(signal)?));
    }
    #[cfg(not(target_os = "linux"))]
    let _ = (command, signal);
}

fn wait_end(child: &mut Child) -> Result<Option<std::process::ExitStatus>> {
    for _ in 0..STOP_TIMEOUT.as_millis() / 50 {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(None)
}

/// A fresh folder for a cluster. Open to all users: as root, the database runs as another one.
pub fn folder() -> Result<TempDir> {
    let folder = tempfile::Builder::new().prefix("weir-test-").tempdir()?;
    fs::set_permissions(folder.path(), Permissions::from_mode(0o755))?;
    Ok(folder)
}

/// Ends a process at once, as a crash would.
pub fn kill_hard(pid: i32) -> Result<()> {
    kill(Pid::from_raw(pid), Signal::SIGKILL).with_context(|| format!("killing process {pid}"))
}

/// Asks a process to end, as Ctrl-C does.
pub fn signal_interrupt(pid: i32) -> Result<()> {
    kill(Pid::from_raw(pid), Signal::SIGINT).with_context(|| format!("interrupting process {pid}"))
}

/// Makes a process stand still.
pub fn signal_stop(pid: i32) -> Result<()> {
    kill(Pid::from_raw(pid), Signal::SIGSTOP).with_context(|| format!("freezing process {pid}"))
}

/// Lets a process that stands still go on.
pub fn signal_continue(pid: i32) -> Result<()> {
    kill(Pid::from_raw(pid), Signal::SIGCONT).with_context(|| format!("waking process {pid}"))
}

/// Whether a process stands still.
pub fn is_stopped(pid: i32) -> bool {
    stat_fields(pid).is_some_and(|fields| fields.first().is_some_and(|state| state == "T"))
}

/// Whether a process still runs; one that has ended and was not waited for does not.
pub fn is_running(pid: i32) -> bool {
    stat_fields(pid).is_some_and(|fields| fields.first().is_some_and(|state| state != "Z"))
}

fn children(parent: i32) -> Result<Vec<i32>> {
    let processes =
        fs::read_dir("/proc")?.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok());
    let is_child =
        |pid: &i32| stat_fields(*pid).is_some_and(|f| f.get(1).is_some_and(|p| *p == parent.to_string()));
    Ok(processes.filter(is_child).collect())
}

/// State, parent and so on: what follows the name in parentheses in `/proc/<pid>/stat`.
fn stat_fields(pid: i32) -> Option<Vec<String>> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    Some(text.rsplit_once(") ")?.1.split(' ').map(str::to_owned).collect())
}

fn command_line(pid: i32) -> String {
    fs::read_to_string(format!("/proc/{pid}/cmdline"))
        .unwrap_or_default()
        .replace('\0', " ")
}
