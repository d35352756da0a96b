//! Brings the files that other subtasks left to this machine: from copies that are here already, else from the store.

use std::{
    fs::{self, File},
    ops::Range,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use futures::{FutureExt, StreamExt, TryStreamExt};
use weir_checkpoint::manifest::{CheckpointId, FilesFormat, StateFile};
use weir_model::Failure;

use super::{Restored, RestoredBytes, Shared, blocking, local::Scratch, persist::keep};
use crate::state::{
    codec::prefix,
    file::{FOOTER_BYTES, Index, Reader, index::Footer, reader::damaged},
    store::{Each, Rocks, Store},
    transfer,
};

/// Files of a subtask that are fetched at a time.
const DOWNLOADS: usize = 4;

/// Where files came from so far.
#[derive(Default)]
pub(super) struct Bytes {
    local: AtomicU64,
    downloaded: AtomicU64,
}

impl Bytes {
    pub(super) fn sum(&self) -> RestoredBytes {
        RestoredBytes {
            local: self.local.load(Ordering::Relaxed),
            downloaded: self.downloaded.load(Ordering::Relaxed),
        }
    }
}

/// What a subtask left, on its way to this machine.
#[derive(Clone, Copy)]
pub(super) struct Fetching<'a> {
    pub(super) shared: &'a Shared,
    pub(super) from: &'a Restored,
    pub(super) bytes: &'a Bytes,
}

impl Fetching<'_> {
    /// Its rows, of which these key groups are wanted. If it is gone on with, no others are there from then on.
    pub(super) async fn rows(
        &self,
        number: usize,
        key_groups: &Range<u32>,
        goes_on: bool,
    ) -> Result<Rows, Failure> {
        let (shared, files) = (self.shared, &self.from.state.files);
        match files.format {
            FilesFormat::Sorted => {
                let parts = (0..).zip(&files.files).map(|(part, file)| {
                    let to = shared.config.folder.join(format!("restored-{number}-{part}"));
                    self.sorted_part(file, key_groups, Scratch::new(to)).boxed()
                });
                let parts: Vec<_> = parts.collect();
                let parts = futures::stream::iter(parts).buffered(DOWNLOADS);
                parts.try_collect().await.map(Rows::Files)
            }
            FilesFormat::Rocksdb if files.files.is_empty() => Ok(Rows::Files(Vec::new())),
            FilesFormat::Rocksdb if goes_on => {
                let folder = shared.local.lock().folder().to_owned();
                self.database(&folder).await?;
                // Paths in another folder than that of the manifests to come cannot be referred to.
                if self.is_own() {
                    self.keep_all(&folder).await?;
                    shared.uploaded.lock().restored(&files.files);
                }
                let database = shared.local.lock().database()?;
                if *key_groups != self.from.state.key_groups {
                    let (database, kept) = (Arc::clone(&database), all_of(key_groups));
                    blocking(move || database.keep(&kept)).await?;
                }
                Ok(Rows::Database(database, None))
            }
            FilesFormat::Rocksdb => {
                let scratch = Scratch::new(shared.config.folder.join(format!("restored-{number}")));
                self.database(scratch.path()).await?;
                let database = shared.local.lock().reader(scratch.path())?;
                Ok(Rows::Database(Arc::new(database), Some(scratch)))
            }
        }
    }

    /// Whether its files are in the folder to which those of checkpoints go.
    fn is_own(&self) -> bool {
        self.from.folder.url == self.shared.config.files.url
    }

    /// Brings the files of a database here.
    async fn database(&self, folder: &Path) -> Result<(), Failure> {
        let failed = |e| {
            Failure::internal(format!(
                "cannot make the folder {} for state: {e}",
                folder.display()
            ))
        };
        fs::create_dir_all(folder).map_err(failed)?;
        let files = &self.from.state.files.files;
        let bring = |file: &'_ StateFile| {
            let (to, file) = (folder.join(&file.name), file.clone());
            async move { self.file(&file, &to).await }.boxed()
        };
        let brought: Vec<_> = files.iter().map(bring).collect();
        let brought = futures::stream::iter(brought).buffer_unordered(DOWNLOADS);
        brought.try_collect::<()>().await?;
        let list = files.iter().find(|file| file.is_list());
        let list = list.ok_or_else(|| {
            let prefix = self.from.folder.called("");
            Failure::external(format!(
                "a database of state in {prefix} has no list of its files"
            ))
        })?;
        fs::write(folder.join("CURRENT"), format!("{}\n", list.name)).map_err(failed)
    }

    /// Brings a file here: the copy that is here already, else that of the store.
    async fn file(&self, file: &StateFile, to: &Path) -> Result<(), Failure> {
        if self.copy(file, to).await? {
            return Ok(());
        }
        transfer::download(&self.from.folder, file, to, &*self.shared.config.clock).await?;
        self.bytes.downloaded.fetch_add(file.bytes, Ordering::Relaxed);
        Ok(())
    }

    /// Puts the copy of a file there. Whether there is one.
    async fn copy(&self, file: &StateFile, to: &Path) -> Result<bool, Failure> {
        let Some(copies) = self.shared.config.copies.clone().filter(|_| self.is_own()) else {
            return Ok(false);
        };
        let is_there = {
            let (file, to) = (file.clone(), to.to_owned());
            blocking(move || Ok(copies.take(&file, &to))).await?
        };
        if is_there {
            self.bytes.local.fetch_add(file.bytes, Ordering::Relaxed);
        } else {
            tracing::debug!(file = file.path, "a file of state is downloaded");
        }
        Ok(is_there)
    }

    /// Keeps the files of a database that is gone on with: the checkpoints to come refer to them.
    async fn keep_all(&self, folder: &Path) -> Result<(), Failure> {
        let files = &self.from.state.files.files;
        if let Some(copies) = &self.shared.config.copies {
            copies.begin(CheckpointId(0), files.iter().map(|file| file.path.as_str()));
        }
        for file in files {
            keep(self.shared, file, folder.join(&file.name)).await?;
        }
        Ok(())
    }

    /// Opens a file, or fetches the blocks of it in which these key groups are.
    async fn sorted_part(
        &self,
        file: &StateFile,
        key_groups: &Range<u32>,
        to: Scratch,
    ) -> Result<(Reader<File>, Scratch), Failure> {
        if self.copy(file, to.path()).await? {
            return Ok((Reader::open(to.path())?, to));
        }
        let (folder, clock) = (&self.from.folder, &*self.shared.config.clock);
        let called = folder.called(&file.path);
        let footer_at = file.bytes.saturating_sub(FOOTER_BYTES as u64);
        let footer = transfer::read(folder, file, footer_at..file.bytes, clock).await?;
        let footer = Footer::read(&footer, file.bytes).map_err(|e| damaged(&called, &e))?;
        let index = transfer::read(folder, file, footer.index.clone(), clock).await?;
        let index = Index::read(&index, &footer).map_err(|e| damaged(&called, &e))?;
        let part = index.bytes_of(&all_of(key_groups));
        let read = file.bytes - footer.index.start + part.end.saturating_sub(part.start);
        self.bytes.downloaded.fetch_add(read, Ordering::Relaxed);
        let made = if part.is_empty() {
            File::create_new(to.path())
        } else {
            transfer::download_part(folder, file, part.clone(), to.path(), clock).await?;
            File::open(to.path())
        };
        let made =
            made.map_err(|e| Failure::internal(format!("cannot open {}: {e}", to.path().display())))?;
        Ok((Reader::of_part(made, part.start, index, called), to))
    }
}

/// All keys of these key groups.
pub(super) fn all_of(key_groups: &Range<u32>) -> Range<Vec<u8>> {
    prefix(key_groups.start, 0, 0).to_vec()..prefix(key_groups.end, 0, 0).to_vec()
}

/// Where rows are read.
pub(super) enum Rows {
    /// In a database, whose files go with it if they are nobody else's.
    Database(
        Arc<Rocks>,
        #[expect(dead_code, reason = "removes the files")] Option<Scratch>,
    ),
    /// In files of sorted entries.
    Files(Vec<(Reader<File>, Scratch)>),
}

impl Rows {
    pub(super) fn scan(&mut self, ranges: &[Range<Vec<u8>>], each: &mut Each<'_>) -> Result<(), Failure> {
        match self {
            Self::Database(database, _) => database.scan(ranges, each),
            Self::Files(files) => files.iter_mut().try_for_each(|(file, _)| file.scan(ranges, each)),
        }
    }
}
