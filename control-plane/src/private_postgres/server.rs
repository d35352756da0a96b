//! The running server.

use std::{
    fs::{self, File},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    time::Duration,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use parking_lot::Mutex;
use tempfile::TempDir;

use super::{
    PrivatePostgresError,
    account::{self, Account, Reach},
    folder::{Folder, Lock, last_lines},
    io,
};

/// How long the server may take to be ready; recovery after a crash is a part of it.
const READY_WAIT: Duration = Duration::from_mins(2);

/// How long the server may take to stop, at each of the ever harder ways of asking.
const STOP_WAIT: Duration = Duration::from_secs(20);

/// Bytes of a socket's path at most, the closing zero not counted.
const SOCKET_PATH_BYTES: usize = 107;

/// The socket's file name at the default port.
const SOCKET_NAME: &str = ".s.PGSQL.5432";

/// How temporary folders for the socket begin.
const PREFIX: &str = "weir-postgres-";

/// A server that runs. Dropping it stops it.
#[derive(Debug)]
pub(super) struct Server {
    socket_folder: SocketFolder,
    pid: Pid,
    /// Never locked: only there so that the server can be shared.
    exit: Mutex<mpsc::Receiver<ExitStatus>>,
    stopping: Arc<AtomicBool>,
    log: PathBuf,
    /// Held open for the server, and the data kept to ourselves, as long as it runs.
    _reach: Reach,
    _lock: Lock,
}

impl Server {
    pub(super) fn start(data_dir: &Path, folder: Folder, lock: Lock) -> Result<Self, PrivatePostgresError> {
        let Folder {
            path,
            account,
            binaries,
        } = folder;
        let socket_folder = SocketFolder::make(data_dir, account)?;
        let reach = Reach::to(&path, account).map_err(io(format!("open {}", path.display())))?;
        let log = data_dir.join("postgres.log");
        let log_file = File::create(&log).map_err(io(format!("create {}", log.display())))?;
        let log_too = log_file
            .try_clone()
            .map_err(io(format!("open {}", log.display())))?;

        let mut command = Command::new(binaries.program("postgres"));
        command.arg("-D").arg(reach.path());
        command.arg("-c").arg(format!(
            "unix_socket_directories={}",
            socket_folder.path().display()
        ));
        for setting in [
            "listen_addresses=",
            "unix_socket_permissions=0700",
            "port=5432",
            "logging_collector=off",
        ] {
            command.args(["-c", setting]);
        }
        command.stdin(Stdio::null()).stdout(log_file).stderr(log_too);
        account.run(&mut command);
        account::bind(&mut command, reach.descriptor(), true);
        let stopping = Arc::new(AtomicBool::new(false));
        let (pid, exit) = spawn(command, Arc::clone(&stopping))?;
        let mut server = Self {
            socket_folder,
            pid,
            exit: Mutex::new(exit),
            stopping,
            log,
            _reach: reach,
            _lock: lock,
        };
        server.wait_until_ready(&path.join("postmaster.pid"))?;
        Ok(server)
    }

    pub(super) fn socket_folder(&self) -> &Path {
        self.socket_folder.path()
    }

    /// The eighth line of the server's pid file says how far it is.
    fn wait_until_ready(&mut self, pid_file: &Path) -> Result<(), PrivatePostgresError> {
        const STEP: Duration = Duration::from_millis(20);
        let log = self.log.clone();
        let not_ready = |why: String| PrivatePostgresError::NotReady {
            why,
            log: log.clone(),
        };
        for _ in 0..READY_WAIT.as_millis() / STEP.as_millis() {
            match self.exit.get_mut().recv_timeout(STEP) {
                Err(mpsc::RecvTimeoutError::Timeout) => {}
                Ok(status) => {
                    let words = fs::read_to_string(&log).unwrap_or_default();
                    return Err(not_ready(format!(
                        "it ended with {status}: {}",
                        last_lines(&words)
                    )));
                }
                Err(mpsc::RecvTimeoutError::Disconnected) => {
                    return Err(not_ready("nobody watches it".into()));
                }
            }
            let state = fs::read_to_string(pid_file).unwrap_or_default();
            let is_ours = state
                .lines()
                .next()
                .is_some_and(|pid| pid.trim() == self.pid.to_string());
            if is_ours && state.lines().nth(7).is_some_and(|state| state.trim() == "ready") {
                return Ok(());
            }
        }
        Err(not_ready(format!(
            "it was not ready within {} s",
            READY_WAIT.as_secs()
        )))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::Relaxed);
        // Fast, immediate, and none of its choice.
        for signal in [Signal::SIGINT, Signal::SIGQUIT, Signal::SIGKILL] {
            // Once its exit is known the number may be another process's.
            if !matches!(self.exit.get_mut().try_recv(), Err(mpsc::TryRecvError::Empty)) {
                return;
            }
            if let Err(error) = kill(self.pid, signal) {
                tracing::debug!(%error, pid = %self.pid, "the private PostgreSQL server cannot be signalled");
            }
            if self.exit.get_mut().recv_timeout(STOP_WAIT).is_ok() {
                return;
            }
            tracing::warn!(pid = %self.pid, %signal, "the private PostgreSQL server does not stop");
        }
    }
}

/// Starts the command on a thread that lives as long as the child: the system ties "dies with its parent" to the thread
/// that started it, and threads of a pool come and go.
fn spawn(
    mut command: Command,
    stopping: Arc<AtomicBool>,
) -> Result<(Pid, mpsc::Receiver<ExitStatus>), PrivatePostgresError> {
    let failed = || io("start postgres".to_owned());
    let (started, start) = mpsc::channel();
    let (exited, exit) = mpsc::channel();
    let watch = move || {
        let mut child = match command.spawn() {
            Ok(child) => child,
            Err(error) => {
                let _ = started.send(Err(error));
                return;
            }
        };
        let _ = started.send(Ok(Pid::from_raw(child.id() as i32)));
        if let Ok(status) = child.wait() {
            if !stopping.load(Ordering::Relaxed) {
                tracing::error!(%status, "the private PostgreSQL server ended by itself");
            }
            let _ = exited.send(status);
        }
    };
    std::thread::Builder::new()
        .name("private-postgres".into())
        .spawn(watch)
        .map_err(failed())?;
    let pid = start
        .recv()
        .map_err(|_| failed()(std::io::Error::other("its thread ended")))?
        .map_err(failed())?;
    Ok((pid, exit))
}

/// Where the socket is: in the data folder if the way there is short and open enough, else in a temporary folder.
#[derive(Debug)]
enum SocketFolder {
    InData(PathBuf),
    Temporary(TempDir),
}

impl SocketFolder {
    fn make(data_dir: &Path, account: Account) -> Result<Self, PrivatePostgresError> {
        let near = data_dir.join("socket");
        // Through a socket one walks by its path, so that another account must be able to walk it too. The server splits
        // its list of folders at commas.
        if account == Account::Own && fits(&near) && !near.as_os_str().as_encoded_bytes().contains(&b',') {
            fs::create_dir_all(&near).map_err(io(format!("create {}", near.display())))?;
            close_to_others(&near)?;
            return Ok(Self::InData(near));
        }
        let note = data_dir.join("postgres.socket");
        clear_left_over(&note);
        let usual = std::env::temp_dir();
        let parent = if fits(&usual.join("weir-postgres-123456")) {
            usual
        } else {
            PathBuf::from("/tmp")
        };
        let made = tempfile::Builder::new().prefix(PREFIX).tempdir_in(&parent);
        let made = made.map_err(io(format!("create a folder in {}", parent.display())))?;
        close_to_others(made.path())?;
        account
            .own(made.path())
            .map_err(io(format!("hand over {}", made.path().display())))?;
        fs::write(&note, made.path().as_os_str().as_encoded_bytes())
            .map_err(io(format!("write {}", note.display())))?;
        Ok(Self::Temporary(made))
    }

    fn path(&self) -> &Path {
        match self {
            Self::InData(path) => path,
            Self::Temporary(folder) => folder.path(),
        }
    }
}

/// Removes the temporary folder of a start whose process died without doing so.
fn clear_left_over(note: &Path) {
    let Ok(folder) = fs::read_to_string(note).map(PathBuf::from) else {
        return;
    };
    let ours = |name: &std::ffi::OsStr| name.as_encoded_bytes().starts_with(PREFIX.as_bytes());
    if folder.file_name().is_some_and(ours) {
        // Gone already, as a rule.
        let _ = fs::remove_dir_all(&folder);
    }
}

fn fits(folder: &Path) -> bool {
    folder.join(SOCKET_NAME).as_os_str().len() <= SOCKET_PATH_BYTES
}

fn close_to_others(folder: &Path) -> Result<(), PrivatePostgresError> {
    fs::set_permissions(folder, fs::Permissions::from_mode(0o700))
        .map_err(io(format!("close {} to others", folder.display())))
}
