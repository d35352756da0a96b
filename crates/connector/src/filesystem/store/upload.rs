//! Objects that are written in parts, and become visible when their upload is completed.
//!
//! An upload is known by its id, so that any process can complete it, or give it up. Until then it is noted in an object below
//! `.inprogress`, which is called as what is written: so a later execution finds what failed ones left without asking the store for
//! all uploads of the bucket.

use std::{collections::VecDeque, mem, path::Path as FilePath, sync::Arc};

use futures::TryStreamExt as _;
use object_store::{
    Error, ObjectStore as _, ObjectStoreExt as _, PutPayload,
    aws::AmazonS3,
    multipart::{MultipartStore as _, PartId},
    path::Path,
};
use serde::{Deserialize, Serialize};
use tokio::task::JoinHandle;
use weir_checkpoint::storage::s3;

use super::{
    cannot,
    object::{Folder, IN_PROGRESS, connect},
};
use crate::{ConnectorError, SinkContext, filesystem::names::Leftovers};

/// The bytes of a part; stores take no less than 5 MiB but for the last one.
const PART_BYTES: usize = 8 << 20;
/// So many parts are on their way at once: what is written faster than that waits.
const PARTS_AHEAD: usize = 3;

/// An object whose bytes come.
#[derive(Debug)]
pub(in super::super) struct Draft {
    folder: Folder,
    path: Path,
    note: Path,
    /// What is not on its way yet.
    buffer: Vec<u8>,
    /// Its id, when it was begun.
    upload: Option<String>,
    coming: VecDeque<JoinHandle<object_store::Result<PartId>>>,
    /// What the store calls the parts that it has.
    parts: Vec<String>,
    bytes: u64,
}

impl Draft {
    /// Asks nothing of the store before there is enough for a part.
    pub(super) fn new(root: &Folder, folder: &str, name: &str) -> Result<Self, ConnectorError> {
        let path = |parts: &[&str]| {
            below(&root.root, parts).map_err(|error| {
                ConnectorError::user(format!("'{folder}/{name}' cannot be written: {error}"))
            })
        };
        Ok(Self {
            path: path(&[folder, name])?,
            note: path(&[IN_PROGRESS, folder, name])?,
            folder: root.clone(),
            buffer: Vec::new(),
            upload: None,
            coming: VecDeque::new(),
            parts: Vec::new(),
            bytes: 0,
        })
    }

    pub(super) async fn write(&mut self, bytes: &mut Vec<u8>) -> Result<(), ConnectorError> {
        self.bytes += bytes.len() as u64;
        self.buffer.append(bytes);
        while self.buffer.len() >= PART_BYTES {
            let rest = self.buffer.split_off(PART_BYTES);
            let part = mem::replace(&mut self.buffer, rest);
            self.send(part).await.map_err(|error| self.failed(&error))?;
        }
        Ok(())
    }

    /// Bytes of it in memory.
    pub(super) fn held_bytes(&self) -> u64 {
        (self.buffer.len() + self.coming.len() * PART_BYTES) as u64
    }

    pub(super) async fn close(mut self) -> Result<Staged, ConnectorError> {
        let upload = self.finish().await.map_err(|error| self.failed(&error))?;
        Ok(Staged {
            url: self.folder.url_of(&self.path),
            note: self.folder.url_of(&self.note),
            upload,
            parts: self.parts,
            bytes: self.bytes,
        })
    }

    /// Sends what is left, and returns the upload's id.
    async fn finish(&mut self) -> object_store::Result<String> {
        if !self.buffer.is_empty() || self.upload.is_none() {
            let last = mem::take(&mut self.buffer);
            self.send(last).await?;
        }
        while let Some(part) = self.coming.pop_front() {
            self.parts.push(arrived(part).await?);
        }
        Ok(self.upload.clone().unwrap_or_default())
    }

    async fn send(&mut self, part: Vec<u8>) -> object_store::Result<()> {
        let upload = match &self.upload {
            Some(upload) => upload.clone(),
            None => self.upload.insert(self.begin().await?).clone(),
        };
        if self.coming.len() >= PARTS_AHEAD
            && let Some(oldest) = self.coming.pop_front()
        {
            self.parts.push(arrived(oldest).await?);
        }
        let number = self.parts.len() + self.coming.len();
        let (bucket, path) = (Arc::clone(&self.folder.bucket), self.path.clone());
        self.coming.push_back(tokio::spawn(async move {
            bucket.put_part(&path, &upload, number, part.into()).await
        }));
        Ok(())
    }

    async fn begin(&self) -> object_store::Result<String> {
        let bucket = &self.folder.bucket;
        match bucket.head(&self.path).await {
            Err(Error::NotFound { .. }) => {}
            Err(error) => return Err(error),
            Ok(_) => {
                return Err(Error::AlreadyExists {
                    path: self.path.to_string(),
                    source: "a file of this name was written before".into(),
                });
            }
        }
        let upload = bucket.create_multipart(&self.path).await?;
        // Between these two there is an upload without a part, which takes no space.
        bucket.put(&self.note, upload.clone().into()).await?;
        Ok(upload)
    }

    fn failed(&self, error: &Error) -> ConnectorError {
        let url = self.folder.url_of(&self.path);
        cannot("write", FilePath::new(&url), error)
    }
}

async fn arrived(part: JoinHandle<object_store::Result<PartId>>) -> object_store::Result<String> {
    let part = part.await.map_err(|source| Error::JoinError { source })??;
    Ok(part.content_id)
}

/// A path of names as they are; `Path` would write some of their characters otherwise.
fn below(root: &Path, parts: &[&str]) -> Result<Path, object_store::path::Error> {
    let parts = std::iter::once(root.as_ref()).chain(parts.iter().copied());
    let parts: Vec<_> = parts.filter(|part| !part.is_empty()).collect();
    Path::parse(parts.join("/"))
}

/// An upload whose parts the store has, all of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in super::super) struct Staged {
    url: String,
    upload: String,
    parts: Vec<String>,
    bytes: u64,
    /// Where the upload is noted.
    note: String,
}

impl Staged {
    /// Completes the upload, if that was not done yet.
    pub(super) async fn publish(
        &self,
        folder: Option<&Folder>,
        settings: &[(String, String)],
    ) -> Result<(), ConnectorError> {
        let failed = |error: &dyn std::fmt::Display| cannot("publish", FilePath::new(&self.url), error);
        let (bucket, path) = place(folder, settings, &self.url).map_err(|error| failed(&error))?;
        let parts = self.parts.iter().cloned();
        let parts = parts.map(|content_id| PartId { content_id }).collect();
        if let Err(error) = bucket.complete_multipart(&path, &self.upload, parts).await {
            // Perhaps it is complete: the store then knows no upload of this id any more.
            match bucket.head(&path).await {
                Ok(found) if found.size == self.bytes => {}
                Ok(found) => return Err(self.lost(&format!("has {} bytes now", found.size))),
                Err(Error::NotFound { .. }) if matches!(error, Error::NotFound { .. }) => {
                    return Err(self.lost("is not there, and the store has no parts of it"));
                }
                Err(_) => return Err(failed(&error)),
            }
        }
        let (_, note) = place(folder, settings, &self.note).map_err(|error| failed(&error))?;
        match bucket.delete(&note).await {
            Err(error) if !matches!(error, Error::NotFound { .. }) => Err(failed(&error)),
            _ => Ok(()),
        }
    }

    /// Its URL without its name.
    pub(super) fn folder(&self) -> &str {
        self.url.rsplit_once('/').map_or("", |(folder, _)| folder)
    }

    /// Puts an empty object of that name beside it.
    pub(super) async fn mark(
        &self,
        folder: Option<&Folder>,
        settings: &[(String, String)],
        name: &str,
    ) -> Result<(), ConnectorError> {
        let url = format!("{}/{name}", self.folder());
        let put = async {
            let (bucket, path) = place(folder, settings, &url)?;
            bucket.put(&path, PutPayload::default()).await
        };
        match put.await {
            Ok(_) => Ok(()),
            Err(error) => Err(cannot("write", FilePath::new(&url), &error)),
        }
    }

    fn lost(&self, what: &str) -> ConnectorError {
        let Self { url, bytes, .. } = self;
        ConnectorError::external(format!(
            "rows of a checkpoint are lost: '{url}' had {bytes} bytes when its upload was prepared, but it {what}; does a rule of the \
             bucket give up uploads that are not complete? Begin from another checkpoint"
        ))
        .at(url.clone())
    }
}

/// The bucket of a URL and the path in it: the table may have been moved to another.
fn place(
    folder: Option<&Folder>,
    settings: &[(String, String)],
    url: &str,
) -> object_store::Result<(Arc<AmazonS3>, Path)> {
    let (bucket, path) = s3::bucket_and_path(url).unwrap_or_default();
    let client = match folder {
        Some(folder) if folder.is_in(bucket) => Arc::clone(&folder.bucket),
        _ => Arc::new(connect(bucket, settings)?),
    };
    Ok((client, Path::parse(path)?))
}

/// Gives up uploads that no checkpoint will ever name.
pub(super) async fn remove_leftovers(folder: &Folder, context: &SinkContext) -> Result<(), ConnectorError> {
    // One of the writers is enough.
    if context.subtask != 0 {
        return Ok(());
    }
    remove(folder, &Leftovers::new(context)).await.map_err(|error| {
        let url = folder.url("");
        cannot("write to", FilePath::new(&url), &error)
    })
}

async fn remove(folder: &Folder, leftovers: &Leftovers) -> object_store::Result<()> {
    let (bucket, notes) = (&folder.bucket, below(&folder.root, &[IN_PROGRESS])?);
    let mut listed = bucket.list(Some(&notes));
    while let Some(note) = listed.try_next().await? {
        let path = note.location;
        if !path.filename().is_some_and(|name| leftovers.has(name)) {
            continue;
        }
        let upload = match bucket.get(&path).await {
            // A newer execution may be removing it too.
            Err(Error::NotFound { .. }) => continue,
            got => got?.bytes().await?,
        };
        let name = path.as_ref().strip_prefix(notes.as_ref()).unwrap_or_default();
        let written = below(&folder.root, &[name.trim_start_matches('/')])?;
        let upload = String::from_utf8_lossy(&upload).into_owned();
        let gone = [
            bucket.abort_multipart(&written, &upload).await,
            bucket.delete(&path).await,
        ];
        for result in gone {
            if let Err(error) = result
                && !matches!(error, Error::NotFound { .. })
            {
                return Err(error);
            }
        }
        tracing::info!(object = %written, "gave up an upload of a failed execution");
    }
    Ok(())
}
