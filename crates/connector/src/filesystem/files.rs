//! A path and the files below it.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::UNIX_EPOCH,
};

use regex::Regex;

/// A file, or a folder with those files below it that match.
#[derive(Clone, Debug)]
pub(super) struct Files {
    path: PathBuf,
    pattern: Option<Regex>,
}

/// A file to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) path: PathBuf,
    pub(super) bytes: u64,
    /// When it was last written, ms since 1970.
    pub(super) modified_ms: i64,
}

impl Files {
    /// The error says what is wrong with the pattern.
    pub(super) fn new(path: PathBuf, pattern: Option<&str>) -> Result<Self, String> {
        let whole = |pattern| {
            Regex::new(&format!("^(?:{pattern})$"))
                .map_err(|_| format!("'{pattern}' is not a regular expression"))
        };
        Ok(Self {
            path,
            pattern: pattern.map(whole).transpose()?,
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The files as they are now, sorted by path. Blocks.
    pub(super) fn list(&self) -> io::Result<Vec<Found>> {
        let mut found = Vec::new();
        if fs::metadata(&self.path)?.is_dir() {
            self.add_folder(&self.path, &mut found)?;
        } else {
            self.add_file(&self.path, &mut found)?;
        }
        found.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(found)
    }

    fn add_folder(&self, folder: &Path, found: &mut Vec<Found>) -> io::Result<()> {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            if entry
                .file_name()
                .as_encoded_bytes()
                .first()
                .is_some_and(|first| matches!(first, b'.' | b'_'))
            {
                continue;
            }
            // Follows symbolic links to files, but not to folders, which could lead round in circles.
            if entry.file_type()?.is_dir() {
                self.add_folder(&entry.path(), found)?;
            } else if fs::metadata(entry.path())?.is_file() {
                self.add_file(&entry.path(), found)?;
            }
        }
        Ok(())
    }

    fn add_file(&self, path: &Path, found: &mut Vec<Found>) -> io::Result<()> {
        if let Some(pattern) = &self.pattern
            && !pattern.is_match(&std::path::absolute(path)?.to_string_lossy())
        {
            return Ok(());
        }
        let metadata = fs::metadata(path)?;
        let modified = metadata.modified()?.duration_since(UNIX_EPOCH);
        found.push(Found {
            path: path.to_owned(),
            bytes: metadata.len(),
            modified_ms: modified.map_or(0, |since| since.as_millis() as i64),
        });
        Ok(())
    }
}
