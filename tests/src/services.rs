//! Where the servers are that `script/services` installs.

use std::{env, path::PathBuf};

/// The folder that `script/services` fills.
pub fn folder() -> Option<PathBuf> {
    let cache = env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache.or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".cache")))?;
    Some(cache.join("weir/services"))
}

/// A program: on the `PATH`, or where `script/services` puts it.
pub fn program(name: &str) -> Option<PathBuf> {
    let ours = folder().map(|folder| folder.join("bin"));
    let path = env::var_os("PATH").unwrap_or_default();
    let mut folders = env::split_paths(&path).chain(ours);
    folders.find_map(|folder| Some(folder.join(name)).filter(|program| program.is_file()))
}
