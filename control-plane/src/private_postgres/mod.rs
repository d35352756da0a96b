//! A Postgres server of one's own in the data folder, for those who bring none.
//!
//! It listens on a Unix socket in a folder that only its account can enter, never on TCP, and stops with the process
//! that started it: in order when asked, by a signal of the system's when that process dies (Linux), and when the next
//! start finds it left over.
//!
//! - [`binaries`]: finds the programs of an installed PostgreSQL. Leans on nothing.
//! - [`account`]: who runs the server: PostgreSQL refuses to run as root. Leans on nothing.
//! - [`folder`]: the data folder: its lock, its making, what a crash left behind. Leans on `binaries` and `account`.
//! - [`process`]: its process, started again when it ends by itself. Leans on nothing.
//! - [`server`]: the running server. Leans on all of the above.

use std::path::{Path, PathBuf};

mod account;
mod binaries;
mod folder;
mod process;
mod server;

use server::Server;

/// The account within the server and the database that Weir uses.
const NAME: &str = "weir";

/// Why there is no private Postgres server.
#[derive(Debug, thiserror::Error)]
pub enum PrivatePostgresError {
    /// PostgreSQL is not installed.
    #[error(
        "no PostgreSQL was found in PATH or in the usual folders; install it (Debian and Ubuntu: apt-get install \
         postgresql, Fedora: dnf install postgresql-server, macOS: brew install postgresql), or set DATABASE_URL to a \
         server that runs"
    )]
    NotInstalled,
    /// The data is of another major version.
    #[error(
        "the data in {folder} was made by PostgreSQL {data}, but what is installed is {installed}; install PostgreSQL \
         {data}, or move the folder away to start afresh"
    )]
    OtherVersion {
        /// The data folder.
        folder: PathBuf,
        /// Its major version.
        data: u32,
        /// Major versions that are installed.
        installed: String,
    },
    /// Another process uses the data folder.
    #[error("{folder} is in use by another weir; stop that one, or choose another data folder")]
    InUse {
        /// The data folder.
        folder: PathBuf,
    },
    /// Run by root, and there is nobody else.
    #[error(
        "PostgreSQL does not run as root, and there is neither an account 'postgres' nor 'nobody' to run it as; run \
         weir as another user, or set DATABASE_URL"
    )]
    NoAccount,
    /// The system refused something.
    #[error("cannot {what}: {source}")]
    Io {
        /// What was tried.
        what: String,
        /// What the system says.
        source: std::io::Error,
    },
    /// A program of PostgreSQL's failed.
    #[error("{program} failed: {output}")]
    Program {
        /// The program.
        program: &'static str,
        /// What it said last.
        output: String,
    },
    /// The server did not come up.
    #[error("the private PostgreSQL server did not come up: {why}; its log is {log}")]
    NotReady {
        /// What was seen instead.
        why: String,
        /// Its log file.
        log: PathBuf,
    },
}

/// A private Postgres server that runs. Dropping it stops it.
#[derive(Debug)]
pub struct PrivatePostgres {
    url: String,
    server: Server,
}

impl PrivatePostgres {
    /// Starts a server on the data in `<data_dir>/postgres`, which is made if it is not there. Returns when it is ready.
    pub async fn start(data_dir: &Path) -> Result<Self, PrivatePostgresError> {
        let data_dir = data_dir.to_owned();
        tokio::task::spawn_blocking(move || Self::start_blocking(&data_dir))
            .await
            .unwrap_or_else(|panic| {
                Err(PrivatePostgresError::Program {
                    program: "starting PostgreSQL",
                    output: panic.to_string(),
                })
            })
    }

    fn start_blocking(data_dir: &Path) -> Result<Self, PrivatePostgresError> {
        std::fs::create_dir_all(data_dir).map_err(io(format!("create {}", data_dir.display())))?;
        let data_dir =
            std::path::absolute(data_dir).map_err(io(format!("find the way to {}", data_dir.display())))?;
        let lock = folder::lock(&data_dir)?;
        let folder = folder::prepare(&data_dir)?;
        let server = Server::start(&data_dir, folder, lock)?;
        let url = format!(
            "postgres://{NAME}@localhost/{NAME}?host={}",
            percent_encode(server.socket_folder())
        );
        Ok(Self { url, server })
    }

    /// Where to connect: for `DATABASE_URL`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Stops the server in order, which breaks the connections that are open. Returns when it has stopped.
    pub async fn stop(self) {
        // Its thread is the server's only company from here on; a panic in it would be a defect without consequence.
        let _ = tokio::task::spawn_blocking(move || drop(self.server)).await;
    }
}

fn io(what: String) -> impl FnOnce(std::io::Error) -> PrivatePostgresError {
    move |source| PrivatePostgresError::Io { what, source }
}

fn percent_encode(path: &Path) -> String {
    use std::os::unix::ffi::OsStrExt as _;
    let encode = |byte: &u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'_' | b'.' => char::from(*byte).to_string(),
        other => format!("%{other:02X}"),
    };
    path.as_os_str().as_bytes().iter().map(encode).collect()
}
