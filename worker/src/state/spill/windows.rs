//! Windows whose state may be larger than memory.
//!
//! As other operators, they let go of what they have when memory is short, and get back what the rows at hand need. When event time comes
//! to the end of a window, they need the rows of many keys. Then all that is in memory is written, and the whole state goes through memory:
//! some key groups at a time are given to an operator made anew, which does what is due, and what it has changed is written before the next
//! ones come. What it emits leaves in between.

use std::{collections::HashSet, hash::BuildHasher};

use arrow_array::RecordBatch;
use foldhash::fast::FixedState;
use weir_model::{EventTime, Failure};

use super::on_this_thread;
use crate::{
    operator::{Context, Operator},
    state::{
        Scope, Snapshot, Table,
        backend::spill::{Partitions, Spill},
        rehearse::Make,
    },
};

/// An operator on windows, some of whose state is in the database alone.
pub struct SpilledWindows {
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
    /// No watermark before this needs rows that are in the database alone; none: no watermark does.
    due: Option<EventTime>,
    /// All of its state is going through memory.
    pass: Option<Pass>,
}

/// On the way through the key groups of a state.
struct Pass {
    /// The event time that it began at.
    since: EventTime,
    /// The key group that comes next; none: the first.
    next: Option<u32>,
    /// When rows that have been through are needed next.
    due: Option<EventTime>,
    /// It is because the input has ended.
    is_end: bool,
}

impl SpilledWindows {
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
            due: None,
            pass: None,
        }
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
        self.due = sooner(self.due, self.operator.due());
        self.write()?;
        self.begin_anew()?;
        self.operator.restored(self.watermark)
    }

    /// Writes what has changed to the database.
    fn write(&mut self) -> Result<(), Failure> {
        let operator = &mut self.operator;
        self.spill
            .write(operator.tables(), |into| operator.snapshot(Scope::Changes, into))
    }

    /// Begins to take all of the state through memory, if what is in the database alone is due.
    fn begin_pass(&mut self, since: EventTime, is_end: bool) -> Result<bool, Failure> {
        if self.due.is_none_or(|due| due > self.watermark) {
            return Ok(false);
        }
        on_this_thread(|| self.evict())?;
        self.pass = Some(Pass {
            since,
            next: None,
            due: None,
            is_end,
        });
        Ok(true)
    }

    /// Does what is due in some more key groups.
    fn pass(&mut self, context: &mut Context) -> Result<(), Failure> {
        let Some(mut pass) = self.pass.take() else {
            return Ok(());
        };
        self.begin_anew()?;
        let (operator, bytes) = (&mut self.operator, self.spill.memory().passing_bytes());
        let spill = &mut self.spill;
        let mut give = |table, rows: RecordBatch| operator.restore(table, &rows);
        pass.next = on_this_thread(|| spill.load_groups(pass.next, bytes, &mut give))?;
        self.operator.restored(pass.since)?;
        self.operator.on_watermark(self.watermark, context)?;
        pass.due = sooner(pass.due, self.operator.due());
        on_this_thread(|| self.write())?;
        if pass.next.is_some() {
            self.pass = Some(pass);
            return Ok(());
        }
        self.begin_anew()?;
        self.operator.restored(self.watermark)?;
        self.due = pass.due;
        if self.due.is_none() {
            // There is nothing any more: what comes stays in memory until that is short again.
            self.resident = None;
        }
        if pass.is_end {
            return self.operator.on_end(context);
        }
        Ok(())
    }

    /// Forgets all that is in memory.
    fn begin_anew(&mut self) -> Result<(), Failure> {
        self.operator = (self.make)()?;
        self.operator.track_changes();
        self.resident = Some(Resident::default());
        Ok(())
    }

    /// Has in memory what rows need.
    fn load(&mut self, batch: &RecordBatch) -> Result<(), Failure> {
        let Some(resident) = &mut self.resident else {
            return Ok(());
        };
        let (operator, spill) = (&mut self.operator, &mut self.spill);
        for table in 0..operator.tables().len() {
            let keys = spill.keys(table, &operator.needs(table, batch)?)?;
            let missing = resident.add(table, &keys);
            spill.load_keys(table, &missing, &mut |table, rows| operator.restore(table, &rows))?;
        }
        Ok(())
    }
}

/// The earlier of two times.
fn sooner(one: Option<EventTime>, other: Option<EventTime>) -> Option<EventTime> {
    one.into_iter().chain(other).min()
}

/// Keys that were asked for: a hash of each. That two have the same is one chance in 2^128.
#[derive(Debug, Default)]
struct Resident(HashSet<u128, FixedState>);

impl Resident {
    fn len(&self) -> usize {
        self.0.len()
    }

    /// Adds keys of a table; returns those that are new, once each and in their order.
    fn add<'a>(&mut self, table: usize, partitions: &'a Partitions) -> Vec<(u32, &'a [u8])> {
        let (low, high) = (FixedState::with_seed(1), FixedState::with_seed(2));
        let partitions = (0..partitions.len()).map(|row| partitions.get(row));
        let is_new = |(_, values): &(u32, &[u8])| {
            let hash =
                u128::from(low.hash_one((table, values))) | u128::from(high.hash_one((table, values))) << 64;
            self.0.insert(hash)
        };
        let mut missing: Vec<_> = partitions.filter(is_new).collect();
        missing.sort_unstable();
        missing
    }
}

impl Operator for SpilledWindows {
    fn on_batch(&mut self, port: usize, batch: RecordBatch, context: &mut Context) -> Result<(), Failure> {
        self.load(&batch)?;
        self.operator.on_batch(port, batch, context)?;
        self.relieve()
    }

    fn on_watermark(&mut self, watermark: EventTime, context: &mut Context) -> Result<(), Failure> {
        let since = std::mem::replace(&mut self.watermark, watermark);
        if self.begin_pass(since, false)? {
            return self.pass(context);
        }
        self.operator.on_watermark(watermark, context)
    }

    fn has_more(&self) -> bool {
        self.pass.is_some()
    }

    fn go_on(&mut self, context: &mut Context) -> Result<(), Failure> {
        self.pass(context)
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
        let since = self.watermark;
        if self.due.is_some() {
            self.watermark = EventTime::MAX;
        }
        if self.begin_pass(since, true)? {
            return self.pass(context);
        }
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
        // When they are needed is not known.
        self.due = Some(EventTime::MIN);
        self.begin_anew()
    }

    fn restored(&mut self, watermark: EventTime) -> Result<(), Failure> {
        self.leaves_rows = false;
        self.watermark = watermark;
        self.operator.restored(watermark)
    }
}
