//! The running server.

use std::{
    fs::{self, File},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::mpsc,
    time::Duration,
};

use tempfile::TempDir;

use super::{
    PrivatePostgresError,
    account::{self, Account, Reach},
    folder::{Folder, Lock, last_lines},
    io,
    process::Process,
};

/// How long the server may take to be ready; recovery after a crash is a part of it.
const READY_WAIT: Duration = Duration::from_mins(2);

/// Bytes of a socket's path at most, the closing zero not counted.
const SOCKET_PATH_BYTES: usize = 107;

/// The socket's file name at the default port.
const SOCKET_NAME: &str = ".s.PGSQL.5432";

/// How temporary folders for the socket begin.
const PREFIX: &str = "weir-postgres-";

/// A server that runs. Dropping it stops it.
#[derive(Debug)]
pub(super) struct Server {
    /// First, so that it has ended when the rest goes.
    process: Process,
    socket_folder: SocketFolder,
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
        let mut server = Self {
            process: Process::start(command)?,
            socket_folder,
            log,
            _reach: reach,
            _lock: lock,
        };
        server.wait_until_ready(&path.join("postmaster.pid"))?;
        server.process.keep();
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
            match self.process.exit_within(STEP) {
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
            let is_ours = state.lines().next().is_some_and(|pid| {
                self.process
                    .pid()
                    .is_some_and(|own| pid.trim() == own.to_string())
            });
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
