//! A folder of a bucket: lists what is in it, and reads objects in pieces that are asked for ahead.

use std::{
    collections::VecDeque,
    fmt,
    future::Future,
    io::{self, Read},
    ops::Range,
    path::{Path as FilePath, PathBuf},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::{Buf as _, Bytes};
use futures::{StreamExt as _, TryStreamExt as _};
use object_store::{
    GetOptions, GetRange, ObjectMeta, ObjectStore as _, ObjectStoreExt as _, RetryConfig, aws::AmazonS3,
    path::Path,
};
use tokio::{runtime::Handle, task::JoinHandle};
use weir_checkpoint::storage::s3;

use super::Found;
use crate::filesystem::split::FileSplit;

/// What is asked for at once: large enough that the way there and back counts little.
const PIECE_BYTES: u64 = 4 << 20;
/// So many pieces are on their way at once.
const PIECES_AHEAD: usize = 4;
/// What is asked for at once behind the end of a range: the rest of its last record.
const TAIL_BYTES: u64 = 256 << 10;

/// Where uploads are noted that are not complete, below a table's folder.
pub(super) const IN_PROGRESS: &str = ".inprogress";

/// A folder of a bucket, or an object that is read.
#[derive(Clone)]
pub(in super::super) struct Folder {
    pub(super) bucket: Arc<AmazonS3>,
    /// `s3://bucket`, as the table writes it.
    bucket_url: Arc<str>,
    pub(super) root: Path,
    settings: Arc<Vec<(String, String)>>,
}

impl fmt::Debug for Folder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Settings have secrets.
        f.write_str(&self.url(""))
    }
}

pub(super) fn is_url(path: &FilePath) -> bool {
    path.to_str()
        .is_some_and(|path| s3::bucket_and_path(path).is_some())
}

/// A client of a bucket that tries for a while what fails for a reason that may pass.
pub(super) fn connect(bucket: &str, settings: &[(String, String)]) -> object_store::Result<AmazonS3> {
    let retry = RetryConfig {
        max_retries: 6,
        retry_timeout: Duration::from_mins(1),
        ..RetryConfig::default()
    };
    let settings = settings.iter().map(|(key, value)| (key.as_str(), value.as_str()));
    s3::bucket(bucket, settings, retry)
}

impl Folder {
    /// The folder of a URL; the error says what is wrong with it.
    pub(super) fn new(url: &str, settings: Vec<(String, String)>) -> Result<Self, String> {
        let (bucket, path) = s3::bucket_and_path(url).unwrap_or_default();
        if bucket.is_empty() {
            return Err("names no bucket, as s3://bucket/folder does".to_owned());
        }
        let scheme = url.split_once("://").map_or("s3", |(scheme, _)| scheme);
        let root = Path::parse(path.trim_matches('/'))
            .map_err(|error| format!("'{path}' is no path in a bucket: {error}"))?;
        let client = connect(bucket, &settings).map_err(|error| format!("'{url}' has no client: {error}"))?;
        Ok(Self {
            bucket: Arc::new(client),
            bucket_url: format!("{scheme}://{bucket}").into(),
            root,
            settings: Arc::new(settings),
        })
    }

    pub(super) fn settings(&self) -> &[(String, String)] {
        &self.settings
    }

    /// The URL of something below the folder.
    pub(super) fn url(&self, below: &str) -> String {
        let parts = [&self.bucket_url, self.root.as_ref(), below];
        parts
            .into_iter()
            .filter(|part| !part.is_empty())
            .collect::<Vec<_>>()
            .join("/")
    }

    /// The URL of an object of the bucket.
    pub(super) fn url_of(&self, object: &Path) -> String {
        format!("{}/{object}", self.bucket_url)
    }

    pub(super) fn is_in(&self, bucket: &str) -> bool {
        self.bucket_url
            .split_once("://")
            .is_some_and(|(_, name)| name == bucket)
    }

    /// Objects below the folder, without those of hidden names, or the object that the table names.
    pub(super) async fn list(&self) -> io::Result<Vec<Found>> {
        let mut listed = self.bucket.list(Some(&self.root));
        let (mut found, mut is_there) = (Vec::new(), false);
        while let Some(object) = listed.try_next().await? {
            is_there = true;
            if object.size > 0 && !is_hidden(&object.location, &self.root) {
                found.push(self.found(object));
            }
        }
        if !is_there && !self.root.as_ref().is_empty() {
            found.push(self.found(self.bucket.head(&self.root).await?));
        }
        Ok(found)
    }

    fn found(&self, object: ObjectMeta) -> Found {
        Found {
            path: PathBuf::from(self.url_of(&object.location)),
            bytes: object.size,
            modified_ms: object.last_modified.timestamp_millis(),
            etag: object.e_tag.filter(|tag| !tag.is_empty()),
        }
    }

    /// The reason why the bucket cannot be written to, as far as it can be seen without doing so.
    pub(super) async fn refuse_writing(&self) -> Option<String> {
        let mut listed = self.bucket.list(Some(&self.root));
        let error = listed.next().await?.err()?;
        Some(format!("'{}' cannot be reached: {error}", self.url("")))
    }

    fn object(&self, file: &FileSplit) -> io::Result<Object> {
        let url = file.path.to_string_lossy();
        let (_, key) = s3::bucket_and_path(&url).ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::NotFound,
                format!("'{url}' is no object of the bucket"),
            )
        })?;
        Ok(Object {
            bucket: Arc::clone(&self.bucket),
            path: Path::parse(key).map_err(io::Error::other)?,
            etag: file.etag.clone(),
        })
    }

    /// The bytes of an object from an offset on. Must be called, and read, on a thread of the runtime that may block.
    pub(super) fn open(&self, file: &FileSplit, offset: u64) -> io::Result<Box<dyn Read + Send>> {
        Ok(Box::new(Pieces {
            object: self.object(file)?,
            runtime: Handle::current(),
            size: file.bytes,
            likely_end: file.end.unwrap_or(file.bytes),
            next: offset,
            coming: VecDeque::new(),
            piece: Bytes::new(),
        }))
    }

    /// Some ranges of an object, all at once.
    pub(super) async fn ranges(&self, file: &FileSplit, ranges: &[Range<u64>]) -> io::Result<Vec<Bytes>> {
        let object = self.object(file)?;
        let read = |range: Range<u64>| {
            let object = object.clone();
            async move { object.range(range).await }
        };
        // Ranges that lie close together come as one.
        let bytes = object_store::coalesce_ranges(ranges, read, object_store::OBJECT_STORE_COALESCE_DEFAULT);
        Ok(bytes.await?)
    }
}

fn is_hidden(object: &Path, root: &Path) -> bool {
    let is_hidden = |part: object_store::path::PathPart<'_>| part.as_ref().starts_with(['.', '_']);
    object
        .prefix_match(root)
        .is_some_and(|mut below| below.any(is_hidden))
}

/// An object with the content that it had when it was listed.
#[derive(Clone)]
struct Object {
    bucket: Arc<AmazonS3>,
    path: Path,
    etag: Option<String>,
}

impl Object {
    async fn range(&self, range: Range<u64>) -> object_store::Result<Bytes> {
        let options = GetOptions {
            range: Some(GetRange::Bounded(range)),
            if_match: self.etag.clone(),
            ..GetOptions::default()
        };
        self.bucket.get_opts(&self.path, options).await?.bytes().await
    }
}

/// An object's bytes in order; the next pieces are on their way while one is read.
struct Pieces {
    object: Object,
    runtime: Handle,
    size: u64,
    /// What is behind it is read no further than the last record goes.
    likely_end: u64,
    /// The offset that is asked for next.
    next: u64,
    coming: VecDeque<Coming>,
    piece: Bytes,
}

impl Pieces {
    fn ask_ahead(&mut self) {
        while self.coming.len() < PIECES_AHEAD && self.next < self.size {
            let end = if self.next < self.likely_end {
                (self.next + PIECE_BYTES).min(self.likely_end)
            } else if self.coming.is_empty() {
                self.next + TAIL_BYTES
            } else {
                return;
            };
            let range = self.next..end.min(self.size);
            self.next = range.end;
            let object = self.object.clone();
            let piece = self.runtime.spawn(async move { object.range(range).await });
            self.coming.push_back(Coming(piece));
        }
    }
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() {
            self.ask_ahead();
            let Some(piece) = self.coming.pop_front() else {
                return Ok(0);
            };
            self.piece = self.runtime.block_on(piece).map_err(io::Error::other)??;
            // While this one is decoded.
            self.ask_ahead();
        }
        let bytes = buffer.len().min(self.piece.len());
        self.piece.copy_to_slice(&mut buffer[..bytes]);
        Ok(bytes)
    }
}

/// A piece that is on its way, and not wanted any more when this is dropped.
struct Coming(JoinHandle<object_store::Result<Bytes>>);

impl Future for Coming {
    type Output = Result<object_store::Result<Bytes>, tokio::task::JoinError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(context)
    }
}

impl Drop for Coming {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(url: &str) -> Folder {
        Folder::new(url, Vec::new()).expect("a folder")
    }

    #[test]
    fn urls_come_back_as_they_were_written() {
        for url in ["s3://bucket", "s3a://bucket/a/b", "s3://bucket/k=a%2Fb c"] {
            assert_eq!(folder(url).url(""), url);
            assert_eq!(folder(url).url("x"), format!("{url}/x"));
        }
        assert!(!is_url(FilePath::new("/s3://")));
        let refused = |url| Folder::new(url, Vec::new()).expect_err("refused");
        assert_eq!(refused("s3:///x"), "names no bucket, as s3://bucket/folder does");
        assert!(refused("s3://bucket/a//b").contains("is no path in a bucket"));
    }

    #[test]
    fn hidden_names_below_the_folder_are_told_from_those_above() {
        let path = |text: &str| Path::parse(text).expect("a path");
        let root = path("a/_b");
        for (object, hidden) in [
            ("a/_b/c.json", false),
            ("a/_b/.c.json", true),
            ("a/_b/k=1/c.json", false),
            ("a/_b/.inprogress/k=1/c.json", true),
            ("a/_b/_SUCCESS", true),
        ] {
            assert_eq!(is_hidden(&path(object), &root), hidden, "{object}");
        }
    }
}
