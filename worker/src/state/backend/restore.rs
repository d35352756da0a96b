//! Has in this subtask's database what other subtasks left, and reads what operators want to have at once.
//!
//! A database of before that has the same operators is gone on with: its files are linked or downloaded, and key groups that are others'
//! are deleted in it. Entries of other databases, and those in files of sorted entries, are copied into it as they are.

use std::{collections::HashMap, ops::Range, sync::Arc};

use arrow_array::RecordBatch;
use tokio::sync::mpsc;
use weir_checkpoint::manifest::{FilesFormat, SubtaskState};
use weir_model::Failure;

use super::{
    BackendConfig, Kind, Restored, RestoredBytes, Shared, blocking, closed,
    fetch::{Bytes, Fetching, Rows, all_of},
    reshape::Reshape,
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
/// A database is gone on with if one in so many of its key groups is wanted, at least: the others take room until it is compacted.
const WANTED_PART: usize = 4;

type Sink<'a> = dyn FnMut(usize, usize, RecordBatch) -> Result<(), Failure> + Send + 'a;

/// Rows of a table of an operator, by their positions.
type Read = (usize, usize, RecordBatch);

pub(super) async fn restore(
    shared: &Arc<Shared>,
    from: &[Restored],
    leaves: &[bool],
    sink: &mut Sink<'_>,
) -> Result<RestoredBytes, Failure> {
    let (mut lefts, bytes) = (Vec::new(), Bytes::default());
    let base = base(&shared.config, from)?;
    for (number, restored) in from.iter().enumerate() {
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
        let goes_on = base == Some(number);
        let rows = fetching.rows(number, &key_groups, goes_on).await?;
        lefts.push(Left {
            tables,
            key_groups,
            rows,
            goes_on,
        });
    }
    let is_small = bytes_of(&shared.config, from) <= shared.config.memory.small_state_bytes();
    let stays = |operator: usize| !is_small && leaves.get(operator).copied().unwrap_or(false);
    let left: Vec<bool> = (0..shared.codecs.len()).map(stays).collect();
    // Restored once, as is asked for.
    let _ = shared.left.set(left);
    let (out, mut read) = mpsc::channel(WAITING);
    let reading = {
        let shared = Arc::clone(shared);
        blocking(move || match shared.config.kind {
            Kind::Memory => read_all(&shared, lefts, &out),
            Kind::Rocksdb => {
                lefts.iter_mut().try_for_each(|left| copy(&shared, left))?;
                read_all(&shared, own(&shared), &out)
            }
        })
    };
    while let Some((operator, table, rows)) = read.recv().await {
        sink(operator, table, rows)?;
    }
    reading.await?;
    Ok(bytes.sum())
}

/// What is left of tables, by operator and table; none: it is new.
type Tables = Vec<Vec<Option<OldTable>>>;

/// A table that another subtask left.
struct OldTable {
    /// The positions of its operator and of itself.
    at: (u16, u8),
    /// What makes its rows those of the new table; none: they are.
    changed: Option<Reshape>,
}

/// What a subtask left for this one.
struct Left {
    tables: Tables,
    /// Those of its key groups that are wanted.
    key_groups: Range<u32>,
    rows: Rows,
    /// Its database is that of this subtask now.
    goes_on: bool,
}

/// Which of them left the database to go on with; none: none did.
fn base(config: &BackendConfig, from: &[Restored]) -> Result<Option<usize>, Failure> {
    let mut best = None;
    for (number, Restored { state, .. }) in from.iter().enumerate() {
        let wanted = shared_groups(&config.key_groups, &state.key_groups).len();
        let is_base = config.kind == Kind::Rocksdb
            && wanted > 0
            && wanted * WANTED_PART >= state.key_groups.len()
            && !state.files.files.is_empty()
            && is_same(config, state)?;
        if is_base && best.is_none_or(|(most, _)| wanted > most) {
            best = Some((wanted, number));
        }
    }
    Ok(best.map(|(_, number)| number))
}

/// What is left for a subtask, in bytes of its files, about.
fn bytes_of(config: &BackendConfig, from: &[Restored]) -> u64 {
    let bytes = |Restored { state, .. }: &Restored| {
        let all: u64 = state.files.files.iter().map(|file| file.bytes).sum();
        let wanted = shared_groups(&config.key_groups, &state.key_groups).len() as u64;
        all * wanted / (state.key_groups.len() as u64).max(1)
    };
    from.iter().map(bytes).sum()
}

/// Whether a subtask left a database of the same operators at the same places.
fn is_same(config: &BackendConfig, state: &SubtaskState) -> Result<bool, Failure> {
    let uids = state.operators.iter().map(|operator| &operator.uid);
    if state.files.format != FilesFormat::Rocksdb
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
        let mut tables: Vec<_> = new.tables.iter().map(|_| None).collect();
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
                let changed = Reshape::new(shape, &new.tables[table], &new.name)?;
                tables[table] = Some(OldTable {
                    at: (operator, number),
                    changed,
                });
            }
        }
        found.push(tables);
    }
    Ok(found)
}

fn shared_groups(one: &Range<u32>, other: &Range<u32>) -> Range<u32> {
    one.start.max(other.start)..one.end.min(other.end)
}

/// Copies entries into the database, under the keys that they have from now on.
fn copy(shared: &Shared, left: &mut Left) -> Result<(), Failure> {
    if left.goes_on {
        return Ok(());
    }
    let mut places = HashMap::new();
    for (operator, tables) in (0_u16..).zip(&left.tables) {
        let known = (0_u8..).zip(tables);
        let known = known.filter_map(|(table, old)| old.as_ref().map(|old| (table, old)));
        places.extend(known.map(|(table, old)| (old.at, (operator, table, old.changed.as_ref()))));
    }
    let (mut rows, mut to) = (Batch::default(), Vec::new());
    let mut changing: HashMap<(u16, u8), Changing<'_>> = HashMap::new();
    left.rows.scan(&[all_of(&left.key_groups)], &mut |key, value| {
        let (group, operator, table) =
            place(key).ok_or_else(|| Failure::external("a key of state is too short to be one"))?;
        let Some(&(operator, table, changed)) = places.get(&(operator, table)) else {
            return Ok(());
        };
        if let Some(changed) = changed {
            let codec = &shared.codecs[usize::from(operator)][usize::from(table)];
            let changing = changing
                .entry((operator, table))
                .or_insert_with(|| Changing::new(changed, codec));
            changing.old.put(key, value);
            if changing.old.len() >= ROWS || changing.old.bytes() >= ROWS_BYTES {
                changing.take(&mut rows)?;
            }
        } else {
            to.clear();
            to.extend_from_slice(&prefix(group, operator, table));
            to.extend_from_slice(&key[PREFIX_BYTES..]);
            rows.put(&to, value);
        }
        if rows.bytes() < WRITTEN_BYTES {
            return Ok(());
        }
        shared.local.lock().write(std::mem::take(&mut rows))
    })?;
    for changing in changing.values_mut() {
        changing.take(&mut rows)?;
    }
    shared.local.lock().write(rows)
}

/// Entries of a table that was another one.
struct Changing<'a> {
    changed: &'a Reshape,
    codec: &'a Codec,
    old: Batch,
}

impl<'a> Changing<'a> {
    fn new(changed: &'a Reshape, codec: &'a Codec) -> Self {
        Self {
            changed,
            codec,
            old: Batch::default(),
        }
    }

    /// Makes them entries of the table.
    fn take(&mut self, into: &mut Batch) -> Result<(), Failure> {
        if self.old.is_empty() {
            return Ok(());
        }
        let old = self
            .old
            .iter()
            .map(|(key, value)| (key, value.unwrap_or_default()));
        let rows = self.changed.rows(old, self.codec.table())?;
        self.codec.encode(&rows, |key, value| into.put(key, value))?;
        self.old.clear();
        Ok(())
    }
}

/// What is in the database of operators whose rows cannot stay there alone.
fn own(shared: &Shared) -> Vec<Left> {
    let Some(database) = shared.local.lock().opened() else {
        return Vec::new();
    };
    let stays = |operator: u16| {
        let left = shared.left.get();
        left.is_some_and(|left| left[usize::from(operator)])
    };
    let tables = |(operator, codecs): (u16, &Vec<Codec>)| {
        let table = |(table, _)| {
            let own = OldTable {
                at: (operator, table),
                changed: None,
            };
            (!stays(operator)).then_some(own)
        };
        (0_u8..).zip(codecs).map(table).collect()
    };
    vec![Left {
        tables: (0_u16..).zip(&shared.codecs).map(tables).collect(),
        key_groups: shared.config.key_groups.clone(),
        rows: Rows::Database(database, None),
        goes_on: true,
    }]
}

/// Reads table by table.
fn read_all(shared: &Shared, mut lefts: Vec<Left>, out: &mpsc::Sender<Read>) -> Result<(), Failure> {
    lefts.sort_by_key(|left| left.key_groups.start);
    for (operator, codecs) in shared.codecs.iter().enumerate() {
        for (table, codec) in codecs.iter().enumerate() {
            let mut gathered = Gathered {
                codec,
                at: (operator, table),
                rows: Batch::default(),
                changed: None,
                out,
            };
            for Left {
                tables,
                key_groups,
                rows,
                ..
            } in &mut lefts
            {
                let Some(old) = &tables[operator][table] else {
                    continue;
                };
                gathered.changed = old.changed.as_ref();
                let ranges = ranges(key_groups, old.at);
                rows.scan(&ranges, &mut |key, value| {
                    gathered.rows.put(key, value);
                    gathered.give(ROWS, ROWS_BYTES)
                })?;
                gathered.give(1, 0)?;
            }
        }
    }
    Ok(())
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
    /// What they are before they are rows of the table, if they are not yet.
    changed: Option<&'a Reshape>,
    out: &'a mpsc::Sender<Read>,
}

impl Gathered<'_> {
    /// Hands the rows on, if there are so many or if they are so large.
    fn give(&mut self, rows: usize, bytes: usize) -> Result<(), Failure> {
        if self.rows.len() < rows && (self.rows.bytes() < bytes || self.rows.is_empty()) {
            return Ok(());
        }
        let entries = self
            .rows
            .iter()
            .map(|(key, value)| (key, value.unwrap_or_default()));
        let (operator, table) = self.at;
        let decoded = match self.changed {
            None => self.codec.decode(entries)?,
            Some(changed) => changed.rows(entries, self.codec.table())?,
        };
        self.out
            .blocking_send((operator, table, decoded))
            .map_err(|_| closed())?;
        self.rows.clear();
        Ok(())
    }
}
