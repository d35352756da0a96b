//! A file or a range of it, with the position to read on from.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::store::Found;
use crate::{ConnectorError, Split};

/// What to read of a file: the records that start in `start..end`; of Parquet, the row groups.
///
/// Offsets count the bytes of the text, unpacked if the file is packed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct FileSplit {
    /// Where it is, or the URL of an object.
    pub(super) path: PathBuf,
    pub(super) start: u64,
    /// None: the end of the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) end: Option<u64>,
    /// The start of the record to read next; of Parquet, which row of the file it is. None before the first one was looked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) position: Option<u64>,
    /// The line at `position`, from 1, where it is known: in splits that begin with their file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) line: Option<u64>,
    /// The file's size, packed or not.
    #[serde(default)]
    pub(super) bytes: u64,
    /// When the file was last written, ms since 1970.
    #[serde(default)]
    pub(super) modified_ms: i64,
    /// What an object store calls the content that was listed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) etag: Option<String>,
}

impl FileSplit {
    fn new(file: &Found, start: u64, end: Option<u64>) -> Self {
        Self {
            path: file.path.clone(),
            bytes: file.bytes,
            modified_ms: file.modified_ms,
            etag: file.etag.clone(),
            start,
            end,
            position: None,
            line: (start == 0).then_some(1),
        }
    }

    /// For people: `access.log:17`, or `access.log:byte 123456` where lines were not counted.
    pub(super) fn place(&self, line: Option<u64>, offset: u64) -> String {
        match line {
            Some(line) => format!("{}:{line}", self.path.display()),
            None => format!("{}:byte {offset}", self.path.display()),
        }
    }

    /// What the split is called.
    pub(super) fn id(&self) -> String {
        let path = self.path.display();
        match (self.start, self.end) {
            (0, None) => path.to_string(),
            (start, Some(end)) => format!("{path}:{start}-{end}"),
            (start, None) => format!("{path}:{start}-"),
        }
    }

    pub(super) fn to_split(&self) -> Result<Split, ConnectorError> {
        let id = self.id();
        let state = serde_json::to_vec(self)
            .map_err(|error| ConnectorError::user(format!("the path of '{id}' is not UTF-8: {error}")))?;
        Ok(Split { id, state })
    }

    pub(super) fn from_split(split: &Split) -> Result<Self, ConnectorError> {
        serde_json::from_slice(&split.state).map_err(|error| {
            ConnectorError::internal(format!(
                "the state of split '{}' cannot be read: {error}",
                split.id
            ))
        })
    }
}

/// Splits for these files: one each, and large ones that are not packed are cut into so many ranges, none much smaller than
/// `least_range_bytes`. As many as there are readers, so that one reader gets a stretch without gaps.
pub(super) fn plan(
    files: &[Found],
    ranges: u32,
    least_range_bytes: u64,
    is_packed: impl Fn(&Path) -> bool,
) -> Vec<FileSplit> {
    let mut splits = Vec::new();
    for file in files {
        let bytes = &file.bytes;
        let ranges = if is_packed(&file.path) {
            1
        } else {
            (bytes / least_range_bytes.max(1)).clamp(1, ranges.max(1).into())
        };
        let start = |range: u64| u64::try_from(u128::from(*bytes) * u128::from(range) / u128::from(ranges));
        for range in 0..ranges {
            let (start, end) = (start(range).unwrap_or(*bytes), start(range + 1).unwrap_or(*bytes));
            splits.push(FileSplit::new(file, start, (range + 1 < ranges).then_some(end)));
        }
    }
    splits
}
