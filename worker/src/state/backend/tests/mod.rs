//! The state backend: what is written down is found again.

mod copies;
mod faults;
mod history;
mod lazily;
mod reshaped;
mod sharing;
pub(crate) mod spilled;

use std::{
    collections::BTreeMap,
    ops::Range,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use arrow_array::{Array, ArrayRef, Int64Array, RecordBatch, StringArray, cast::AsArray, types::Int64Type};
use arrow_schema::DataType;
use async_trait::async_trait;
use object_store::{ObjectStore, local::LocalFileSystem};
use tempfile::TempDir;
use weir_checkpoint::{
    key_group,
    manifest::{CheckpointId, OperatorState, SubtaskState},
};
use weir_env::Clock;
use weir_model::Failure;

use super::{Backend, BackendConfig, Kind, OperatorTables, Persist, Persisted, Restored};
use crate::state::{Change, MemoryBudget, Scope, StateFolder, Table, codec::Codec, shape};

const MAX_PARALLELISM: u32 = 16;

/// A row of a table: operator, table, key and rest of the key.
type Key = (usize, usize, i64, String);

/// All rows, with their values.
type Rows = BTreeMap<Key, Option<i64>>;

/// A clock whose pauses are over at once.
#[derive(Debug)]
struct Hasty;

#[async_trait]
impl Clock for Hasty {
    fn now_ms(&self) -> i64 {
        0
    }

    fn elapsed(&self) -> Duration {
        Duration::ZERO
    }

    async fn sleep(&self, _: Duration) {
        tokio::task::yield_now().await;
    }
}

fn table(name: &'static str) -> Table {
    Table::new(name, &[DataType::Int64], &[DataType::Utf8], &[DataType::Int64])
}

fn operator(uid: &str, tables: &[&'static str]) -> OperatorTables {
    OperatorTables {
        uid: uid.to_owned(),
        name: format!("the operator {uid}"),
        tables: tables.iter().map(|name| table(name)).collect(),
    }
}

fn operators() -> Vec<OperatorTables> {
    vec![
        operator("a", &["groups", "rows"]),
        operator("calc", &[]),
        operator("b", &["keys"]),
    ]
}

/// Where everything of a test is.
struct World {
    folder: TempDir,
    store: Arc<dyn ObjectStore>,
    memory: Arc<MemoryBudget>,
    opened: AtomicU32,
}

impl World {
    fn new() -> Self {
        let folder = TempDir::new().expect("a folder");
        let files = folder.path().join("files");
        std::fs::create_dir(&files).expect("a folder");
        Self {
            store: Arc::new(LocalFileSystem::new_with_prefix(files).expect("a folder")),
            memory: Arc::new(MemoryBudget::new(64 << 20).without_small_state()),
            opened: AtomicU32::new(0),
            folder,
        }
    }

    fn files(&self, prefix: &str) -> StateFolder {
        StateFolder {
            store: Arc::clone(&self.store),
            root: object_store::path::Path::from("jobs/j"),
            url: "file:///jobs/j".to_owned(),
            prefix: prefix.to_owned(),
        }
    }

    fn config(&self, kind: Kind, generation: u32, subtask: u32, parallelism: u32) -> BackendConfig {
        let name = format!("g{generation}/s{subtask}");
        BackendConfig {
            kind,
            // Each its own: the threads of the one before may still be about to end.
            folder: self
                .folder
                .path()
                .join("local")
                .join(self.opened.fetch_add(1, Ordering::Relaxed).to_string()),
            files: self.files(&name),
            copies: None,
            key_groups: key_group::range(subtask, parallelism, MAX_PARALLELISM),
            max_parallelism: MAX_PARALLELISM,
            operators: operators(),
            memory: Arc::clone(&self.memory),
            clock: Arc::new(Hasty),
        }
    }

    async fn open(&self, kind: Kind, generation: u32) -> Backend {
        let config = self.config(kind, generation, 0, 1);
        Backend::open(config).await.expect("opens")
    }

    /// Where a file of the store is on the disk.
    fn on_disk(&self, path: &str) -> std::path::PathBuf {
        self.folder.path().join("files/jobs/j").join(path)
    }

    fn restored(&self, state: SubtaskState) -> Restored {
        Restored {
            state,
            folder: self.files("anything"),
        }
    }
}

/// Columns of rows of one table.
fn columns(rows: &[(&Key, Option<i64>)]) -> (Vec<ArrayRef>, ArrayRef) {
    let keys: Int64Array = rows.iter().map(|((_, _, key, _), _)| *key).collect();
    let rest: StringArray = rows
        .iter()
        .map(|((_, _, _, rest), _)| Some(rest.as_str()))
        .collect();
    let values: Int64Array = rows.iter().map(|(_, value)| *value).collect();
    (vec![Arc::new(keys), Arc::new(rest)], Arc::new(values))
}

fn batch(schema: &Table, columns: Vec<ArrayRef>) -> RecordBatch {
    let fields = schema.schema.fields()[..columns.len()].to_vec();
    RecordBatch::try_new(Arc::new(arrow_schema::Schema::new(fields)), columns).expect("fits")
}

/// Writes rows, of one table after the other.
fn write(rows: &[(&Key, Option<i64>)], into: &mut [Vec<Change>]) {
    for rows in rows.chunk_by(|(a, _), (b, _)| (a.0, a.1) == (b.0, b.1)) {
        let &(operator, number, ..) = rows[0].0;
        let (mut all, values) = columns(rows);
        all.push(values);
        let rows = batch(&operators()[operator].tables[number], all);
        into[operator].push(Change::Write { table: number, rows });
    }
}

fn delete(key: &Key, into: &mut [Vec<Change>]) {
    let (keys, _) = columns(&[(key, None)]);
    let keys = batch(&operators()[key.0].tables[key.1], keys);
    into[key.0].push(Change::Delete { table: key.1, keys });
}

fn no_changes() -> Vec<Vec<Change>> {
    operators().iter().map(|_| Vec::new()).collect()
}

/// The changes that make all of these rows.
fn all(rows: &Rows) -> Vec<Vec<Change>> {
    let mut changes = no_changes();
    let rows: Vec<_> = rows.iter().map(|(key, value)| (key, *value)).collect();
    write(&rows, &mut changes);
    changes
}

/// Numbered rows of one table.
fn some_rows(numbers: Range<i64>) -> Rows {
    let row = |at: i64| ((0, 1, at, format!("row {at}")), Some(at * at));
    numbers.map(row).collect()
}

fn group_of(key: i64) -> u32 {
    let column: ArrayRef = Arc::new(Int64Array::from(vec![key]));
    table("any")
        .key_groups(&[column], 1, MAX_PARALLELISM)
        .expect("a number")[0]
}

async fn persist(
    backend: &mut Backend,
    checkpoint: u64,
    changes: Vec<Vec<Change>>,
) -> Result<Persisted, Failure> {
    backend
        .persist(CheckpointId(checkpoint), changes, Persist::Checkpoint)
        .await
}

/// The state as a manifest has it.
fn state(config: &BackendConfig, subtask: u32, persisted: &Persisted) -> SubtaskState {
    let operator = |operator: &OperatorTables| OperatorState {
        uid: operator.uid.clone(),
        name: operator.name.clone(),
        tables: operator
            .tables
            .iter()
            .map(|table| shape::of(table).expect("a shape"))
            .collect(),
        ..OperatorState::default()
    };
    SubtaskState {
        task: 0,
        subtask,
        key_groups: config.key_groups.clone(),
        finished: false,
        operators: config.operators.iter().map(operator).collect(),
        files: persisted.files.clone(),
        in_flight: None,
    }
}

fn state_of(backend: &Backend, persisted: &Persisted) -> SubtaskState {
    state(&backend.shared.config, 0, persisted)
}

/// What a backend begins with; checks the order in which it comes.
async fn restore(backend: &mut Backend, from: &[Restored]) -> Result<Rows, Failure> {
    restore_leaving(backend, from, &[]).await
}

/// The same, where rows of these operators may stay in the database.
async fn restore_leaving(backend: &mut Backend, from: &[Restored], leaves: &[bool]) -> Result<Rows, Failure> {
    let mut rows = Rows::new();
    let mut last: BTreeMap<(usize, usize), Vec<u8>> = BTreeMap::new();
    let config = backend.shared.config.clone();
    backend
        .restore(from, leaves, &mut |operator, table, batch| {
            assert!(!leaves.get(operator).is_some_and(|leaves| *leaves), "those stay");
            let behind = last.range((operator, table + 1)..(operator + 1, 0)).next();
            assert!(behind.is_none(), "tables come one after the other");
            let codec = Codec::new(
                config.operators[operator].tables[table].clone(),
                0,
                0,
                MAX_PARALLELISM,
            )?;
            codec.encode(&batch, |key, _| {
                let before = last.insert((operator, table), key.to_vec());
                assert!(before.is_none_or(|before| before.as_slice() < key), "keys ascend");
            })?;
            take(operator, table, &batch, &mut rows);
            Ok(())
        })
        .await?;
    Ok(rows)
}

fn take(operator: usize, table: usize, batch: &RecordBatch, into: &mut Rows) {
    let keys = batch.column(0).as_primitive::<Int64Type>();
    let rest = batch.column(1).as_string::<i32>();
    let values = batch.column(2).as_primitive::<Int64Type>();
    for row in 0..batch.num_rows() {
        let key = (operator, table, keys.value(row), rest.value(row).to_owned());
        let value = values.is_valid(row).then(|| values.value(row));
        assert!(into.insert(key, value).is_none(), "every row comes once");
    }
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).expect("a folder");
    let name = |entry: std::io::Result<std::fs::DirEntry>| entry.expect("an entry").file_name();
    let mut names: Vec<_> = entries
        .map(|entry| name(entry).to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}
