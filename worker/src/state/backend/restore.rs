//! Reads the rows that other subtasks left.

use std::{
    fs::{self, File},
    ops::Range,
    path::Path,
    sync::Arc,
};

use arrow_array::RecordBatch;
use futures::{FutureExt, StreamExt, TryStreamExt};
use tokio::sync::mpsc;
use weir_checkpoint::manifest::{FilesFormat, StateFile, SubtaskState};
use weir_model::Failure;

use super::{BackendConfig, Kind, Restored, Shared, blocking, closed, local::Scratch};
use crate::state::{
    codec::{Codec, PREFIX_BYTES, place, prefix},
    file::{FOOTER_BYTES, Index, Reader, index::Footer, reader::damaged},
    shape,
    store::{Batch, Each, Rocks, Store},
    transfer,
};

/// Files of a subtask that are fetched at a time.
const DOWNLOADS: usize = 4;
/// Rows that an operator gets at once, and their bytes, about.
const ROWS: usize = 8192;
const ROWS_BYTES: usize = 1 << 20;
/// What gathers before it is written to the database.
const WRITTEN_BYTES: usize = 32 << 20;
/// Batches that wait for the operators.
const WAITING: usize = 4;

type Sink<'a> = dyn FnMut(usize, usize, RecordBatch) -> Result<(), Failure> + Send + 'a;

/// Rows of a table of an operator, by their positions.
type Read = (usize, usize, RecordBatch);

pub(super) async fn restore(
    shared: &Arc<Shared>,
    from: &[Restored],
    sink: &mut Sink<'_>,
) -> Result<(), Failure> {
    let mut lefts = Vec::new();
    let is_database = shared.config.kind == Kind::Rocksdb;
    let takes_over = is_database && from.len() == 1 && is_same(&shared.config, &from[0].state)?;
    for (number, restored) in (0..).zip(from) {
        let tables = matched(&shared.config, &restored.state)?;
        let key_groups = shared_groups(&shared.config.key_groups, &restored.state.key_groups);
        if key_groups.is_empty() || tables.iter().flatten().all(Option::is_none) {
            continue;
        }
        let rows = fetch(shared, restored, number, &key_groups, takes_over).await?;
        lefts.push(Left {
            tables,
            key_groups,
            rows,
        });
    }
    let (out, mut read) = mpsc::channel(WAITING);
    let reading = {
        let (shared, keeps) = (Arc::clone(shared), is_database && !takes_over);
        blocking(move || read_all(&shared, lefts, keeps, &out))
    };
    while let Some((operator, table, rows)) = read.recv().await {
        sink(operator, table, rows)?;
    }
    reading.await
}

/// The old positions of operators and tables, by their new ones; none: it is new.
type Tables = Vec<Vec<Option<(u16, u8)>>>;

/// What a subtask left for this one.
struct Left {
    tables: Tables,
    /// Those of its key groups that are wanted.
    key_groups: Range<u32>,
    rows: Rows,
}

/// Where rows are read.
enum Rows {
    /// In a database, whose files go with it if they are nobody else's.
    Database(
        Arc<Rocks>,
        #[expect(dead_code, reason = "removes the files")] Option<Scratch>,
    ),
    /// In files of sorted entries.
    Files(Vec<(Reader<File>, Scratch)>),
}

impl Rows {
    fn scan(&mut self, ranges: &[Range<Vec<u8>>], each: &mut Each<'_>) -> Result<(), Failure> {
        match self {
            Self::Database(database, _) => database.scan(ranges, each),
            Self::Files(files) => files.iter_mut().try_for_each(|(file, _)| file.scan(ranges, each)),
        }
    }
}

/// Whether a subtask left a database that can be gone on with as it is.
fn is_same(config: &BackendConfig, state: &SubtaskState) -> Result<bool, Failure> {
    let uids = state.operators.iter().map(|operator| &operator.uid);
    if state.files.format != FilesFormat::Rocksdb
        || state.key_groups != config.key_groups
        || !uids.eq(config.operators.iter().map(|operator| &operator.uid))
    {
        return Ok(false);
    }
    for (old, new) in state.operators.iter().zip(&config.operators) {
        let shapes: Vec<_> = new.tables.iter().map(shape::of).collect::<Result<_, _>>()?;
        if old.tables != shapes {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Finds operators by uid and tables by name, and refuses tables that have changed.
fn matched(config: &BackendConfig, state: &SubtaskState) -> Result<Tables, Failure> {
    let mut found = Vec::new();
    for new in &config.operators {
        let mut tables = vec![None; new.tables.len()];
        let old = (0..).zip(&state.operators).find(|(_, old)| old.uid == new.uid);
        if let Some((operator, old)) = old {
            for (number, shape) in (0..).zip(&old.tables) {
                let table = new.tables.iter().position(|table| table.name == shape.name);
                let table = table.ok_or_else(|| {
                    Failure::user(format!(
                        "the state of {} cannot be used: it has a table '{}', which this query does not keep",
                        new.name, shape.name
                    ))
                })?;
                shape::check(shape, &new.tables[table], &new.name)?;
                tables[table] = Some((operator, number));
            }
        }
        found.push(tables);
    }
    Ok(found)
}

fn shared_groups(one: &Range<u32>, other: &Range<u32>) -> Range<u32> {
    one.start.max(other.start)..one.end.min(other.end)
}

async fn fetch(
    shared: &Shared,
    from: &Restored,
    number: usize,
    key_groups: &Range<u32>,
    takes_over: bool,
) -> Result<Rows, Failure> {
    let files = &from.state.files;
    match files.format {
        FilesFormat::Sorted => {
            let parts = (0..).zip(&files.files).map(|(part, file)| {
                let to = shared.config.folder.join(format!("restored-{number}-{part}"));
                sorted_part(shared, from, file, key_groups, Scratch::new(to)).boxed()
            });
            let parts: Vec<_> = parts.collect();
            let parts = futures::stream::iter(parts).buffered(DOWNLOADS);
            parts.try_collect().await.map(Rows::Files)
        }
        FilesFormat::Rocksdb if files.files.is_empty() => Ok(Rows::Files(Vec::new())),
        FilesFormat::Rocksdb if takes_over => {
            let folder = shared.local.lock().folder().to_owned();
            database(shared, from, &folder).await?;
            let database = shared.local.lock().database()?;
            // Paths in another folder than that of the manifests to come cannot be referred to.
            if from.folder.url == shared.config.files.url {
                shared.uploaded.lock().restored(&files.files);
            }
            Ok(Rows::Database(database, None))
        }
        FilesFormat::Rocksdb => {
            let scratch = Scratch::new(shared.config.folder.join(format!("restored-{number}")));
            database(shared, from, scratch.path()).await?;
            let database = shared.local.lock().reader(scratch.path())?;
            Ok(Rows::Database(Arc::new(database), Some(scratch)))
        }
    }
}

/// Fetches the files of a database.
async fn database(shared: &Shared, from: &Restored, folder: &Path) -> Result<(), Failure> {
    let failed = |e| {
        Failure::internal(format!(
            "cannot make the folder {} for state: {e}",
            folder.display()
        ))
    };
    fs::create_dir_all(folder).map_err(failed)?;
    let (store, clock) = (&from.folder, &*shared.config.clock);
    let files = &from.state.files.files;
    let download = |file: &'_ StateFile| {
        let to = folder.join(&file.name);
        let file = file.clone();
        async move { transfer::download(store, &file, &to, clock).await }.boxed()
    };
    let downloads: Vec<_> = files.iter().map(download).collect();
    let downloads = futures::stream::iter(downloads).buffer_unordered(DOWNLOADS);
    downloads.try_collect::<()>().await?;
    let list = files.iter().find(|file| file.name.starts_with("MANIFEST-"));
    let list = list.ok_or_else(|| {
        let prefix = from.folder.called("");
        Failure::external(format!(
            "a database of state in {prefix} has no list of its files"
        ))
    })?;
    fs::write(folder.join("CURRENT"), format!("{}\n", list.name)).map_err(failed)
}

/// Fetches the blocks of a file in which these key groups are.
async fn sorted_part(
    shared: &Shared,
    from: &Restored,
    file: &StateFile,
    key_groups: &Range<u32>,
    to: Scratch,
) -> Result<(Reader<File>, Scratch), Failure> {
    let (folder, clock) = (&from.folder, &*shared.config.clock);
    let called = folder.called(&file.path);
    let footer_at = file.bytes.saturating_sub(FOOTER_BYTES as u64);
    let footer = transfer::read(folder, file, footer_at..file.bytes, clock).await?;
    let footer = Footer::read(&footer, file.bytes).map_err(|e| damaged(&called, &e))?;
    let index = transfer::read(folder, file, footer.index.clone(), clock).await?;
    let index = Index::read(&index, &footer).map_err(|e| damaged(&called, &e))?;
    let part =
        index.bytes_of(&(prefix(key_groups.start, 0, 0).to_vec()..prefix(key_groups.end, 0, 0).to_vec()));
    let made = if part.is_empty() {
        File::create_new(to.path())
    } else {
        transfer::download_part(folder, file, part.clone(), to.path(), clock).await?;
        File::open(to.path())
    };
    let made = made.map_err(|e| Failure::internal(format!("cannot open {}: {e}", to.path().display())))?;
    Ok((Reader::of_part(made, part.start, index, called), to))
}

/// Reads table by table. `keeps` says whether the rows are to be written to the database.
fn read_all(
    shared: &Shared,
    mut lefts: Vec<Left>,
    keeps: bool,
    out: &mpsc::Sender<Read>,
) -> Result<(), Failure> {
    lefts.sort_by_key(|left| left.key_groups.start);
    let mut kept = Kept {
        shared,
        keeps,
        rows: Batch::default(),
    };
    for (operator, codecs) in shared.codecs.iter().enumerate() {
        for (table, codec) in codecs.iter().enumerate() {
            let mut gathered = Gathered {
                codec,
                at: (operator, table),
                rows: Batch::default(),
                key: Vec::new(),
                out,
            };
            for left in &mut lefts {
                let Some(old) = left.tables[operator][table] else {
                    continue;
                };
                let ranges = ranges(&left.key_groups, old);
                left.rows.scan(&ranges, &mut |key, value| {
                    gathered.add(key, value)?;
                    gathered.give(ROWS, ROWS_BYTES, &mut kept)
                })?;
                gathered.give(1, 0, &mut kept)?;
            }
        }
    }
    kept.write()
}

/// The keys of a table, by its old positions, in each key group.
fn ranges(key_groups: &Range<u32>, (operator, table): (u16, u8)) -> Vec<Range<Vec<u8>>> {
    let of_group = |group| {
        let start = prefix(group, operator, table);
        // The next prefix, whatever it is of. There is one: key groups do not go so far.
        let mut number = [0; 8];
        number[8 - PREFIX_BYTES..].copy_from_slice(&start);
        let end = (u64::from_be_bytes(number) + 1).to_be_bytes();
        start.to_vec()..end[8 - PREFIX_BYTES..].to_vec()
    };
    key_groups.clone().map(of_group).collect()
}

/// Rows of a table on their way to its operator.
struct Gathered<'a> {
    codec: &'a Codec,
    at: (usize, usize),
    rows: Batch,
    key: Vec<u8>,
    out: &'a mpsc::Sender<Read>,
}

impl Gathered<'_> {
    /// Adds an entry, under the key that it has from now on.
    fn add(&mut self, key: &[u8], value: &[u8]) -> Result<(), Failure> {
        let (operator, table) = self.at;
        let (group, _, _) =
            place(key).ok_or_else(|| Failure::external("a key of state is too short to be one"))?;
        self.key.clear();
        self.key
            .extend_from_slice(&prefix(group, operator as u16, table as u8));
        self.key.extend_from_slice(&key[PREFIX_BYTES..]);
        self.rows.put(&self.key, value);
        Ok(())
    }

    /// Hands the rows on, if there are so many or if they are so large.
    fn give(&mut self, rows: usize, bytes: usize, kept: &mut Kept<'_>) -> Result<(), Failure> {
        if self.rows.len() < rows && (self.rows.bytes() < bytes || self.rows.is_empty()) {
            return Ok(());
        }
        let entries = self
            .rows
            .iter()
            .map(|(key, value)| (key, value.unwrap_or_default()));
        let (operator, table) = self.at;
        let read = (operator, table, self.codec.decode(entries)?);
        self.out.blocking_send(read).map_err(|_| closed())?;
        kept.add(&self.rows)?;
        self.rows.clear();
        Ok(())
    }
}

/// Rows on their way to the database.
struct Kept<'a> {
    shared: &'a Shared,
    keeps: bool,
    rows: Batch,
}

impl Kept<'_> {
    fn add(&mut self, rows: &Batch) -> Result<(), Failure> {
        if self.keeps {
            self.rows.append(rows);
        }
        if self.rows.bytes() < WRITTEN_BYTES {
            return Ok(());
        }
        self.write()
    }

    fn write(&mut self) -> Result<(), Failure> {
        self.shared.local.lock().write(std::mem::take(&mut self.rows))
    }
}
