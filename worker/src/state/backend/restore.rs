//! Reads the rows that other subtasks left.

use std::{ops::Range, sync::Arc};

use arrow_array::RecordBatch;
use tokio::sync::mpsc;
use weir_checkpoint::manifest::{FilesFormat, SubtaskState};
use weir_model::Failure;

use super::{
    BackendConfig, Kind, Restored, RestoredBytes, Shared, blocking, closed,
    fetch::{Bytes, Fetching, Rows},
};
use crate::state::{
    codec::{Codec, PREFIX_BYTES, place, prefix},
    shape,
    store::Batch,
};

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
) -> Result<RestoredBytes, Failure> {
    let (mut lefts, bytes) = (Vec::new(), Bytes::default());
    let is_database = shared.config.kind == Kind::Rocksdb;
    let takes_over = is_database && from.len() == 1 && is_same(&shared.config, &from[0].state)?;
    for (number, restored) in (0..).zip(from) {
        let tables = matched(&shared.config, &restored.state)?;
        let key_groups = shared_groups(&shared.config.key_groups, &restored.state.key_groups);
        if key_groups.is_empty() || tables.iter().flatten().all(Option::is_none) {
            continue;
        }
        let fetching = Fetching {
            shared,
            from: restored,
            bytes: &bytes,
        };
        let rows = fetching.rows(number, &key_groups, takes_over).await?;
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
    reading.await?;
    Ok(bytes.sum())
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
