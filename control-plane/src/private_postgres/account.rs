//! Who runs the server. PostgreSQL refuses to run as root.

use std::{
    fs::File,
    io,
    os::{
        fd::{AsRawFd, RawFd},
        unix::{fs::MetadataExt as _, process::CommandExt as _},
    },
    path::{Path, PathBuf},
    process::Command,
};

use nix::unistd::{Gid, Uid, User, geteuid};

use super::PrivatePostgresError;

/// The account that runs the server and owns its data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Account {
    /// Whoever runs this process.
    Own,
    /// Another one: this process is root's.
    Other { uid: Uid, gid: Gid },
}

impl Account {
    /// The account for this folder: as root, that of whoever owns it, if that is somebody else; failing that `postgres`
    /// or `nobody`.
    pub(super) fn of(folder: &Path) -> Result<Self, PrivatePostgresError> {
        if !geteuid().is_root() {
            return Ok(Self::Own);
        }
        if let Ok(metadata) = folder.metadata()
            && metadata.uid() != 0
        {
            return Ok(Self::Other {
                uid: Uid::from_raw(metadata.uid()),
                gid: Gid::from_raw(metadata.gid()),
            });
        }
        let user = ["postgres", "nobody"]
            .into_iter()
            .find_map(|name| User::from_name(name).ok().flatten());
        let user = user.ok_or(PrivatePostgresError::NoAccount)?;
        Ok(Self::Other {
            uid: user.uid,
            gid: user.gid,
        })
    }

    /// Hands a file or a folder, not what is in it, to the account.
    pub(super) fn own(self, path: &Path) -> io::Result<()> {
        match self {
            Self::Own => Ok(()),
            Self::Other { uid, gid } => {
                std::os::unix::fs::chown(path, Some(uid.as_raw()), Some(gid.as_raw()))
            }
        }
    }

    /// Makes the command run as the account.
    pub(super) fn run(self, command: &mut Command) {
        if let Self::Other { uid, gid } = self {
            // From a folder that every account can be in. Other groups are dropped with the uid.
            command.uid(uid.as_raw()).gid(gid.as_raw()).current_dir("/");
        }
    }
}

/// A folder that a child is told of, even where its account cannot walk the way there.
///
/// Root's home, for one, is closed to others, and data folders are often in there. On Linux the child then gets the open
/// folder itself, and reaches it through `/proc/self/fd`.
#[derive(Debug)]
pub(super) struct Reach {
    path: PathBuf,
    handed_over: Option<File>,
}

impl Reach {
    pub(super) fn to(folder: &Path, account: Account) -> io::Result<Self> {
        if account == Account::Own || !cfg!(target_os = "linux") {
            return Ok(Self {
                path: folder.to_owned(),
                handed_over: None,
            });
        }
        let open = File::open(folder)?;
        let path = PathBuf::from(format!("/proc/self/fd/{}", open.as_raw_fd()));
        Ok(Self {
            path,
            handed_over: Some(open),
        })
    }

    /// The path under which the child finds it.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The descriptor that the child must keep open.
    pub(super) fn descriptor(&self) -> Option<RawFd> {
        self.handed_over.as_ref().map(AsRawFd::as_raw_fd)
    }
}

/// Sets the command up to keep the folder open, and to be told to stop when this process dies.
#[allow(
    unsafe_code,
    reason = "only what runs between fork and exec can set these for a child"
)]
pub(super) fn bind(command: &mut Command, keep: Option<RawFd>, die_with_parent: bool) {
    // SAFETY: the closure runs in the forked child and makes system calls only: no allocation, no locks.
    unsafe {
        command.pre_exec(move || {
            if let Some(fd) = keep
                && libc::fcntl(fd, libc::F_SETFD, 0) == -1
            {
                return Err(io::Error::last_os_error());
            }
            #[cfg(target_os = "linux")]
            if die_with_parent && libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGINT) == -1 {
                return Err(io::Error::last_os_error());
            }
            #[cfg(not(target_os = "linux"))]
            let _ = die_with_parent;
            Ok(())
        });
    }
}
