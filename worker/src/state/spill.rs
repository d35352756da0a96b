//! An operator whose state may be larger than memory.
//!
//! While the worker has memory, all of its state is there, and nothing here costs anything. When memory is short, what has changed is written
//! to the database of the subtask and the operator begins anew with nothing; from then on, a key's state is given back to it before the
//! rows of that key come, once, until memory is short again. So the keys that are in use are in memory, in the operator's own form, and the
//! database is asked for many keys at a time.

use std::{collections::HashSet, hash::BuildHasher};

use arrow_array::RecordBatch;
use foldhash::fast::FixedState;
use tokio::runtime::{Handle, RuntimeFlavor};
use weir_model::{EventTime, Failure};

use super::{
    Scope, Snapshot, Table,
    backend::spill::{Partitions, Spill},
    rehearse::Make,
};
use crate::operator::{Context, Operator};

/// An operator, some of whose keys have their state in the database alone.
pub struct Spilled {
    make: Make,
    operator: Box<dyn Operator>,
    spill: Spill,
    /// The keys whose state is in memory; none: all.
    resident: Option<Resident>,
    /// The last shortage of memory that was seen.
    pressure: u32,
    watermark: EventTime,
    /// Whether rows of the state that it begins with are left in the database.
    leaves_rows: bool,
}

impl Spilled {
    /// An operator whose changes are tracked, and what makes another one like it.
    pub fn new(make: Make, operator: Box<dyn Operator>, spill: Spill) -> Self {
        Self {
            pressure: spill.memory().pressure(),
            make,
            operator,
            spill,
            resident: None,
            watermark: EventTime::MIN,
            leaves_rows: false,
        }
    }

    /// Makes room if memory is short.
    fn relieve(&mut self) -> Result<(), Failure> {
        let memory = self.spill.memory();
        let pressure = memory.pressure();
        if pressure == self.pressure {
            return Ok(());
        }
        self.pressure = pressure;
        let few = memory.few_keys();
        if self
            .resident
            .as_ref()
            .is_some_and(|resident| resident.len() < few)
        {
            return Ok(());
        }
        on_this_thread(|| self.evict())
    }

    fn evict(&mut self) -> Result<(), Failure> {
        let operator = &mut self.operator;
        self.spill
            .write(operator.tables(), |into| operator.snapshot(Scope::Changes, into))?;
        self.begin_anew()?;
        self.operator.restored(self.watermark)
    }

    /// Forgets all that is in memory.
    fn begin_anew(&mut self) -> Result<(), Failure> {
        self.operator = (self.make)()?;
        self.operator.track_changes();
        self.resident = Some(Resident::default());
        Ok(())
    }

    /// Has in memory what rows need.
    fn load(&mut self, port: usize, batch: &RecordBatch) -> Result<(), Failure> {
        let Some(resident) = &mut self.resident else {
            return Ok(());
        };
        let partitions = self.spill.partitions(&self.operator.partition(port, batch))?;
        let mut missing = resident.add(&partitions);
        missing.sort_unstable();
        let operator = &mut self.operator;
        self.spill
            .load(&missing, &mut |table, rows| operator.restore(table, &rows))
    }
}

/// Keys that were asked for: a hash of each. That two have the same is one chance in 2^128.
#[derive(Debug, Default)]
struct Resident(HashSet<u128, FixedState>);

impl Resident {
    fn len(&self) -> usize {
        self.0.len()
    }

    /// Adds keys; returns those that are new, once each.
    fn add<'a>(&mut self, partitions: &'a Partitions) -> Vec<(u32, &'a [u8])> {
        let (low, high) = (FixedState::with_seed(1), FixedState::with_seed(2));
        let partitions = (0..partitions.len()).map(|row| partitions.get(row));
        let is_new = |(_, values): &(u32, &[u8])| {
            let hash = u128::from(low.hash_one(values)) | u128::from(high.hash_one(values)) << 64;
            self.0.insert(hash)
        };
        partitions.filter(is_new).collect()
    }
}

/// Runs what blocks here, and lets other threads take over what else this one had to do.
fn on_this_thread<T>(work: impl FnOnce() -> T) -> T {
    let flavor = Handle::try_current().map(|handle| handle.runtime_flavor());
    if matches!(flavor, Ok(RuntimeFlavor::MultiThread)) {
        tokio::task::block_in_place(work)
    } else {
        work()
    }
}

impl Operator for Spilled {
    fn on_batch(&mut self, port: usize, batch: RecordBatch, context: &mut Context) -> Result<(), Failure> {
        self.load(port, &batch)?;
        self.operator.on_batch(port, batch, context)?;
        self.relieve()
    }

    fn on_watermark(&mut self, watermark: EventTime, context: &mut Context) -> Result<(), Failure> {
        self.watermark = watermark;
        self.operator.on_watermark(watermark, context)
    }

    fn output_watermark(&self, watermark: EventTime) -> EventTime {
        self.operator.output_watermark(watermark)
    }

    fn on_idle(&mut self, context: &mut Context) -> Result<(), Failure> {
        self.operator.on_idle(context)
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
        self.operator.on_processing_time(context)
    }

    fn on_end(&mut self, context: &mut Context) -> Result<(), Failure> {
        self.operator.on_end(context)
    }

    fn on_barrier(&mut self, context: &mut Context) -> Result<(), Failure> {
        self.operator.on_barrier(context)
    }

    fn tables(&self) -> Vec<Table> {
        self.operator.tables()
    }

    fn track_changes(&mut self) {
        self.operator.track_changes();
    }

    /// Changes alone: what is in the database is not known here.
    fn snapshot(&mut self, scope: Scope, into: &mut Snapshot) -> Result<(), Failure> {
        if scope == Scope::All && self.resident.is_some() {
            return Err(Failure::internal("state that is not in memory was asked for"));
        }
        self.operator.snapshot(scope, into)
    }

    /// The database has these rows too: when memory is short, all of them are left there.
    fn restore(&mut self, table: usize, rows: &RecordBatch) -> Result<(), Failure> {
        if self.leaves_rows {
            return Ok(());
        }
        let pressure = self.spill.memory().pressure();
        if pressure == self.pressure {
            return self.operator.restore(table, rows);
        }
        self.pressure = pressure;
        self.leaves_rows = true;
        self.begin_anew()
    }

    fn restored(&mut self, watermark: EventTime) -> Result<(), Failure> {
        self.leaves_rows = false;
        self.watermark = watermark;
        self.operator.restored(watermark)
    }
}
