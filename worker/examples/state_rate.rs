//! Measures the state backends without operators: writing and checkpointing rows, checkpoints of what has changed, savepoints, and
//! beginning with what they left, as it is and at twice the parallelism.
//!
//! `script/bench state [MB of rows, 1000]`
//!
//! Rates are of rows in memory, before they are encoded. Files go to the system's folder for temporary files, through `object_store`:
//! a store elsewhere is slower.

use std::{path::Path, sync::Arc, time::Duration};

use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow_schema::DataType;
use object_store::local::LocalFileSystem;
use weir_checkpoint::{
    key_group,
    manifest::{CheckpointId, OperatorState, SubtaskState},
};
use weir_env::{Clock, SystemClock};
use weir_model::Failure;
use weir_worker::state::{
    Backend, BackendConfig, Change, MemoryBudget, StateFolder, Table,
    backend::{Kind, OperatorTables, Persist, Persisted, Restored},
    shape,
};

const MAX_PARALLELISM: u32 = 1024;
const BATCH_ROWS: usize = 8192;
const TEXT_BYTES: usize = 84;
/// Two numbers and a text with its offset.
const ROW_BYTES: usize = 8 + 8 + 4 + TEXT_BYTES;
/// What a checkpoint adds while state grows.
const STEP_BYTES: usize = 50_000_000;
/// Of all rows, one in so many changes from one checkpoint to the next.
const CHANGED: usize = 100;
const CHANGES: u64 = 20;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let megabytes: usize = std::env::args()
        .nth(1)
        .and_then(|megabytes| megabytes.parse().ok())
        .unwrap_or(1000);
    let folder = tempfile::tempdir().map_err(|e| Failure::internal(e.to_string()))?;
    let mut bench = Bench::new(folder.path(), megabytes * 1_000_000 / ROW_BYTES)?;
    println!(
        "{:<42} {:>8} {:>8} {:>12} {:>12}",
        "", "s", "MB/s", "MB uploaded", "MB of files"
    );
    let state = bench.grow().await?;
    let state = bench.change(state).await?;
    bench
        .restore(
            "rocksdb: begin with a checkpoint as it is",
            &state,
            Kind::Rocksdb,
            1,
        )
        .await?;
    bench
        .restore("rocksdb: begin with it, 1 to 2", &state, Kind::Rocksdb, 2)
        .await?;
    let savepoint = bench.all("memory: a checkpoint", Kind::Memory).await?;
    bench
        .restore("memory: begin with it", &savepoint, Kind::Memory, 1)
        .await?;
    bench
        .restore("rocksdb: begin with it, 1 to 2", &savepoint, Kind::Rocksdb, 2)
        .await
}

struct Bench<'a> {
    folder: &'a Path,
    store: Arc<LocalFileSystem>,
    clock: Arc<dyn Clock>,
    memory: Arc<MemoryBudget>,
    rows: usize,
    generation: u32,
    checkpoint: u64,
    table: Table,
    growing: Option<Backend>,
}

impl<'a> Bench<'a> {
    fn new(folder: &'a Path, rows: usize) -> Result<Self, Failure> {
        let store = LocalFileSystem::new_with_prefix(folder);
        Ok(Self {
            store: Arc::new(store.map_err(|e| Failure::external(e.to_string()))?),
            folder,
            clock: Arc::new(SystemClock::new()),
            memory: Arc::new(MemoryBudget::new(2 << 30)),
            rows,
            generation: 0,
            checkpoint: 0,
            table: Table::new(
                "rows",
                &[DataType::Int64],
                &[],
                &[DataType::Int64, DataType::Utf8],
            ),
            growing: None,
        })
    }

    fn config(&self, kind: Kind, subtask: u32, parallelism: u32) -> BackendConfig {
        let name = format!("{}-{subtask}", self.generation);
        BackendConfig {
            kind,
            folder: self.folder.join("local").join(&name),
            files: self.files(name),
            copies: None,
            key_groups: key_group::range(subtask, parallelism, MAX_PARALLELISM),
            max_parallelism: MAX_PARALLELISM,
            operators: vec![OperatorTables {
                uid: "rows".to_owned(),
                name: "rows".to_owned(),
                tables: vec![self.table.clone()],
            }],
            memory: Arc::clone(&self.memory),
            clock: Arc::clone(&self.clock),
        }
    }

    fn files(&self, prefix: String) -> StateFolder {
        StateFolder {
            store: Arc::clone(&self.store) as _,
            root: "files".into(),
            url: "files".to_owned(),
            prefix,
        }
    }

    /// Rows that are new or changed: `version` is in all of them.
    fn changes(&self, keys: &[i64], version: i64) -> Result<Vec<Vec<Change>>, Failure> {
        let mut changes = Vec::new();
        for keys in keys.chunks(BATCH_ROWS) {
            let text = |key: &i64| text(*key as u64 ^ (version as u64) << 40);
            let columns: Vec<ArrayRef> = vec![
                Arc::new(Int64Array::from(keys.to_vec())),
                Arc::new(Int64Array::from(vec![version; keys.len()])),
                Arc::new(keys.iter().map(|key| Some(text(key))).collect::<StringArray>()),
            ];
            let rows = RecordBatch::try_new(Arc::clone(&self.table.schema), columns);
            let rows = rows.map_err(|e| Failure::internal(e.to_string()))?;
            changes.push(Change::Write { table: 0, rows });
        }
        Ok(vec![changes])
    }

    /// New rows from checkpoint to checkpoint, until all are there.
    async fn grow(&mut self) -> Result<Persisted, Failure> {
        let mut backend = Backend::open(self.config(Kind::Rocksdb, 0, 1)).await?;
        let (mut spent, mut uploaded, mut last) = (Duration::ZERO, 0, Persisted::default());
        let keys: Vec<i64> = (0..self.rows as i64).collect();
        for keys in keys.chunks(STEP_BYTES / ROW_BYTES) {
            let changes = self.changes(keys, 0)?;
            let took;
            (last, took) = self.persist(&mut backend, changes).await?;
            spent += took;
            uploaded += last.bytes_new;
        }
        print(
            "rocksdb: grow, a checkpoint every 50 MB",
            spent,
            self.rows,
            uploaded,
            last.bytes_full,
        );
        self.growing = Some(backend);
        Ok(last)
    }

    /// Some rows change from checkpoint to checkpoint.
    async fn change(&mut self, mut last: Persisted) -> Result<Persisted, Failure> {
        let mut backend = self.growing.take().expect("rows have grown");
        let (mut spent, mut uploaded, mut full) = (Duration::ZERO, 0, 0);
        let changed = (self.rows / CHANGED).max(1);
        for version in 1..=CHANGES {
            let keys = (0..changed).map(|at| (mixed(at as u64 + version * 7919) % self.rows as u64) as i64);
            let changes = self.changes(&keys.collect::<Vec<_>>(), version as i64)?;
            let took;
            (last, took) = self.persist(&mut backend, changes).await?;
            spent += took;
            uploaded += last.bytes_new;
            full += last.bytes_full;
        }
        let what = format!("rocksdb: change 1%, each of {CHANGES} checkpoints");
        let each = CHANGES as u32;
        print(&what, spent / each, changed, uploaded / CHANGES, full / CHANGES);
        println!(
            "{:<42} {:>8.1}",
            "rocksdb: files in all to those uploaded",
            full as f64 / uploaded as f64
        );
        Ok(last)
    }

    /// A checkpoint of all rows.
    async fn all(&mut self, what: &str, kind: Kind) -> Result<Persisted, Failure> {
        self.generation += 1;
        let mut backend = Backend::open(self.config(kind, 0, 1)).await?;
        let keys: Vec<i64> = (0..self.rows as i64).collect();
        let changes = self.changes(&keys, 0)?;
        let (persisted, took) = self.persist(&mut backend, changes).await?;
        print(what, took, self.rows, persisted.bytes_new, persisted.bytes_full);
        Ok(persisted)
    }

    async fn persist(
        &mut self,
        backend: &mut Backend,
        changes: Vec<Vec<Change>>,
    ) -> Result<(Persisted, Duration), Failure> {
        self.checkpoint += 1;
        let checkpoint = CheckpointId(self.checkpoint);
        let since = self.clock.elapsed();
        let persisted = backend.persist(checkpoint, changes, Persist::Checkpoint).await?;
        let took = self.clock.elapsed().saturating_sub(since);
        backend.complete(checkpoint);
        Ok((persisted, took))
    }

    /// Begins with what one subtask left, all subtasks at once.
    async fn restore(
        &mut self,
        what: &str,
        from: &Persisted,
        kind: Kind,
        parallelism: u32,
    ) -> Result<(), Failure> {
        self.generation += 1;
        let from = [Restored {
            state: self.state(from)?,
            folder: self.files(String::new()),
        }];
        let since = self.clock.elapsed();
        let subtasks = (0..parallelism).map(|subtask| {
            let (config, from) = (self.config(kind, subtask, parallelism), from.clone());
            tokio::spawn(async move {
                let mut rows = 0;
                let mut backend = Backend::open(config).await?;
                let mut count = |_: usize, _: usize, batch: RecordBatch| {
                    rows += batch.num_rows();
                    Ok(())
                };
                backend.restore(&from, &[], &mut count).await?;
                Ok::<_, Failure>(rows)
            })
        });
        let mut rows = 0;
        for subtask in subtasks.collect::<Vec<_>>() {
            rows += subtask.await.map_err(|e| Failure::internal(e.to_string()))??;
        }
        assert_eq!(rows, self.rows, "every row is there once");
        let took = self.clock.elapsed().saturating_sub(since);
        print(
            what,
            took,
            rows,
            0,
            from[0].state.files.files.iter().map(|file| file.bytes).sum(),
        );
        Ok(())
    }

    fn state(&self, persisted: &Persisted) -> Result<SubtaskState, Failure> {
        Ok(SubtaskState {
            task: 0,
            subtask: 0,
            key_groups: 0..MAX_PARALLELISM,
            finished: false,
            operators: vec![OperatorState {
                uid: "rows".to_owned(),
                name: "rows".to_owned(),
                tables: vec![shape::of(&self.table)?],
                ..OperatorState::default()
            }],
            files: persisted.files.clone(),
            in_flight: None,
        })
    }
}

fn print(what: &str, took: Duration, rows: usize, uploaded: u64, files: u64) {
    let seconds = took.as_secs_f64();
    let megabytes = (rows * ROW_BYTES) as f64 / 1e6;
    println!(
        "{what:<42} {seconds:>8.2} {:>8.0} {:>12.1} {:>12.1}",
        megabytes / seconds,
        uploaded as f64 / 1e6,
        files as f64 / 1e6
    );
}

/// A text of words, which repeat.
fn text(seed: u64) -> String {
    let words = (0..TEXT_BYTES as u64 / 6).map(|at| format!("{:05x} ", mixed(seed + at) % 4000));
    words.collect()
}

fn mixed(part: u64) -> u64 {
    key_group::mix(0, part)
}
