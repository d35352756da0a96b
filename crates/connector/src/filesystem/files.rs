//! The files of a table.

use std::io;

use regex::Regex;

use super::store::{Found, Store, whole_path};

/// A file, or a folder with those files below it that match.
#[derive(Clone, Debug)]
pub(super) struct Files {
    pub(super) store: Store,
    pattern: Option<Regex>,
}

impl Files {
    /// The error says what is wrong with the pattern.
    pub(super) fn new(store: Store, pattern: Option<&str>) -> Result<Self, String> {
        let whole = |pattern| {
            Regex::new(&format!("^(?:{pattern})$"))
                .map_err(|_| format!("'{pattern}' is not a regular expression"))
        };
        Ok(Self {
            store,
            pattern: pattern.map(whole).transpose()?,
        })
    }

    /// The files as they are now, sorted by path.
    pub(super) async fn list(&self) -> io::Result<Vec<Found>> {
        let mut found = self.store.list().await?;
        if let Some(pattern) = &self.pattern {
            found.retain(|file| pattern.is_match(&whole_path(&file.path).to_string_lossy()));
        }
        Ok(found)
    }
}
