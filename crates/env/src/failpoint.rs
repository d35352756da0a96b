//! Steps at which tests end the process.

use std::{env, fs, path::PathBuf, sync::OnceLock};

/// The environment variable with the folder in which tests say where processes end.
pub const VARIABLE: &str = "WEIR_FAILPOINTS";

/// Ends this process as a crash would, if the folder that `WEIR_FAILPOINTS` names has a file of this name.
///
/// The file goes first: it ends one process, once, and that it is gone says that it did. Without the variable nothing is looked
/// at. For steps that are taken once per checkpoint, not for rows.
pub fn failpoint(name: &str) {
    // Read once: the environment of a process does not change.
    static FOLDER: OnceLock<Option<PathBuf>> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| env::var_os(VARIABLE).map(PathBuf::from));
    if let Some(folder) = folder
        && fs::remove_file(folder.join(name)).is_ok()
    {
        eprintln!("ends at the failpoint {name}");
        std::process::abort();
    }
}
