//! Where files are: in a folder of this machine, or in a bucket of an object store.
//!
//! - `local`: a local folder: files become visible by a rename. Leans on nothing.
//! - `object`: a folder of a bucket: lists and reads it. Leans on nothing.
//! - `upload`: writes objects in parts: they become visible when the upload is completed. Leans on `object`.
//!
//! What follows a table's files through the connector, a path, is the whole URL of an object, or what the file system is asked for.

mod local;
mod object;
mod upload;

use std::{
    collections::BTreeMap,
    fmt, io,
    io::Read,
    ops::Range,
    path::{Path, PathBuf},
};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{names::Names, split::FileSplit};
use crate::{ConnectorError, SinkContext, options::OptionDef, options::OptionKind, options::option};

/// Files grow in a bucket no larger than this: an upload has at most 10 000 parts.
pub(super) const LARGEST_OBJECT: u64 = 64 << 30;

/// How a bucket is reached.
pub(super) const S3_OPTIONS: [OptionDef; 6] = [
    option(
        "s3.endpoint",
        OptionKind::Text,
        None,
        "the URL of another store than Amazon's, such as `http://host:9000`; without it, `AWS_ENDPOINT_URL` of the environment holds",
    ),
    option(
        "s3.access-key",
        OptionKind::Text,
        None,
        "the id of the access key; without it, `AWS_ACCESS_KEY_ID` of the environment holds, or what the machine or its container may do",
    ),
    option(
        "s3.secret-key",
        OptionKind::Text,
        None,
        "the access key, best as `${secret:name}`; without it, `AWS_SECRET_ACCESS_KEY` of the environment holds",
    ),
    option(
        "s3.session-token",
        OptionKind::Text,
        None,
        "the token of a key that is for a while",
    ),
    option(
        "s3.region",
        OptionKind::Text,
        None,
        "the region of the bucket; without it, `AWS_REGION` of the environment holds, or `us-east-1`",
    ),
    option(
        "s3.path.style.access",
        OptionKind::Bool,
        None,
        "whether the bucket is named in the path of requests (`true`) or in the name of the host (`false`)",
    ),
];

/// A file to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) path: PathBuf,
    pub(super) bytes: u64,
    /// When it was last written, ms since 1970.
    pub(super) modified_ms: i64,
    /// What an object store calls this content of it.
    pub(super) etag: Option<String>,
}

/// Where a table's files are.
#[derive(Clone, Debug)]
pub(super) enum Store {
    Local(local::Folder),
    Bucket(object::Folder),
}

impl fmt::Display for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local(folder) => folder.root.display().fmt(f),
            Self::Bucket(folder) => folder.url("").fmt(f),
        }
    }
}

impl Store {
    /// At a local path, or a URL `file://...` or `s3://...`; `settings` are the table's [options](S3_OPTIONS). The error says what is
    /// wrong with the path.
    pub(super) fn new(path: &str, settings: Vec<(String, String)>) -> Result<Self, String> {
        if object::is_url(Path::new(path)) {
            return object::Folder::new(path, settings).map(Self::Bucket);
        }
        let path = match path.split_once("://") {
            Some(("file", path)) => path,
            Some((scheme, _)) => {
                return Err(format!(
                    "'{scheme}://' is not supported: give a local path, a file:// URL or an s3:// URL"
                ));
            }
            None => path.strip_prefix("file:").unwrap_or(path),
        };
        if path.is_empty() {
            return Err("is empty: name a file or a folder".to_owned());
        }
        Ok(Self::Local(local::Folder {
            root: PathBuf::from(path),
            settings,
        }))
    }

    pub(super) fn is_bucket(&self) -> bool {
        matches!(self, Self::Bucket(_))
    }

    /// Where a path that is not a whole one is looked for, for people.
    pub(super) fn seen_from(&self) -> String {
        match (self, std::env::current_dir()) {
            (Self::Local(local), Ok(folder)) if local.root.is_relative() => {
                format!(", looked for in '{}'", folder.display())
            }
            _ => String::new(),
        }
    }

    /// The files as they are now, sorted by path. That there is nothing at all is an error of the kind `NotFound`.
    pub(super) async fn list(&self) -> io::Result<Vec<Found>> {
        let mut found = match self {
            Self::Local(folder) => {
                let folder = folder.clone();
                let list = tokio::task::spawn_blocking(move || folder.list());
                list.await.map_err(io::Error::other)??
            }
            Self::Bucket(folder) => folder.list().await?,
        };
        found.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(found)
    }

    /// The bytes of a file from an offset on. Blocks, and reads them block too.
    pub(super) fn open(&self, file: &FileSplit, offset: u64) -> io::Result<Box<dyn Read + Send>> {
        match self {
            Self::Local(_) => local::open(&file.path, offset),
            Self::Bucket(folder) => folder.open(file, offset),
        }
    }

    /// Some ranges of a file.
    pub(super) async fn ranges(&self, file: &FileSplit, ranges: Vec<Range<u64>>) -> io::Result<Vec<Bytes>> {
        match self {
            Self::Local(_) => {
                let path = file.path.clone();
                let read = tokio::task::spawn_blocking(move || local::ranges(&path, &ranges));
                read.await.map_err(io::Error::other)?
            }
            Self::Bucket(folder) => folder.ranges(file, &ranges).await,
        }
    }

    /// The reason why nothing can be written here.
    pub(super) async fn refuse_writing(&self) -> Option<String> {
        match self {
            Self::Local(folder) => folder.refuse_writing(),
            Self::Bucket(folder) => folder.refuse_writing().await,
        }
    }

    /// Makes the place for what is to be written, and removes from it what failed executions left.
    pub(super) async fn prepare(&self, context: &SinkContext) -> Result<(), ConnectorError> {
        match self {
            Self::Local(folder) => folder.prepare(context).await,
            Self::Bucket(folder) => upload::remove_leftovers(folder, context).await,
        }
    }

    /// The nth file of a checkpoint, in a folder below: a path without `/` around it.
    pub(super) fn create(
        &self,
        folder: &str,
        names: &Names,
        checkpoint: u64,
        nth: usize,
    ) -> Result<Draft, ConnectorError> {
        let name = names.part(checkpoint, nth);
        Ok(match self {
            Self::Local(root) => Draft::Local(local::Draft::create(root, folder, &name)?),
            Self::Bucket(root) => Draft::Object(Box::new(upload::Draft::new(root, folder, &name)?)),
        })
    }

    /// Makes the names of files durable, as they are now.
    pub(super) async fn settle(&self, staged: &[Staged]) -> Result<(), ConnectorError> {
        let root = match self {
            Self::Local(folder) => Some(folder),
            Self::Bucket(_) => None,
        };
        let local = staged.iter().filter_map(|staged| match staged {
            Staged::Local(staged) => Some(staged),
            Staged::Object(_) => None,
        });
        local::settle(root, local.collect()).await
    }

    /// Makes an empty file of that name in each folder of these files, if there is none.
    pub(super) async fn mark(&self, staged: &[Staged], name: &str) -> Result<(), ConnectorError> {
        let by_folder: BTreeMap<_, _> = staged.iter().map(|file| (file.folder(), file)).collect();
        for file in by_folder.into_values() {
            match file {
                Staged::Local(file) => {
                    let (file, name) = (file.clone(), name.to_owned());
                    blocking(move || file.mark(&name)).await?;
                }
                Staged::Object(file) => {
                    let (folder, settings) = self.bucket();
                    file.mark(folder, settings, name).await?;
                }
            }
        }
        Ok(())
    }

    /// Makes a file visible, if it is not yet.
    pub(super) async fn publish(&self, staged: &Staged) -> Result<(), ConnectorError> {
        match staged {
            Staged::Local(staged) => {
                let staged = staged.clone();
                blocking(move || staged.publish()).await
            }
            Staged::Object(staged) => {
                let (folder, settings) = self.bucket();
                staged.publish(folder, settings).await
            }
        }
    }

    /// The folder, if it is in a bucket, and how buckets are reached: the table may have moved since an object was written.
    fn bucket(&self) -> (Option<&object::Folder>, &[(String, String)]) {
        match self {
            Self::Local(folder) => (None, &folder.settings),
            Self::Bucket(folder) => (Some(folder), folder.settings()),
        }
    }
}

/// A file that is being written, and that nobody sees.
#[derive(Debug)]
pub(super) enum Draft {
    Local(local::Draft),
    Object(Box<upload::Draft>),
}

impl Draft {
    /// Takes all of these bytes.
    pub(super) async fn write(&mut self, bytes: &mut Vec<u8>) -> Result<(), ConnectorError> {
        match self {
            Self::Local(draft) => draft.write(bytes),
            Self::Object(draft) => draft.write(bytes).await,
        }
    }

    /// Bytes of it in memory.
    pub(super) fn held_bytes(&self) -> u64 {
        match self {
            Self::Local(_) => 0,
            Self::Object(draft) => draft.held_bytes(),
        }
    }

    /// Makes its bytes durable; nothing follows.
    pub(super) async fn close(self) -> Result<Staged, ConnectorError> {
        match self {
            Self::Local(draft) => Ok(Staged::Local(draft.close().await?)),
            Self::Object(draft) => Ok(Staged::Object(draft.close().await?)),
        }
    }
}

/// A complete file that nobody sees yet, as a checkpoint says it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum Staged {
    Local(local::Staged),
    Object(upload::Staged),
}

impl Staged {
    fn folder(&self) -> PathBuf {
        match self {
            Self::Local(file) => file.folder().to_owned(),
            Self::Object(file) => PathBuf::from(file.folder()),
        }
    }
}

/// The whole name of a file: an object's URL as it is.
pub(super) fn whole_path(path: &Path) -> PathBuf {
    if object::is_url(path) {
        return path.to_owned();
    }
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

pub(super) fn cannot(what: &str, path: &Path, error: &dyn fmt::Display) -> ConnectorError {
    ConnectorError::external(format!("cannot {what} '{}': {error}", path.display()))
        .at(path.display().to_string())
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ConnectorError> + Send + 'static,
) -> Result<T, ConnectorError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| ConnectorError::internal(format!("work on files: {error}")))?
}
