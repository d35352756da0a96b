//! The data folder: its lock, its making, what a crash left behind.

use std::{
    fs::{self, File},
    io::Write as _,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    time::Duration,
};

use nix::{
    errno::Errno,
    fcntl::{Flock, FlockArg},
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use super::{
    NAME, PrivatePostgresError,
    account::{self, Account, Reach},
    binaries::{self, Binaries},
    io,
};

/// How long a left-over server may take to stop in order.
const STOP_WAIT: Duration = Duration::from_secs(30);

/// A data folder that is ready for a server, and what to run it with.
#[derive(Debug)]
pub(super) struct Folder {
    pub(super) path: PathBuf,
    pub(super) account: Account,
    pub(super) binaries: Binaries,
}

/// Keeps other processes of Weir's from the data folder for as long as it lives.
pub(super) type Lock = Flock<File>;

pub(super) fn lock(data_dir: &Path) -> Result<Lock, PrivatePostgresError> {
    let path = data_dir.join("postgres.lock");
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path);
    let file = file.map_err(io(format!("open {}", path.display())))?;
    Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|(_, errno)| match errno {
        Errno::EWOULDBLOCK => PrivatePostgresError::InUse {
            folder: data_dir.to_owned(),
        },
        other => io(format!("lock {}", path.display()))(other.into()),
    })
}

/// Makes the data if there is none, and stops a server that a crash of its starter left running.
pub(super) fn prepare(data_dir: &Path) -> Result<Folder, PrivatePostgresError> {
    let path = data_dir.join("postgres");
    let data = data_version(&path)?;
    let binaries = binaries::find(data.map(|version| (path.as_path(), version)))?;
    let account = Account::of(&path)?;
    let folder = Folder {
        path,
        account,
        binaries,
    };
    match data {
        Some(_) => stop_left_over(&folder.path)?,
        None => make(data_dir, &folder)?,
    }
    Ok(folder)
}

/// The major version of the data; none when there is no data.
fn data_version(folder: &Path) -> Result<Option<u32>, PrivatePostgresError> {
    if !folder.exists() {
        return Ok(None);
    }
    let file = folder.join("PG_VERSION");
    let text = fs::read_to_string(&file).map_err(io(format!("read {}", file.display())))?;
    let version = text.trim().parse().map_err(|_| {
        let unclear = std::io::Error::other(format!("'{}' is not a version", text.trim()));
        io(format!("read {}", file.display()))(unclear)
    })?;
    Ok(Some(version))
}

/// Makes the data aside and moves it into place when it is whole, so that a start that is cut short leaves none.
fn make(data_dir: &Path, folder: &Folder) -> Result<(), PrivatePostgresError> {
    let Folder {
        path,
        account,
        binaries,
    } = folder;
    let aside = data_dir.join("postgres.new");
    let doing = |what: &str| format!("{what} {}", aside.display());
    if aside.exists() {
        fs::remove_dir_all(&aside).map_err(io(doing("clear away")))?;
    }
    fs::create_dir(&aside).map_err(io(doing("create")))?;
    fs::set_permissions(&aside, fs::Permissions::from_mode(0o700)).map_err(io(doing("close to others")))?;
    account.own(&aside).map_err(io(doing("hand over")))?;
    let reach = Reach::to(&aside, *account).map_err(io(doing("open")))?;

    let mut initdb = Command::new(binaries.program("initdb"));
    initdb
        .args([
            "--username",
            NAME,
            "--auth",
            "trust",
            "--encoding",
            "UTF8",
            "--locale",
            "C",
            "-D",
        ])
        .arg(reach.path());
    run("initdb", initdb, *account, &reach, "")?;

    let mut single = Command::new(binaries.program("postgres"));
    single.args(["--single", "-D"]).arg(reach.path()).arg("postgres");
    run(
        "postgres",
        single,
        *account,
        &reach,
        &format!("CREATE DATABASE {NAME};\n"),
    )?;

    fs::rename(&aside, path).map_err(io(format!("move {} to {}", aside.display(), path.display())))
}

fn run(
    program: &'static str,
    mut command: Command,
    account: Account,
    reach: &Reach,
    input: &str,
) -> Result<(), PrivatePostgresError> {
    account.run(&mut command);
    account::bind(&mut command, reach.descriptor(), false);
    let failed = || io(format!("run {program}"));
    let piped = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = piped.spawn().map_err(failed())?;
    if let Some(mut stdin) = child.stdin.take() {
        // A program that ended early says why by its status and its words.
        let _ = stdin.write_all(input.as_bytes());
    }
    let Output {
        status,
        stdout,
        stderr,
    } = child.wait_with_output().map_err(failed())?;
    let complaints = String::from_utf8_lossy(&stderr);
    // The server on its own ends well even after a statement that failed.
    if status.success() && !complaints.contains("ERROR:") {
        return Ok(());
    }
    let stdout = String::from_utf8_lossy(&stdout);
    let words = if complaints.is_empty() { stdout } else { complaints };
    Err(PrivatePostgresError::Program {
        program,
        output: last_lines(&words),
    })
}

/// The end of a program's words, on one line.
pub(super) fn last_lines(text: &str) -> String {
    let lines: Vec<_> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(5)..].join("; ")
}

/// With the lock in our hands, a server on this data is one whose starter died without stopping it.
fn stop_left_over(folder: &Path) -> Result<(), PrivatePostgresError> {
    let file = folder.join("postmaster.pid");
    let Some(pid) = fs::read_to_string(&file)
        .ok()
        .and_then(|text| text.lines().next()?.trim().parse().ok())
    else {
        return Ok(());
    };
    let pid = Pid::from_raw(pid);
    if is_postgres(pid) {
        tracing::info!(%pid, "stops a private PostgreSQL server that was left over");
        for signal in [Signal::SIGINT, Signal::SIGQUIT, Signal::SIGKILL] {
            // It may be gone by now.
            let _ = kill(pid, signal);
            if gone_within(pid, STOP_WAIT) {
                break;
            }
        }
    }
    // Gone, or its number was given to a process that has nothing to do with it, which the server would not see.
    match fs::remove_file(&file) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(io(format!("remove {}", file.display()))(error))
        }
        _ => Ok(()),
    }
}

fn gone_within(pid: Pid, wait: Duration) -> bool {
    const STEP: Duration = Duration::from_millis(50);
    for _ in 0..wait.as_millis() / STEP.as_millis() {
        if !is_postgres(pid) {
            return true;
        }
        std::thread::sleep(STEP);
    }
    false
}

fn is_postgres(pid: Pid) -> bool {
    if cfg!(target_os = "linux") {
        // A zombie has stopped, even if nobody has asked how.
        let state = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        return state.contains("(postgres) ") && !state.contains("(postgres) Z");
    }
    let output = Command::new("ps")
        .args(["-o", "comm=", "-p", &pid.to_string()])
        .output();
    output.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).contains("postgres"))
}
