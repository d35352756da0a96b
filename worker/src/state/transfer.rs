//! Files of state between this machine and the object store.
//!
//! Each is written once, under a name that nothing had before, with a checksum of all of it that is looked at whenever it is read.

use std::{
    fmt,
    io::{self, Read, Seek, SeekFrom, Write},
    ops::Range,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use crc32fast::Hasher;
use futures::StreamExt;
use object_store::{
    Error, GetOptions, GetResult, GetResultPayload, ObjectStore, ObjectStoreExt, PutMode, WriteMultipart,
    path,
};
use tokio::{
    fs::File,
    io::{AsyncReadExt, AsyncWriteExt},
    task::spawn_blocking,
};
use weir_checkpoint::manifest::StateFile;
use weir_env::Clock;
use weir_model::Failure;

use super::file::reader::damaged;

/// What is sent at once; a larger file goes in parts.
const PART_BYTES: usize = 8 << 20;
/// Parts of a file that are on their way at a time.
const PARTS: usize = 4;
/// How often something is tried that fails for reasons that may pass, with pauses that add up to half a minute.
const ATTEMPTS: u32 = 9;
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(8);

/// A folder in an object store, and where in it a subtask's files go.
#[derive(Clone)]
pub struct StateFolder {
    /// The store.
    pub store: Arc<dyn ObjectStore>,
    /// The folder in it to which the paths in a manifest are relative.
    pub root: path::Path,
    /// What that folder is called: two are the same if they are called the same.
    pub url: String,
    /// Where files are made, relative to the folder. Nothing else makes files there, ever: it is of one subtask of one deployment,
    /// or of one savepoint.
    pub prefix: String,
}

impl StateFolder {
    /// Where a file is in the store.
    fn at(&self, relative: &str) -> path::Path {
        let parts = relative.split('/').filter(|part| !part.is_empty());
        parts.fold(self.root.clone(), path::Path::join)
    }

    /// The path of a new file, as a manifest says it.
    pub(super) fn path(&self, name: &str) -> String {
        match self.prefix.trim_matches('/') {
            "" => name.to_owned(),
            prefix => format!("{prefix}/{name}"),
        }
    }

    /// What a file is called in messages.
    pub(super) fn called(&self, relative: &str) -> String {
        format!("{}/{relative}", self.url.trim_end_matches('/'))
    }
}

impl fmt::Debug for StateFolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StateFolder({} in {})", self.prefix, self.url)
    }
}

/// Why something did not work.
enum Trouble {
    Store(Error),
    Disk(io::Error),
    /// The file is not the one that was written.
    Damage(String),
}

impl Trouble {
    fn may_pass(&self) -> bool {
        match self {
            Self::Store(error) => !matches!(
                error,
                Error::NotFound { .. }
                    | Error::AlreadyExists { .. }
                    | Error::InvalidPath { .. }
                    | Error::NotSupported { .. }
                    | Error::NotImplemented { .. }
                    | Error::PermissionDenied { .. }
                    | Error::Unauthenticated { .. }
                    | Error::UnknownConfigurationKey { .. }
            ),
            Self::Disk(_) | Self::Damage(_) => false,
        }
    }

    fn failure(self, what: &str, name: &str) -> Failure {
        match self {
            Self::Store(error) => Failure::external(format!("cannot {what} the state file {name}: {error}")),
            Self::Disk(error) => Failure::internal(format!(
                "cannot {what} the state file {name}, on this machine's disk: {error}"
            )),
            Self::Damage(error) => damaged(name, &error),
        }
    }
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Self::Store(error)
    }
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Self::Disk(error)
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Store(error) => error.fmt(f),
            Self::Disk(error) => error.fmt(f),
            Self::Damage(error) => error.fmt(f),
        }
    }
}

/// How long a file is, and its checksum.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Sum {
    bytes: u64,
    crc32: u32,
}

/// Sends a file of this machine to a new path of a folder. `name` is what it is called where it is used.
pub(super) async fn upload(
    local: &Path,
    folder: &StateFolder,
    path: String,
    name: String,
    clock: &dyn Clock,
) -> Result<StateFile, Failure> {
    let (at, called) = (folder.at(&path), folder.called(&path));
    let (store, at) = (&*folder.store, &at);
    let sent = retried(clock, &called, |tried| async move {
        match send(local, store, at).await {
            // An attempt that seemed to fail got through.
            Err(Trouble::Store(Error::AlreadyExists { .. })) if tried > 0 => arrived(local, store, at).await,
            sent => sent,
        }
    });
    let Sum { bytes, crc32 } = sent.await.map_err(|e| e.failure("write", &called))?;
    Ok(StateFile {
        name,
        path,
        bytes,
        crc32,
    })
}

/// Fetches a file of a folder to a new file on this machine, and checks that it is the one that was written.
pub(super) async fn download(
    folder: &StateFolder,
    file: &StateFile,
    to: &Path,
    clock: &dyn Clock,
) -> Result<(), Failure> {
    let (at, called) = (folder.at(&file.path), folder.called(&file.path));
    let (store, at) = (&*folder.store, &at);
    let fetched = retried(clock, &called, |_| async move {
        let got = fetch(store, at, None, to).await?;
        lengths(got.bytes, file.bytes)?;
        if got.crc32 != file.crc32 {
            return Err(Trouble::Damage("its checksum is wrong".to_owned()));
        }
        Ok(())
    });
    fetched.await.map_err(|e| e.failure("read", &called))
}

/// Fetches a part of a file to a new file on this machine. Its blocks have checksums of their own.
pub(super) async fn download_part(
    folder: &StateFolder,
    file: &StateFile,
    part: Range<u64>,
    to: &Path,
    clock: &dyn Clock,
) -> Result<(), Failure> {
    let (at, called) = (folder.at(&file.path), folder.called(&file.path));
    let (store, at, part) = (&*folder.store, &at, &part);
    let fetched = retried(clock, &called, |_| async move {
        let got = fetch(store, at, Some(part.clone()), to).await?;
        lengths(got.bytes, part.end - part.start)
    });
    fetched.await.map_err(|e| e.failure("read", &called))
}

/// A few bytes of a file, which is as long as it should be.
pub(super) async fn read(
    folder: &StateFolder,
    file: &StateFile,
    part: Range<u64>,
    clock: &dyn Clock,
) -> Result<Bytes, Failure> {
    let (at, called) = (folder.at(&file.path), folder.called(&file.path));
    let (store, at, part) = (&*folder.store, &at, &part);
    let read = retried(clock, &called, |_| async move {
        lengths(store.head(at).await?.size, file.bytes)?;
        // A range of nothing is none that a store knows.
        if part.is_empty() {
            return Ok(Bytes::new());
        }
        Ok(store.get_range(at, part.clone()).await?)
    });
    read.await.map_err(|e| e.failure("read", &called))
}

fn lengths(is: u64, expected: u64) -> Result<(), Trouble> {
    if is == expected {
        return Ok(());
    }
    Err(Trouble::Damage(format!("it has {is} bytes of {expected}")))
}

/// Tries something again as long as that may help. It is told how often it was tried before.
async fn retried<T, F: Future<Output = Result<T, Trouble>>>(
    clock: &dyn Clock,
    name: &str,
    mut attempt: impl FnMut(u32) -> F,
) -> Result<T, Trouble> {
    let mut pause = FIRST_PAUSE;
    for tried in 0..ATTEMPTS - 1 {
        match attempt(tried).await {
            Err(error) if error.may_pass() => {
                tracing::warn!(%error, file = name, "a state file could not be moved, which is tried again");
            }
            result => return result,
        }
        clock.sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
    attempt(ATTEMPTS - 1).await
}

async fn send(local: &Path, store: &dyn ObjectStore, at: &path::Path) -> Result<Sum, Trouble> {
    let mut file = File::open(local).await?;
    if file.metadata().await?.len() <= PART_BYTES as u64 {
        let part = next_part(&mut file).await?;
        let sum = Sum {
            bytes: part.len() as u64,
            crc32: crc32fast::hash(&part),
        };
        store.put_opts(at, part.into(), PutMode::Create.into()).await?;
        return Ok(sum);
    }
    // Parts cannot be told to make no file that is there; its name is new.
    let mut parts = WriteMultipart::new_with_chunk_size(store.put_multipart(at).await?, PART_BYTES);
    match send_parts(&mut file, &mut parts).await {
        Ok(sum) => {
            parts.finish().await?;
            Ok(sum)
        }
        Err(error) => {
            // The parts that arrived cost room until they are gone; that they stay is not why it failed.
            let _ = parts.abort().await;
            Err(error)
        }
    }
}

async fn send_parts(file: &mut File, parts: &mut WriteMultipart) -> Result<Sum, Trouble> {
    let (mut bytes, mut hasher) = (0, Hasher::new());
    loop {
        let part = next_part(file).await?;
        if part.is_empty() {
            let crc32 = hasher.finalize();
            return Ok(Sum { bytes, crc32 });
        }
        bytes += part.len() as u64;
        hasher.update(&part);
        parts.wait_for_capacity(PARTS).await?;
        parts.put(part);
    }
}

async fn next_part(file: &mut File) -> io::Result<Bytes> {
    let mut part = Vec::new();
    file.take(PART_BYTES as u64).read_to_end(&mut part).await?;
    Ok(part.into())
}

/// Says what was sent, where it is there already.
async fn arrived(local: &Path, store: &dyn ObjectStore, at: &path::Path) -> Result<Sum, Trouble> {
    let mut file = File::open(local).await?;
    let (mut bytes, mut hasher) = (0, Hasher::new());
    loop {
        let part = next_part(&mut file).await?;
        if part.is_empty() {
            break;
        }
        bytes += part.len() as u64;
        hasher.update(&part);
    }
    lengths(store.head(at).await?.size, bytes)?;
    let crc32 = hasher.finalize();
    Ok(Sum { bytes, crc32 })
}

async fn fetch(
    store: &dyn ObjectStore,
    at: &path::Path,
    part: Option<Range<u64>>,
    to: &Path,
) -> Result<Sum, Trouble> {
    let options = GetOptions::new().with_range(part);
    let GetResult { payload, range, .. } = store.get_opts(at, options).await?;
    match payload {
        // The store is a folder: no need to go through small pieces.
        GetResultPayload::File(file, _) => {
            let to = to.to_owned();
            let copied = spawn_blocking(move || copy(file, range, &to)).await;
            Ok(copied.map_err(io::Error::other)??)
        }
        GetResultPayload::Stream(mut stream) => {
            let (mut bytes, mut hasher) = (0, Hasher::new());
            let mut file = File::create(to).await?;
            while let Some(part) = stream.next().await.transpose()? {
                bytes += part.len() as u64;
                hasher.update(&part);
                file.write_all(&part).await?;
            }
            file.flush().await?;
            let crc32 = hasher.finalize();
            Ok(Sum { bytes, crc32 })
        }
    }
}

fn copy(mut file: std::fs::File, part: Range<u64>, to: &PathBuf) -> io::Result<Sum> {
    let mut to = std::fs::File::create(to)?;
    let (mut bytes, mut hasher) = (0, Hasher::new());
    let mut buffer = vec![0; 1 << 20];
    file.seek(SeekFrom::Start(part.start))?;
    let mut file = file.take(part.end - part.start);
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            let crc32 = hasher.finalize();
            return Ok(Sum { bytes, crc32 });
        }
        bytes += read as u64;
        hasher.update(&buffer[..read]);
        to.write_all(&buffer[..read])?;
    }
}
