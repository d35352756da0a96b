//! Keeps child processes running: starts them, starts them again when they die, stops them in order.

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
    process::Stdio,
    sync::Arc,
    time::Duration,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tokio::process::{Child, Command};
use tokio_util::sync::CancellationToken;
use weir_env::Clock;

/// How long a child may take to stop before it is killed.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);
/// The first pause before a dead child is started again; it doubles up to [`MAX_BACKOFF`].
const MIN_BACKOFF: Duration = Duration::from_millis(500);
const MAX_BACKOFF: Duration = Duration::from_secs(30);
/// A child that lived this long starts with the first pause again.
const STABLE: Duration = Duration::from_secs(10);

/// A child process of this same binary.
#[derive(Clone, Debug)]
pub(super) struct Process {
    /// `worker-1`: names its log file too.
    pub(super) name: String,
    pub(super) arguments: Vec<String>,
    /// Environment beside this process's own; secrets go here and not into the arguments.
    pub(super) environment: Vec<(String, String)>,
    /// Where its standard output and error are appended.
    pub(super) log: PathBuf,
}

impl Process {
    /// Starts it. It dies with this process.
    pub(super) fn spawn(&self) -> io::Result<Child> {
        let log = open_log(&self.log)?;
        let mut command = Command::new(std::env::current_exe()?);
        command
            .args(&self.arguments)
            .envs(self.environment.iter().cloned())
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .kill_on_drop(true);
        die_with_parent(&mut command);
        command.spawn()
    }

    /// Keeps it running until `shutdown`, then stops it.
    pub(super) async fn supervise(
        self,
        mut child: Child,
        clock: Arc<dyn Clock>,
        shutdown: CancellationToken,
    ) {
        let mut backoff = MIN_BACKOFF;
        loop {
            let started = clock.elapsed();
            tokio::select! {
                () = shutdown.cancelled() => return stop(&self.name, child, &*clock).await,
                ended = child.wait() => eprintln!("{} {}", self.name, describe(ended)),
            }
            if clock.elapsed().saturating_sub(started) > STABLE {
                backoff = MIN_BACKOFF;
            }
            let Some(next) = self.respawn(&mut backoff, &*clock, &shutdown).await else {
                return;
            };
            child = next;
        }
    }

    /// A new child after a pause; none when told to stop.
    async fn respawn(
        &self,
        backoff: &mut Duration,
        clock: &dyn Clock,
        shutdown: &CancellationToken,
    ) -> Option<Child> {
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return None,
                () = clock.sleep(*backoff) => {}
            }
            *backoff = (*backoff * 2).min(MAX_BACKOFF);
            match self.spawn() {
                Ok(child) => {
                    eprintln!("{} started again", self.name);
                    return Some(child);
                }
                Err(e) => eprintln!("cannot start {} again: {e}", self.name),
            }
        }
    }
}

fn open_log(path: &Path) -> io::Result<File> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    File::options().create(true).append(true).open(path)
}

/// Asks the kernel to end the child when this process ends, however it ends.
fn die_with_parent(command: &mut Command) {
    #[cfg(target_os = "linux")]
    {
        let parent = nix::unistd::getpid();
        // SAFETY: between fork and exec only async-signal-safe calls are made: prctl and getppid.
        unsafe {
            command.pre_exec(move || {
                nix::sys::prctl::set_pdeathsig(Signal::SIGTERM)?;
                if nix::unistd::getppid() != parent {
                    return Err(io::Error::other("the parent has gone"));
                }
                Ok(())
            });
        }
    }
    #[cfg(not(target_os = "linux"))]
    let _ = command;
}

fn describe(ended: io::Result<std::process::ExitStatus>) -> String {
    match ended {
        Ok(status) => format!("ended ({status})"),
        Err(e) => format!("cannot be waited for: {e}"),
    }
}

/// Asks a child to end, and kills it when it does not.
async fn stop(name: &str, mut child: Child, clock: &dyn Clock) {
    if let Some(pid) = child.id() {
        let _ = kill(Pid::from_raw(pid as i32), Signal::SIGTERM);
    }
    tokio::select! {
        _ = child.wait() => {}
        () = clock.sleep(STOP_TIMEOUT) => {
            eprintln!("{name} does not stop within {} s; killing it", STOP_TIMEOUT.as_secs());
            let _ = child.kill().await;
        }
    }
}
