//! An operator that is restored from its own snapshots again and again, while it runs: the rehearsal of every restart.
//!
//! Tests wrap operators into it, golden scripts all of theirs. What comes out must be the same. It keeps the changes that the operator
//! says, so that one that forgets to say something loses it; and all rows must be what the changes have made of them.

use std::collections::BTreeMap;

use arrow_array::RecordBatch;
use weir_model::{EventTime, Failure};

use super::{Change, Scope, Snapshot, codec::Codec};
use crate::operator::{Context, Operator};

/// Rows that a restored operator gets at once: few, so that keys are cut apart.
const ROWS: usize = 3;
/// As many key groups as jobs have.
const MAX_PARALLELISM: u32 = 1024;

/// Makes an operator, always the same.
pub type Make = Box<dyn Fn() -> Result<Box<dyn Operator>, Failure> + Send + Sync>;

/// An operator and the rows of its state.
pub struct Rehearsed {
    make: Make,
    operator: Box<dyn Operator>,
    codecs: Vec<Codec>,
    rows: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Calls from one restart to the next.
    every: u32,
    calls: u32,
    watermark: EventTime,
}

impl Rehearsed {
    /// Wraps the operator that `make` makes, which is made anew after every so many calls.
    pub fn new(make: Make, every: u32) -> Result<Self, Failure> {
        let mut operator = make()?;
        operator.track_changes();
        let tables = operator.tables().into_iter();
        let codec = |(number, table)| Codec::new(table, 1, number, MAX_PARALLELISM);
        Ok(Self {
            codecs: (0..).zip(tables).map(codec).collect::<Result<_, _>>()?,
            make,
            operator,
            rows: BTreeMap::new(),
            every: every.max(1),
            calls: 0,
            watermark: EventTime::MIN,
        })
    }

    fn called(&mut self, context: &mut Context) -> Result<(), Failure> {
        self.calls += 1;
        if self.calls < self.every {
            return Ok(());
        }
        self.calls = 0;
        self.operator.on_barrier(context)?;
        self.snapshot()?;
        self.operator = (self.make)()?;
        for table in 0..self.codecs.len() {
            self.restore(table)?;
        }
        self.operator.restored(self.watermark)?;
        self.operator.track_changes();
        Ok(())
    }

    /// Does something between the beginning of a snapshot and its end, which must say what was there at its beginning.
    fn in_between(
        &mut self,
        work: impl FnOnce(&mut dyn Operator) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let mut all = Snapshot::new(self.operator.tables());
        self.operator.snapshot(Scope::All, &mut all)?;
        let mut said = Snapshot::new(self.operator.tables());
        let mut has_more = self.operator.freeze(&mut said)?;
        work(self.operator.as_mut())?;
        while has_more {
            has_more = self.operator.thaw(1, &mut said)?;
        }
        self.apply(said)?;
        self.hold_against(all)
    }

    /// Takes what has changed, and holds all rows against it.
    fn snapshot(&mut self) -> Result<(), Failure> {
        let mut snapshot = Snapshot::new(self.operator.tables());
        self.operator.snapshot(Scope::Changes, &mut snapshot)?;
        self.apply(snapshot)?;
        let mut all = Snapshot::new(self.operator.tables());
        self.operator.snapshot(Scope::All, &mut all)?;
        self.hold_against(all)
    }

    /// Fails unless the rows that were told of are all that there are.
    fn hold_against(&mut self, all: Snapshot) -> Result<(), Failure> {
        let told = std::mem::take(&mut self.rows);
        self.apply(all)?;
        if let Some((key, is_missing)) = difference(&told, &self.rows) {
            let (_, _, table) = super::codec::place(&key).unwrap_or_default();
            let table = self.codecs[usize::from(table)].table().name;
            let wrong = if is_missing {
                "was not told of"
            } else {
                "was told of and is not there, or other"
            };
            return Err(Failure::internal(format!(
                "a row of the table '{table}' of an operator's state {wrong}: {key:?}, {:?}, {:?}",
                told.get(&key),
                self.rows.get(&key),
            )));
        }
        Ok(())
    }

    fn apply(&mut self, snapshot: Snapshot) -> Result<(), Failure> {
        let Self { codecs, rows, .. } = self;
        for change in snapshot.into_changes() {
            match change {
                Change::Write { table, rows: written } => codecs[table].encode(&written, |key, value| {
                    rows.insert(key.to_vec(), value.to_vec());
                })?,
                Change::Delete { table, keys } => {
                    codecs[table].encode_keys(keys.columns(), keys.num_rows(), |_, key| {
                        rows.remove(key);
                    })?;
                }
            }
        }
        Ok(())
    }

    fn restore(&mut self, table: usize) -> Result<(), Failure> {
        let of_table = |key: &[u8]| super::codec::place(key).is_some_and(|(_, _, t)| usize::from(t) == table);
        let entries = self
            .rows
            .iter()
            .map(|(key, value)| (key.as_slice(), value.as_slice()));
        let entries: Vec<_> = entries.filter(|(key, _)| of_table(key)).collect();
        for entries in entries.chunks(ROWS) {
            let rows = self.codecs[table].decode(entries.iter().copied())?;
            self.operator.restore(table, &rows)?;
        }
        Ok(())
    }
}

/// A key under which two sets of rows differ, and whether the first one misses it.
fn difference(
    one: &BTreeMap<Vec<u8>, Vec<u8>>,
    other: &BTreeMap<Vec<u8>, Vec<u8>>,
) -> Option<(Vec<u8>, bool)> {
    let changed = one.iter().find(|(key, value)| other.get(*key) != Some(value));
    let missing = || other.keys().find(|key| !one.contains_key(*key));
    let changed = changed.map(|(key, _)| (key.clone(), false));
    changed.or_else(|| missing().map(|key| (key.clone(), true)))
}

impl Operator for Rehearsed {
    fn on_batch(&mut self, port: usize, batch: RecordBatch, context: &mut Context) -> Result<(), Failure> {
        if self.calls + 1 == self.every {
            self.in_between(|operator| operator.on_batch(port, batch, context))?;
        } else {
            self.operator.on_batch(port, batch, context)?;
        }
        self.called(context)
    }

    fn on_watermark(&mut self, watermark: EventTime, context: &mut Context) -> Result<(), Failure> {
        self.watermark = watermark;
        self.operator.on_watermark(watermark, context)?;
        self.called(context)
    }

    fn output_watermark(&self, watermark: EventTime) -> EventTime {
        self.operator.output_watermark(watermark)
    }

    fn on_idle(&mut self, context: &mut Context) -> Result<(), Failure> {
        self.operator.on_idle(context)?;
        self.called(context)
    }

    fn tells_time(&self) -> bool {
        self.operator.tells_time()
    }

    fn is_timed(&self) -> bool {
        self.operator.is_timed()
    }

    fn timer_ms(&self) -> Option<i64> {
        self.operator.timer_ms()
    }

    fn on_processing_time(&mut self, context: &mut Context) -> Result<(), Failure> {
        self.operator.on_processing_time(context)?;
        self.called(context)
    }

    fn on_end(&mut self, context: &mut Context) -> Result<(), Failure> {
        self.operator.on_end(context)
    }

    fn on_barrier(&mut self, context: &mut Context) -> Result<(), Failure> {
        self.operator.on_barrier(context)
    }

    fn tables(&self) -> Vec<super::Table> {
        self.operator.tables()
    }

    fn snapshot(&mut self, scope: Scope, into: &mut Snapshot) -> Result<(), Failure> {
        self.operator.snapshot(scope, into)
    }

    fn restore(&mut self, table: usize, rows: &RecordBatch) -> Result<(), Failure> {
        self.operator.restore(table, rows)
    }

    fn restored(&mut self, watermark: EventTime) -> Result<(), Failure> {
        self.watermark = watermark;
        self.operator.restored(watermark)
    }
}
