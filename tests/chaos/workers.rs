//! Worker processes that reach others, and are reached, only through links, each on a disk of its own.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI32, Ordering::SeqCst},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use weir_tests::cluster::{binary, die_with_test, free_port};

use crate::link::Link;

/// How often a process is looked at, and how long it stays away when it has died.
const LOOK: Duration = Duration::from_millis(20);
const PAUSE: Duration = Duration::from_millis(500);
const STOP_TIMEOUT: Duration = Duration::from_secs(10);
/// Enough for the state of the job, and quickly filled.
const DISK: &str = "size=128m";

/// A worker that is started again when it dies.
pub(crate) struct Worker {
    /// First: it ends before its links and its disk go.
    process: Supervised,
    /// From it to the control plane.
    pub(crate) control: Link,
    /// From other workers to it.
    pub(crate) data: Link,
    /// Its disk.
    pub(crate) disk: Disk,
}

impl Worker {
    /// The nth worker of the control plane at this address.
    pub(crate) async fn start(
        nth: u8,
        control_plane: SocketAddr,
        folder: &Path,
        slots: u32,
        environment: &[(String, String)],
    ) -> Result<Self> {
        let own = SocketAddr::from(([127, 0, 0, 1], free_port()?));
        // A worker advertises the port that it listens on: the link has it at another of this machine's addresses.
        let advertised = SocketAddr::from(([127, 0, 1, nth + 1], own.port()));
        let data = Link::new(advertised, own).await?;
        let control = Link::new(SocketAddr::from(([127, 0, 0, 1], 0)), control_plane).await?;
        let disk = Disk::new(folder.join(format!("disk-{nth}")))?;
        let mut command = Command::new(binary()?);
        let log = fs::File::options()
            .create(true)
            .append(true)
            .open(folder.join(format!("worker-{nth}.log")))?;
        command
            .args([
                "worker",
                "--control-plane",
                &format!("http://{}", control.address),
            ])
            .args(["--exchange-listen", &own.to_string()])
            .args(["--advertise-host", &advertised.ip().to_string()])
            .args(["--slots", &slots.to_string(), "--state-dir"])
            .arg(disk.path.join("state"))
            .envs(environment.iter().cloned())
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        // Also one that stands still.
        die_with_test(&mut command, Signal::SIGKILL);
        let process = Supervised::start(command)?;
        Ok(Self {
            process,
            control,
            data,
            disk,
        })
    }

    /// Its process; that of the one before while it is started again.
    pub(crate) fn pid(&self) -> i32 {
        self.process.pid.load(SeqCst)
    }
}

/// A process that a thread starts again when it ends, until this is dropped.
struct Supervised {
    pid: Arc<AtomicI32>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Supervised {
    fn start(mut command: Command) -> Result<Self> {
        let child = command.spawn().context("starting a worker")?;
        let pid = Arc::new(AtomicI32::new(child.id() as i32));
        let stop = Arc::new(AtomicBool::new(false));
        let (shown, stopping) = (Arc::clone(&pid), Arc::clone(&stop));
        let thread = thread::spawn(move || supervise(command, child, &shown, &stopping));
        Ok(Self {
            pid,
            stop,
            thread: Some(thread),
        })
    }
}

impl Drop for Supervised {
    fn drop(&mut self) {
        self.stop.store(true, SeqCst);
        if let Some(thread) = self.thread.take() {
            // It has nothing to say but that it panicked.
            let _ = thread.join();
        }
    }
}

fn supervise(mut command: Command, mut child: Child, pid: &AtomicI32, stop: &AtomicBool) {
    loop {
        while matches!(child.try_wait(), Ok(None)) {
            if stop.load(SeqCst) {
                end(&mut child);
                return;
            }
            thread::sleep(LOOK);
        }
        thread::sleep(PAUSE);
        if stop.load(SeqCst) {
            return;
        }
        match command.spawn() {
            Ok(next) => child = next,
            Err(error) => eprintln!("a worker cannot be started again: {error}"),
        }
        pid.store(child.id() as i32, SeqCst);
    }
}

fn end(child: &mut Child) {
    let _ = kill(Pid::from_raw(child.id() as i32), Signal::SIGTERM);
    for _ in 0..STOP_TIMEOUT.as_millis() / LOOK.as_millis() {
        if !matches!(child.try_wait(), Ok(None)) {
            return;
        }
        thread::sleep(LOOK);
    }
    let _ = child.kill();
    let _ = child.wait();
}

/// A small file system in memory, where one may be mounted; else a folder.
pub(crate) struct Disk {
    pub(crate) path: PathBuf,
    /// Why it is but a folder.
    pub(crate) refused: Option<String>,
}

impl Disk {
    fn new(path: PathBuf) -> Result<Self> {
        fs::create_dir_all(&path)?;
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", DISK, "tmpfs"])
            .arg(&path)
            .output();
        let refused = match mounted {
            Ok(output) if output.status.success() => None,
            Ok(output) => Some(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
            Err(error) => Some(error.to_string()),
        };
        Ok(Self { path, refused })
    }

    /// Leaves no room on it.
    pub(crate) fn fill(&self) -> Result<()> {
        use std::io::Write as _;
        ensure!(
            self.refused.is_none(),
            "{} is no disk of its own",
            self.path.display()
        );
        let mut file = fs::File::options()
            .create(true)
            .append(true)
            .open(self.filler())?;
        let mut block = vec![0; 1 << 20];
        while !block.is_empty() {
            while file.write_all(&block).is_ok() {}
            block.truncate(block.len() / 16);
        }
        Ok(())
    }

    /// Makes room on it again.
    pub(crate) fn empty(&self) -> Result<()> {
        Ok(fs::remove_file(self.filler())?)
    }

    fn filler(&self) -> PathBuf {
        self.path.join("filler")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if self.refused.is_none() {
            let unmounted = Command::new("umount").arg("--lazy").arg(&self.path).status();
            if !unmounted.is_ok_and(|status| status.success()) {
                eprintln!("{} stays mounted", self.path.display());
            }
        }
    }
}
