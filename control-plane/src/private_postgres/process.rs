//! The server's process, which is started again when it ends by itself.

use std::{
    io,
    process::{Child, Command, ExitStatus},
    sync::{Arc, mpsc},
    time::Duration,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use parking_lot::Mutex;

use super::PrivatePostgresError;

/// How long the server may take to stop, at each of the ever harder ways of asking.
const STOP_WAIT: Duration = Duration::from_secs(20);

/// How long a server that ended is left alone: its children may not be gone yet.
const PAUSE: Duration = Duration::from_secs(1);

/// A process that is watched by a thread. Dropping it ends it.
#[derive(Debug)]
pub(super) struct Process {
    life: Arc<Mutex<Life>>,
    /// Never locked: only there so that the process can be shared.
    exit: Mutex<mpsc::Receiver<ExitStatus>>,
}

#[derive(Debug, Default)]
struct Life {
    /// None while it does not run.
    pid: Option<Pid>,
    /// It is started again when it ends.
    kept: bool,
}

impl Process {
    /// Starts the command on a thread that lives as long as it is kept: the system ties "dies with its parent" to the thread
    /// that started it, and threads of a pool come and go.
    pub(super) fn start(command: Command) -> Result<Self, PrivatePostgresError> {
        let failed = || super::io("start postgres".to_owned());
        let life = Arc::new(Mutex::new(Life::default()));
        let (started, start) = mpsc::channel();
        let (exited, exit) = mpsc::channel();
        let watched = Arc::clone(&life);
        std::thread::Builder::new()
            .name("private-postgres".into())
            .spawn(move || watch(command, &watched, &started, &exited))
            .map_err(failed())?;
        start
            .recv()
            .map_err(|_| failed()(io::Error::other("its thread ended")))?
            .map_err(failed())?;
        let exit = Mutex::new(exit);
        Ok(Self { life, exit })
    }

    /// Starts it again whenever it ends, from now on.
    pub(super) fn keep(&self) {
        self.life.lock().kept = true;
    }

    /// Its number; none while it does not run.
    pub(super) fn pid(&self) -> Option<Pid> {
        self.life.lock().pid
    }

    /// How it ended for good, if it does so within this time.
    pub(super) fn exit_within(&mut self, wait: Duration) -> Result<ExitStatus, mpsc::RecvTimeoutError> {
        self.exit.get_mut().recv_timeout(wait)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.life.lock().kept = false;
        // Fast, immediate, and none of its choice.
        for signal in [Signal::SIGINT, Signal::SIGQUIT, Signal::SIGKILL] {
            // Once its end is known there is none, and its number may be another process's.
            if let Some(pid) = self.pid()
                && let Err(error) = kill(pid, signal)
            {
                tracing::debug!(%error, %pid, "the private PostgreSQL server cannot be signalled");
            }
            if !matches!(self.exit_within(STOP_WAIT), Err(mpsc::RecvTimeoutError::Timeout)) {
                return;
            }
            tracing::warn!(%signal, "the private PostgreSQL server does not stop");
        }
    }
}

fn watch(
    mut command: Command,
    life: &Mutex<Life>,
    started: &mpsc::Sender<io::Result<()>>,
    exited: &mpsc::Sender<ExitStatus>,
) {
    let spawned = command.spawn();
    let mut child = match spawned {
        Ok(child) => child,
        Err(error) => {
            let _ = started.send(Err(error));
            return;
        }
    };
    life.lock().pid = Some(pid_of(&child));
    let _ = started.send(Ok(()));
    while let Ok(status) = child.wait() {
        let kept = {
            let mut life = life.lock();
            life.pid = None;
            life.kept
        };
        if kept {
            tracing::error!(%status, "the private PostgreSQL server ended by itself; it is started again");
        }
        let Some(next) = kept.then(|| spawn_again(&mut command, life)).flatten() else {
            let _ = exited.send(status);
            return;
        };
        child = next;
    }
}

/// The next child, after a pause; none when none is wanted any more.
fn spawn_again(command: &mut Command, life: &Mutex<Life>) -> Option<Child> {
    loop {
        std::thread::sleep(PAUSE);
        // Locked until its number is known: who ends it from now on must find it.
        let mut life = life.lock();
        if !life.kept {
            return None;
        }
        match command.spawn() {
            Ok(child) => {
                life.pid = Some(pid_of(&child));
                return Some(child);
            }
            Err(error) => tracing::error!(%error, "the private PostgreSQL server cannot be started again"),
        }
    }
}

fn pid_of(child: &Child) -> Pid {
    Pid::from_raw(child.id() as i32)
}
