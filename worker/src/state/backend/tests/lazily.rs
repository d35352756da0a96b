//! Rows that an operator begins with stay in the database, where they are found.

use weir_checkpoint::manifest::FilesFormat;

use super::*;
use crate::{
    operator::{Context, Operator},
    state::{
        Snapshot,
        backend::spill::{Slice, Spill},
        spill::Spilled,
    },
};

const ALL: [bool; 3] = [true; 3];

/// The rows of a key group, read on another thread.
async fn slice(spill: &mut Spill, group: u32) -> Slice {
    let mut reading = spill.read(group).expect("there is a database");
    loop {
        if let Some(slice) = reading.take().expect("is read") {
            return slice;
        }
        tokio::task::yield_now().await;
    }
}

/// The rows that were left in the database, read both ways.
pub(super) async fn left(backend: &Backend) -> Rows {
    let (mut read, mut loaded) = (Rows::new(), Rows::new());
    for operator in 0..operators().len() {
        let Some(mut spill) = backend.spill(operator).expect("plain types") else {
            continue;
        };
        if !spill.has_rows_left() || backend.shared.local.lock().opened().is_none() {
            continue;
        }
        for group in spill.key_groups() {
            let slice = slice(&mut spill, group).await;
            assert_eq!(slice.group, group);
            for (table, rows) in slice.rows {
                take(operator, table, &rows, &mut read);
            }
        }
        let keys: std::collections::BTreeSet<i64> = read.keys().map(|key| key.2).collect();
        let keys: ArrayRef = Arc::new(Int64Array::from_iter_values(keys));
        let partitions = spill.partitions(&[keys]).expect("plain types");
        let groups = spill.key_groups();
        let wanted = (0..partitions.len()).map(|row| partitions.get(row));
        let mut wanted: Vec<_> = wanted.filter(|(group, _)| groups.contains(group)).collect();
        wanted.sort_unstable();
        let found = spill.load(&wanted, &mut |table, rows| {
            take(operator, table, &rows, &mut loaded);
            Ok(())
        });
        found.expect("is read");
    }
    assert_eq!(read, loaded, "key by key as well as group by group");
    read
}

async fn complete(backend: &mut Backend, checkpoint: u64, rows: &Rows) -> Persisted {
    let persisted = persist(backend, checkpoint, all(rows)).await.expect("is written");
    backend.complete(CheckpointId(checkpoint));
    persisted
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_of_a_database_is_gone_on_with_and_nothing_of_it_is_uploaded_again() {
    let world = World::new();
    let mut backend = world.open(Kind::Rocksdb, 1).await;
    let first = complete(&mut backend, 1, &some_rows(0..40_000)).await;
    let from = [world.restored(state_of(&backend, &first))];
    let (mut rows, mut states) = (Rows::new(), Vec::new());
    for subtask in 0..2 {
        let config = world.config(Kind::Rocksdb, 2, subtask, 2);
        let mut next = Backend::open(config).await.expect("opens");
        let read = restore_leaving(&mut next, &from, &ALL).await.expect("is there");
        assert!(read.is_empty());
        rows.extend(left(&next).await);
        let second = complete(&mut next, 2, &Rows::new()).await;
        assert!(second.bytes_new * 10 < second.bytes_full, "{second:?}");
        let shared = second
            .files
            .files
            .iter()
            .filter(|file| first.files.files.contains(file));
        assert!(shared.count() > 0, "{second:?}");
        states.push(world.restored(state(&next.shared.config, subtask, &second)));
    }
    assert_eq!(rows, some_rows(0..40_000));
    // What is of the other subtask does not come back when they are one again.
    let mut last = world.open(Kind::Rocksdb, 3).await;
    restore_leaving(&mut last, &states, &ALL).await.expect("is there");
    assert_eq!(left(&last).await, rows);
    let third = complete(&mut last, 3, &Rows::new()).await;
    assert!(
        third.bytes_new < third.bytes_full,
        "half of it was copied: {third:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_savepoint_is_copied_into_the_database() {
    let world = World::new();
    let mut backend = world.open(Kind::Memory, 1).await;
    let first = complete(&mut backend, 1, &some_rows(0..3000)).await;
    assert_eq!(first.files.format, FilesFormat::Sorted);
    let from = [world.restored(state_of(&backend, &first))];
    let mut next = world.open(Kind::Rocksdb, 2).await;
    let read = restore_leaving(&mut next, &from, &ALL).await.expect("is there");
    assert!(read.is_empty());
    assert_eq!(left(&next).await, some_rows(0..3000));
}

#[tokio::test(flavor = "multi_thread")]
async fn little_state_is_read_at_once() {
    let mut world = World::new();
    world.memory = Arc::new(MemoryBudget::new(64 << 20));
    let mut backend = world.open(Kind::Rocksdb, 1).await;
    let first = complete(&mut backend, 1, &some_rows(0..3000)).await;
    let from = [world.restored(state_of(&backend, &first))];
    let mut next = world.open(Kind::Rocksdb, 2).await;
    let mut rows = Rows::new();
    let mut give = |operator, table, batch: RecordBatch| {
        take(operator, table, &batch, &mut rows);
        Ok(())
    };
    next.restore(&from, &ALL, &mut give).await.expect("is read");
    assert_eq!(rows, some_rows(0..3000));
    assert!(left(&next).await.is_empty());
}

/// Counts the rows of each key, and hands on how many there are by now.
#[derive(Default)]
struct Counts {
    counts: BTreeMap<i64, i64>,
    changed: Vec<i64>,
}

impl Counts {
    fn rows(keys: &[i64], counts: &[i64]) -> RecordBatch {
        let rest = StringArray::from(vec!["n"; keys.len()]);
        let columns: [ArrayRef; 3] = [
            Arc::new(Int64Array::from(keys.to_vec())),
            Arc::new(rest),
            Arc::new(Int64Array::from(counts.to_vec())),
        ];
        batch(&table("keys"), columns.to_vec())
    }
}

impl Operator for Counts {
    fn on_batch(&mut self, _: usize, batch: RecordBatch, context: &mut Context) -> Result<(), Failure> {
        let keys = batch.column(0).as_primitive::<Int64Type>().values();
        let count = |key: &i64| {
            let count = self.counts.entry(*key).or_default();
            *count += 1;
            *count
        };
        let counts: Vec<i64> = keys.iter().map(count).collect();
        self.changed.extend(keys);
        context.emit(Self::rows(keys, &counts));
        Ok(())
    }

    fn tables(&self) -> Vec<Table> {
        vec![table("keys")]
    }

    fn snapshot(&mut self, _: Scope, into: &mut Snapshot) -> Result<(), Failure> {
        self.changed.sort_unstable();
        self.changed.dedup();
        let keys = std::mem::take(&mut self.changed);
        let counts: Vec<i64> = keys.iter().map(|key| self.counts[key]).collect();
        into.write(0, Self::rows(&keys, &counts).columns().to_vec())
    }

    fn restore(&mut self, _: usize, rows: &RecordBatch) -> Result<(), Failure> {
        let keys = rows.column(0).as_primitive::<Int64Type>().values();
        let counts = rows.column(2).as_primitive::<Int64Type>().values();
        for (key, count) in keys.iter().zip(counts) {
            assert!(self.counts.insert(*key, *count).is_none(), "a key is given once");
        }
        Ok(())
    }

    fn is_partitioned(&self) -> bool {
        true
    }

    fn partition(&self, _: usize, batch: &RecordBatch) -> Vec<ArrayRef> {
        vec![ArrayRef::clone(batch.column(0))]
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_begins_with_nothing_and_comes_to_have_all_while_it_runs() {
    let world = World::new();
    let mut backend = world.open(Kind::Rocksdb, 1).await;
    let rows: Rows = (0..1000)
        .map(|key| ((2, 0, key, "n".to_owned()), Some(key)))
        .collect();
    let first = complete(&mut backend, 1, &rows).await;
    let from = [world.restored(state_of(&backend, &first))];
    let mut next = world.open(Kind::Rocksdb, 2).await;
    restore_leaving(&mut next, &from, &ALL).await.expect("is there");
    let spill = next.spill(2).expect("plain types").expect("it has keys");
    let make = Box::new(|| Ok::<Box<dyn Operator>, _>(Box::new(Counts::default())));
    let mut spilled = Spilled::new(make, Box::new(Counts::default()), spill);
    spilled.restored(weir_model::EventTime::MIN).expect("restored");
    assert!(!spilled.has_all());
    let mut seen: BTreeMap<i64, i64> = (0..1000).map(|key| (key, key)).collect();
    let mut batches = 0;
    while !spilled.has_all() || batches < 50 {
        // Keys that are known, the same ones again, and new ones.
        let keys: Vec<i64> = (0..10).map(|at| (batches * 37 + at * 113) % 1100).collect();
        let mut context = Context::default();
        spilled
            .on_batch(0, Counts::rows(&keys, &keys), &mut context)
            .expect("runs");
        let count = |key: &i64| {
            let count = seen.entry(*key).or_default();
            *count += 1;
            *count
        };
        let expected: Vec<i64> = keys.iter().map(count).collect();
        let counts = context.emitted[0].column(2).as_primitive::<Int64Type>();
        assert_eq!(counts.values(), &expected[..], "batch {batches}");
        batches += 1;
        assert!(batches < 1_000_000, "it never has all");
        tokio::task::yield_now().await;
    }
}
