//! Operators: synchronous callbacks over batches and watermarks.
//!
//! The runtime owns threads, channels, watermark merging, end of input and metrics, once for all operators; an operator
//! sees merged watermarks and rows, and emits rows. Nothing in here waits, does I/O or reads a clock.
//!
//! - [`source`]: what a source computes on the rows it reads, and its watermarks. Leans on `expression`.
//! - `calc`: filter and projection. Leans on `expression`.
//! - `columns`: columns as plain numbers. Leans on nothing.
//! - `keys`: group tables. Leans on `columns`.
//! - `waiting`: rows that wait for their time. Leans on `columns`.
//! - `ttl`: which groups were written when, and which go. Leans on nothing.
//! - `match_recognize`: patterns in the rows of each key. Leans on `aggregate` and `rank`.
//! - `processing_time`: stamps rows with the time at which they pass. Leans on nothing.
//! - `rank`: the first rows of each key: Top-N, deduplication, LIMIT. Leans on `keys`.
//! - `sort`: rows in the order of their event time. Leans on nothing.
//! - `union`: the rows of several inputs as one. Leans on nothing.
//! - `unnest`: rows multiplied by what is in them. Leans on `expression`.
//! - `aggregate`: vectorised accumulators. Leans on `keys`.
//! - `group`: aggregation without windows, as a changelog. Leans on `aggregate`.
//! - `join`: joins of two inputs. Leans on `keys`.
//! - `count_window`: windows of so many rows. Leans on `aggregate`.
//! - `temporal`: joins with the version that is valid at a row's time. Leans on `keys` and `rank`.
//! - [`lookup`]: what a lookup join computes on rows and answers. Leans on `expression`.
//! - `over`: functions of the rows before each row. Leans on `aggregate` and `rank`.
//! - `window`: aggregation by event-time windows in two phases. Leans on `aggregate`.

mod aggregate;
mod calc;
mod columns;
mod count_window;
mod group;
mod join;
mod keys;
pub mod lookup;
mod match_recognize;
mod over;
mod processing_time;
mod rank;
#[cfg(test)]
mod rehearsal;
mod sort;
pub mod source;
mod temporal;
mod ttl;
mod union;
mod unnest;
mod waiting;
mod window;

use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::SchemaRef;
use weir_functions::{chance::Bits, clock::Reading};
use weir_model::{EventTime, Failure};
use weir_proto::{
    graph::{self, operator::Spec},
    schema,
};

use crate::{
    expression::Surroundings,
    state::{Scope, Snapshot, Table},
};

use calc::Calc;
use count_window::{CountWindow, CountWindowAggregate};
use group::{GroupAggregate, LocalGroupAggregate};
use join::{Join, TimedJoin};
use match_recognize::MatchRecognize;
use processing_time::ProcessingTime;
use sort::Sort;
use temporal::TemporalJoin;
use union::Union;
use unnest::Unnest;
use window::{
    LocalWindowAggregate, SessionAggregate, SessionTable, UpdatingWindowAggregate, WindowAggregate,
    WindowTable,
};

/// The operator of the job graph, over input rows of these schemas, by port. Sources, lookup joins and sinks are the
/// runtime's.
///
/// # Errors
/// An internal failure for a graph that does not fit together; a user failure for types that cannot be aggregated.
pub fn build(
    operator: &graph::Operator,
    inputs: impl IntoIterator<Item = SchemaRef>,
) -> Result<Box<dyn Operator>, Failure> {
    let inputs: Vec<SchemaRef> = inputs.into_iter().collect();
    let output = schema::decode(&operator.schema).map_err(|e| {
        Failure::internal(format!(
            "the schema of operator {} cannot be read: {e}",
            operator.id
        ))
    })?;
    let input = inputs
        .first()
        .ok_or_else(|| Failure::internal(format!("operator {} has no input", operator.id)))?;
    match &operator.spec {
        Some(Spec::Calc(spec)) => Ok(Box::new(Calc::new(spec, input, output)?)),
        Some(Spec::LocalWindowAggregate(spec)) => {
            Ok(Box::new(LocalWindowAggregate::new(spec, input, output)?))
        }
        Some(Spec::WindowAggregate(spec)) if spec.emit.is_some() => {
            Ok(Box::new(UpdatingWindowAggregate::new(spec, input, output)?))
        }
        Some(Spec::WindowAggregate(spec)) => Ok(Box::new(WindowAggregate::new(spec, input, output)?)),
        Some(Spec::SessionAggregate(spec)) => Ok(Box::new(SessionAggregate::new(spec, input, output)?)),
        Some(Spec::SessionTable(spec)) => Ok(Box::new(SessionTable::new(spec, input, output)?)),
        Some(Spec::ProcessingTime(spec)) => Ok(Box::new(ProcessingTime::new(spec, input, output)?)),
        Some(Spec::CountWindow(spec)) => Ok(Box::new(CountWindow::new(spec, input, output)?)),
        Some(Spec::CountWindowAggregate(spec)) => {
            Ok(Box::new(CountWindowAggregate::new(spec, input, output)?))
        }
        Some(Spec::WindowTable(spec)) => Ok(Box::new(WindowTable::new(spec, input, output)?)),
        Some(Spec::LocalGroupAggregate(spec)) => Ok(Box::new(LocalGroupAggregate::new(spec, input, output)?)),
        Some(Spec::GroupAggregate(spec)) => Ok(Box::new(GroupAggregate::new(spec, input, output)?)),
        Some(Spec::Join(spec)) => match &spec.time {
            Some(time) => Ok(Box::new(TimedJoin::new(spec, time, &inputs, output)?)),
            None => Ok(Box::new(Join::new(spec, &inputs, output)?)),
        },
        Some(Spec::Unnest(spec)) => Ok(Box::new(Unnest::new(spec, input, output)?)),
        Some(Spec::TemporalJoin(spec)) => Ok(Box::new(TemporalJoin::new(spec, &inputs, output)?)),
        Some(Spec::Union(_)) => Ok(Box::new(Union::new(&inputs, output)?)),
        Some(Spec::Sort(spec)) => Ok(Box::new(Sort::new(spec, input)?)),
        Some(Spec::MatchRecognize(spec)) => Ok(Box::new(MatchRecognize::new(spec, input, output)?)),
        Some(Spec::Rank(spec)) => rank::build(spec, input, output),
        Some(Spec::OverAggregate(spec)) => over::build(spec, input, output),
        Some(Spec::Source(_) | Spec::LookupJoin(_) | Spec::Sink(_)) => Err(Failure::internal(format!(
            "operator {} reads, asks or writes and is not built here",
            operator.id
        ))),
        None => Err(Failure::internal(format!(
            "operator {} is of a kind that this version does not know",
            operator.id
        ))),
    }
}

/// A step of a task.
///
/// Calls come in the channel's order: any number of `on_batch` and `on_watermark`, then `on_watermark(EventTime::MAX)`
/// if the input has event time, then `on_end` once.
pub trait Operator: Send {
    /// Rows arrived on an input port.
    fn on_batch(&mut self, port: usize, batch: RecordBatch, context: &mut Context) -> Result<(), Failure>;

    /// The merged event time of the input has risen to `watermark`: no rows with an earlier or equal time are expected.
    ///
    /// The runtime forwards the watermark after the rows that are emitted in here.
    fn on_watermark(&mut self, watermark: EventTime, context: &mut Context) -> Result<(), Failure> {
        let _ = (watermark, context);
        Ok(())
    }

    /// The event time that the next operators may reach when this one has reached `watermark`: an operator that emits rows
    /// with earlier times later on holds it back.
    fn output_watermark(&self, watermark: EventTime) -> EventTime {
        watermark
    }

    /// The input is idle: nothing more to do until the next call. A stateless pre-aggregation hands on what it holds.
    fn on_idle(&mut self, context: &mut Context) -> Result<(), Failure> {
        let _ = context;
        Ok(())
    }

    /// Whether its own watermarks take the place of its input's: those, and idleness, go no further.
    fn tells_time(&self) -> bool {
        false
    }

    /// Whether it asks for the time: `context.now_ms` is set in its calls, and its timer is looked at.
    fn is_timed(&self) -> bool {
        self.tells_time()
    }

    /// When it wants `on_processing_time`, ms since 1970; none: never. Only of an operator that is timed.
    fn timer_ms(&self) -> Option<i64> {
        None
    }

    /// The time that it wanted has come: `context.now_ms` is not before it.
    fn on_processing_time(&mut self, context: &mut Context) -> Result<(), Failure> {
        let _ = context;
        Ok(())
    }

    /// All input has ended.
    fn on_end(&mut self, context: &mut Context) -> Result<(), Failure> {
        let _ = context;
        Ok(())
    }

    /// A checkpoint is about to be taken: hands on what it holds and does not keep as state, as a pre-aggregation does.
    fn on_barrier(&mut self, context: &mut Context) -> Result<(), Failure> {
        let _ = context;
        Ok(())
    }

    /// The tables that its state is rows of, always the same; none: there is nothing to keep once [`on_barrier`](Self::on_barrier) has run.
    fn tables(&self) -> Vec<Table> {
        Vec::new()
    }

    /// From now on it notes what changes, for [`Scope::Changes`]. The rows that it was restored with are known already.
    fn track_changes(&mut self) {}

    /// Says what is in its state, or what has changed there. Leaves the state as it is.
    ///
    /// An operator whose changes are tracked is asked for [`Scope::Changes`] at every checkpoint. Being asked for [`Scope::All`]
    /// leaves what is noted as it is. Cost: of what is said, by the column; it holds rows up, so milliseconds.
    fn snapshot(&mut self, scope: Scope, into: &mut Snapshot) -> Result<(), Failure> {
        let _ = (scope, into);
        Ok(())
    }

    /// Begins to say what has changed, as [`Scope::Changes`] does, and returns whether there is more, which is what is in its state now: that
    /// is said by [`thaw`](Self::thaw), and rows may come in between. Rows wait for this call, so it is short however much there is.
    fn freeze(&mut self, into: &mut Snapshot) -> Result<bool, Failure> {
        self.snapshot(Scope::Changes, into)?;
        Ok(false)
    }

    /// Says so many rows more, about, of what is frozen. Returns whether there is still more.
    fn thaw(&mut self, rows: usize, into: &mut Snapshot) -> Result<bool, Failure> {
        let _ = (rows, into);
        Ok(false)
    }

    /// Takes rows of a table of the state that it begins with, before any other call.
    ///
    /// The rows of one partition come in the order of their keys, with no other between, and those of each table behind those of
    /// the tables before it; batches may end anywhere.
    fn restore(&mut self, table: usize, rows: &RecordBatch) -> Result<(), Failure> {
        let _ = rows;
        Err(Failure::internal(format!(
            "an operator without state was to be restored with rows of its table {table}"
        )))
    }

    /// Whether the rows at hand need the state of their own [partitions](Self::partition) alone, and nothing else ever needs any but event time
    /// the rows that are [due](crate::state::table::Due): then its state may be taken from it, and a partition be
    /// [given back](Self::restore) before rows of it come or are due, while others are there; behind that, [`restored`](Self::restored) is
    /// called again, with the watermark before the one that is told next. What is due is gone, or written anew, when that has been told.
    fn is_partitioned(&self) -> bool {
        false
    }

    /// The columns of rows of its input by which its state is partitioned, as they are in its tables. Only of an operator that is.
    fn partition(&self, port: usize, batch: &RecordBatch) -> Vec<ArrayRef> {
        let _ = (port, batch);
        Vec::new()
    }

    /// Whether its state may be taken from it as long as event time does not need it: rows at hand need the [rows](Self::needs) of its state
    /// with their own keys alone, and a watermark needs any only if it reaches what is [due](Self::due). Then it needs all of a key at
    /// once, and may see keys one after the other, each time as if restored at the watermark before.
    fn is_windowed(&self) -> bool {
        false
    }

    /// The columns of the key of a table of its state, of what rows of its input need there. Only of an operator that is windowed.
    fn needs(&self, table: usize, batch: &RecordBatch) -> Result<Vec<ArrayRef>, Failure> {
        let _ = (table, batch);
        Ok(Vec::new())
    }

    /// No watermark before this needs any of what it keeps; none: it keeps nothing. Only of an operator that is windowed.
    fn due(&self) -> Option<EventTime> {
        None
    }

    /// Whether it has more to emit than it has after the last watermark or the end: it is to [go on](Self::go_on) when the rows emitted have
    /// left, before anything else.
    fn has_more(&self) -> bool {
        false
    }

    /// Emits some more.
    fn go_on(&mut self, context: &mut Context) -> Result<(), Failure> {
        let _ = context;
        Ok(())
    }

    /// All rows were given. Its event time had come to `watermark`, which is not said again.
    fn restored(&mut self, watermark: EventTime) -> Result<(), Failure> {
        let _ = watermark;
        Ok(())
    }
}

/// What an operator can reach during a call.
#[derive(Debug, Default)]
pub struct Context {
    /// Batches emitted, in order; the runtime takes them after the call.
    pub emitted: Vec<RecordBatch>,
    /// The time, ms since 1970; never goes back. The runtime sets it where an operator [asks for it](Operator::is_timed).
    pub now_ms: i64,
    /// How far event time had come at an operator when the batch at hand came; none: nowhere yet. The runtime sets it.
    pub reached: Option<EventTime>,
    /// Where chance comes from: the runtime says with what it begins.
    pub chance: Bits,
    /// The watermark that an operator that tells time has come to, said behind the rows emitted.
    pub watermark: Option<EventTime>,
    /// Rows that came too late and were not used, counted since the runtime last took the number.
    pub late_rows: u64,
    /// Which rows of the batch of this call those are, as far as [`drop_late`](Self::drop_late) said so.
    pub late: Vec<u32>,
}

impl Context {
    /// What expressions may know besides their rows. `seed` is the operator's own, filled at the first time.
    pub fn surroundings(&mut self, seed: &mut Option<u64>) -> Surroundings {
        Surroundings {
            reading: Reading {
                now_ms: self.now_ms,
                watermark_ms: self.reached.map(|at| at.0),
            },
            seed: *seed.get_or_insert_with(|| self.chance.next()),
        }
    }

    /// Hands rows to the next operator. Empty batches go nowhere.
    pub fn emit(&mut self, batch: RecordBatch) {
        if batch.num_rows() > 0 {
            self.emitted.push(batch);
        }
    }

    /// Drops rows of the batch of this call that came too late, by their positions in it: they are counted, and go where the job sends
    /// late rows.
    pub fn drop_late(&mut self, rows: impl IntoIterator<Item = u32>) {
        let before = self.late.len();
        self.late.extend(rows);
        self.late_rows += (self.late.len() - before) as u64;
    }
}
