//! An operator whose state may be larger than memory.
//!
//! While the worker has memory, all of its state is there, and nothing here costs anything. When memory is short, what has changed is written
//! to the database of the subtask and the operator begins anew with nothing; from then on, a key's state is given back to it before the
//! rows of that key come, once, until memory is short again. So the keys that are in use are in memory, in the operator's own form, and the
//! database is asked for many keys at a time.
//!
//! Where event time needs rows of keys that do not come (a [table](super::table::Due) says when), it is noted which keys it needs when. As
//! it comes to that, they are given back as well, some at a time, and what the operator then emits leaves in between.
//!
//! So it may begin with nothing in memory, too. While there is room, key group after key group is then read on another thread and given to
//! it between batches, until all of its state is in memory and this costs nothing again.

use std::{ops::Range, time::Duration};

use arrow_array::RecordBatch;
use arrow_select::filter::filter_record_batch;
use tokio::runtime::{Handle, RuntimeFlavor};
use weir_model::{EventTime, Failure};

use super::{
    Scope, Snapshot, Table,
    backend::spill::{Reading, Slice, Spill},
    rehearse::Make,
};
use crate::operator::{Context, Operator};
use resident::Resident;

mod resident;
mod windows;

pub use windows::SpilledWindows;

/// How long memory must not have been short before more is read than is asked for.
const CALM: Duration = Duration::from_secs(30);

/// Keys that are due are read at once, so many of them.
const DUE_KEYS: usize = 1024;

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
    /// When it was last written to disk.
    evicted: Option<Duration>,
    /// The key group that is being read, and those that are to be read behind it.
    reading: Option<Reading>,
    unread: Range<u32>,
    /// Keys that are due are being read.
    visit: Option<Visit>,
}

/// On the way through the keys that are due at a watermark.
#[derive(Clone, Copy)]
struct Visit {
    /// The event time before.
    since: EventTime,
    /// It is because the input has ended.
    is_end: bool,
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
            evicted: None,
            reading: None,
            unread: 0..0,
            visit: None,
        }
    }

    /// Whether all of its state is in memory.
    #[cfg(test)]
    pub(in crate::state) fn has_all(&self) -> bool {
        self.resident.is_none()
    }

    /// Makes room if memory is short.
    fn relieve(&mut self) -> Result<(), Failure> {
        let memory = self.spill.memory();
        let pressure = memory.pressure();
        if pressure == self.pressure || self.spill.is_held() {
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
        self.spill.index()?;
        self.begin_anew()?;
        self.operator.restored(self.watermark)
    }

    /// Forgets all that is in memory.
    fn begin_anew(&mut self) -> Result<(), Failure> {
        self.operator = (self.make)()?;
        self.operator.track_changes();
        self.evicted = Some(self.spill.elapsed());
        self.begin_empty();
        Ok(())
    }

    /// All of the state is in the database, and none is in memory.
    fn begin_empty(&mut self) {
        let key_groups = self.spill.key_groups();
        self.resident = Some(Resident::new(&key_groups));
        self.reading = None;
        self.unread = key_groups;
    }

    /// Takes a key group that has been read, and has the next one read. When that was the last one, all of the state is in memory.
    fn fill(&mut self) -> Result<(), Failure> {
        let Some(resident) = &mut self.resident else {
            return Ok(());
        };
        let read = match &mut self.reading {
            Some(reading) => reading.take()?,
            None => None,
        };
        if self.reading.is_some() && read.is_none() {
            return Ok(());
        }
        self.reading = None;
        let elapsed = self.spill.elapsed();
        let is_calm = self.evicted.is_none_or(|evicted| elapsed > evicted + CALM);
        if is_calm && self.spill.memory().has_room() {
            let next = self.unread.next();
            self.reading = next.map(|group| self.spill.read(group)).transpose()?;
        }
        if let Some(slice) = read {
            take(slice, &self.spill, resident, &mut *self.operator)?;
            if resident.has_all() {
                self.resident = None;
                self.spill.forget_index();
            }
            self.operator.restored(self.watermark)?;
        }
        Ok(())
    }

    /// Has in memory what rows need.
    fn load(&mut self, port: usize, batch: &RecordBatch) -> Result<(), Failure> {
        let Some(resident) = &mut self.resident else {
            return Ok(());
        };
        let partitions = self.spill.partitions(&self.operator.partition(port, batch))?;
        let mut missing = resident.add(&partitions);
        if missing.is_empty() {
            return Ok(());
        }
        missing.sort_unstable();
        let operator = &mut self.operator;
        self.spill
            .load(&missing, &mut |table, rows| operator.restore(table, &rows))?;
        self.operator.restored(self.watermark)
    }

    /// Begins to do what event time needs of the keys that are not in memory.
    fn visit(&mut self, since: EventTime, is_end: bool, context: &mut Context) -> Result<(), Failure> {
        self.visit = Some(Visit { since, is_end });
        self.go_on(context)
    }

    /// Does it for some more keys; returns whether those were all.
    fn visit_some(&mut self, since: EventTime, context: &mut Context) -> Result<bool, Failure> {
        let Some(resident) = &mut self.resident else {
            return Ok(true);
        };
        let due = self.spill.take_due(self.watermark, DUE_KEYS)?;
        let mut missing = resident.add_keys(&due);
        if !missing.is_empty() {
            missing.sort_unstable();
            let operator = &mut self.operator;
            self.spill
                .load(&missing, &mut |table, rows| operator.restore(table, &rows))?;
            self.operator.restored(since)?;
            self.operator.on_watermark(self.watermark, context)?;
        }
        self.relieve()?;
        Ok(due.len() < DUE_KEYS)
    }
}

/// Gives an operator the rows of a key group whose keys it does not have yet.
fn take(
    slice: Slice,
    spill: &Spill,
    resident: &mut Resident,
    operator: &mut dyn Operator,
) -> Result<(), Failure> {
    for (table, rows) in slice.rows {
        let partitions = spill.partitions(&rows.columns()[..spill.columns()])?;
        let new = resident.lacks(&partitions);
        let rows = match new.true_count() {
            0 => continue,
            count if count == rows.num_rows() => rows,
            _ => filter_record_batch(&rows, &new)
                .map_err(|e| Failure::internal(format!("rows of state cannot be picked: {e}")))?,
        };
        operator.restore(table, &rows)?;
        resident.count(rows.num_rows());
    }
    resident.add_group(slice.group);
    Ok(())
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
        self.fill()?;
        self.load(port, &batch)?;
        self.operator.on_batch(port, batch, context)?;
        self.relieve()
    }

    fn on_watermark(&mut self, watermark: EventTime, context: &mut Context) -> Result<(), Failure> {
        self.fill()?;
        let since = std::mem::replace(&mut self.watermark, watermark);
        self.operator.on_watermark(watermark, context)?;
        self.visit(since, false, context)
    }

    fn has_more(&self) -> bool {
        self.visit.is_some()
    }

    fn go_on(&mut self, context: &mut Context) -> Result<(), Failure> {
        while let Some(Visit { since, is_end }) = self.visit {
            if self.visit_some(since, context)? {
                self.visit = None;
                if is_end {
                    self.operator.on_end(context)?;
                }
            }
            if !context.emitted.is_empty() {
                break;
            }
        }
        Ok(())
    }

    fn output_watermark(&self, watermark: EventTime) -> EventTime {
        self.operator.output_watermark(watermark)
    }

    fn on_idle(&mut self, context: &mut Context) -> Result<(), Failure> {
        self.fill()?;
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
        let since = self.watermark;
        if self.spill.is_timed() {
            self.watermark = EventTime::MAX;
            self.operator.on_watermark(EventTime::MAX, context)?;
        }
        self.visit(since, true, context)
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
        self.operator.snapshot(scope, into)?;
        self.spill.note(into.changes())
    }

    fn freeze(&mut self, into: &mut Snapshot) -> Result<bool, Failure> {
        let has_more = self.operator.freeze(into)?;
        self.spill.note(into.changes())?;
        Ok(has_more)
    }

    fn thaw(&mut self, rows: usize, into: &mut Snapshot) -> Result<bool, Failure> {
        self.operator.thaw(rows, into)
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
        if self.resident.is_none() && self.spill.has_rows_left() {
            self.begin_empty();
        }
        if self.resident.is_some() {
            on_this_thread(|| self.spill.index())?;
        }
        self.operator.restored(watermark)
    }
}
