//! The phase before the shuffle: folds raw rows to partial rows, so that fewer travel.
//!
//! Holds panes across batches and hands them on when the watermark passes their end, when the input is idle or ends, and when
//! there are too many groups, or they are too large. Keeps nothing that a checkpoint would need: at a barrier it hands on all it holds.
//!
//! When the keys hardly repeat, folding costs a hash per row and saves nothing. So whenever it hands on, it looks at how many groups the
//! rows since the last look made; above four in five it passes the next million rows through, each as a partial row of its own, then
//! tries again.

use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::{DataType, SchemaRef};
use weir_model::{EventTime, Failure};
use weir_proto::graph;

use super::{
    pane::{Pane, Panes},
    partial,
    windows::Windows,
};
use crate::operator::{
    Context, Operator,
    aggregate::{Shape, ones},
};

/// Groups held at most.
const HELD_GROUPS: usize = 100_000;
/// Bytes of them at most, about: many processes have little memory, and this is not on disk.
const HELD_BYTES: usize = 4 << 20;
/// Rows that a look at the reduction needs.
const SAMPLE_ROWS: usize = 16_384;
/// Rows passed through before folding is tried again.
const PASSED_ROWS: usize = 1_000_000;

/// Aggregates raw rows into partial rows per pane and key.
#[derive(Debug)]
pub(in crate::operator) struct LocalWindowAggregate {
    windows: Windows,
    keys: Vec<usize>,
    panes: Panes,
    output: SchemaRef,
    held_groups: usize,
    held_bytes: usize,
    reduction: Reduction,
}

/// Whether folding is worth its cost.
#[derive(Debug, Default)]
pub(in crate::operator) struct Reduction {
    rows: usize,
    groups: usize,
    /// Rows still to pass through.
    pass: usize,
}

impl Reduction {
    /// Counts rows that were folded to so many groups, and looks at them.
    pub(in crate::operator) fn saw(&mut self, rows: usize, groups: usize) {
        self.rows += rows;
        self.groups += groups;
        self.look();
    }

    /// Whether so many rows are to be passed through.
    pub(in crate::operator) fn passes(&mut self, rows: usize) -> bool {
        let passes = self.pass > 0;
        self.pass = self.pass.saturating_sub(rows);
        passes
    }

    /// Looks at the rows since the last look, if they are enough.
    fn look(&mut self) {
        if self.rows >= SAMPLE_ROWS {
            let useless = self.groups * 5 > self.rows * 4;
            *self = Self {
                pass: if useless { PASSED_ROWS } else { 0 },
                ..Self::default()
            };
        }
    }
}

impl LocalWindowAggregate {
    pub(in crate::operator) fn new(
        spec: &graph::LocalWindowAggregate,
        input: &SchemaRef,
        output: SchemaRef,
    ) -> Result<Self, Failure> {
        let keys: Vec<usize> = spec.keys.iter().map(|&k| k as usize).collect();
        if let Some(key) = keys.iter().find(|&&k| k >= input.fields().len()) {
            return Err(Failure::internal(format!("key column {key} does not exist")));
        }
        let key_types: Vec<DataType> = keys.iter().map(|&k| input.field(k).data_type().clone()).collect();
        let shapes = spec
            .aggregates
            .iter()
            .map(|a| Shape::of_raw(a, input))
            .collect::<Result<Vec<_>, _>>()?;
        partial::check(&output, &partial::types(&key_types, &shapes))?;
        Ok(Self {
            windows: Windows::new(spec.window.as_ref())?,
            keys,
            panes: Panes::new(key_types, shapes)?,
            output,
            held_groups: 0,
            held_bytes: 0,
            reduction: Reduction::default(),
        })
    }

    fn fold(&mut self, batch: &RecordBatch) -> Result<(), Failure> {
        for part in self.windows.grid.split(batch)? {
            let keys = self
                .keys
                .iter()
                .map(|&k| part.of(batch.column(k)))
                .collect::<Result<Vec<_>, _>>()?;
            let columns = self.panes.aggregates().iter().map(|a| a.column);
            let arguments = columns
                .map(|column| column.map(|c| part.of(batch.column(c))).transpose())
                .collect::<Result<Vec<_>, _>>()?;
            let pane = self.panes.pane(part.start)?;
            let (groups_before, rows) = (pane.len(), part.len(batch.num_rows()));
            pane.update(&keys, &arguments, rows)?;
            let new = pane.len() - groups_before;
            self.held_groups += new;
            self.reduction.groups += new;
            if new > 0 {
                let of_rows = bytes(keys.iter().chain(arguments.iter().flatten()));
                self.held_bytes += of_rows * new / rows.max(1);
            }
        }
        self.reduction.rows += batch.num_rows();
        Ok(())
    }

    /// Hands on the panes that end by `until`.
    fn flush(&mut self, until: EventTime, context: &mut Context) -> Result<(), Failure> {
        let windows = self.windows;
        let held = self.held_groups;
        let mut pieces = Vec::new();
        while let Some((start, pane)) = self.panes.pop(|start| windows.last(start) <= until) {
            self.held_groups -= pane.len();
            self.emit(start, &pane, &mut pieces)?;
            self.panes.recycle(start, pane)?;
        }
        if !pieces.is_empty() {
            self.held_bytes = self.held_bytes / held.max(1) * self.held_groups;
            self.reduction.look();
        }
        partial::emit_coalesced(&self.output, pieces, context)
    }

    fn emit(&self, start: i64, pane: &Pane, pieces: &mut Vec<RecordBatch>) -> Result<(), Failure> {
        for groups in partial::chunks(pane.len()) {
            let mut columns = pane.keys(groups.clone())?;
            columns.extend(pane.partials(groups.clone())?);
            columns.push(partial::moments(
                &self.output,
                columns.len(),
                vec![start; groups.len()],
            ));
            columns.push(pane.rows(groups));
            pieces.push(partial::batch(&self.output, columns)?);
        }
        Ok(())
    }

    /// The rows as partial rows of their own.
    fn pass(&self, batch: &RecordBatch) -> Result<RecordBatch, Failure> {
        let rows = batch.num_rows();
        let mut columns: Vec<ArrayRef> = self
            .keys
            .iter()
            .map(|&k| ArrayRef::clone(batch.column(k)))
            .collect();
        for aggregate in self.panes.aggregates() {
            columns.extend(aggregate.partial_of_rows(aggregate.column.map(|c| batch.column(c)), rows)?);
        }
        columns.push(partial::moments(
            &self.output,
            columns.len(),
            self.windows.grid.starts(batch)?,
        ));
        columns.push(ones(rows));
        partial::batch(&self.output, columns)
    }
}

/// How large columns are.
fn bytes<'a>(columns: impl Iterator<Item = &'a ArrayRef>) -> usize {
    // One whose size is not known counts for nothing.
    let size = |column: &ArrayRef| column.to_data().get_slice_memory_size().unwrap_or_default();
    columns.map(size).sum()
}

impl Operator for LocalWindowAggregate {
    fn on_batch(&mut self, _port: usize, batch: RecordBatch, context: &mut Context) -> Result<(), Failure> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        if self.reduction.pass > 0 {
            self.reduction.pass = self.reduction.pass.saturating_sub(batch.num_rows());
            context.emit(self.pass(&batch)?);
            return Ok(());
        }
        self.fold(&batch)?;
        if self.held_groups >= HELD_GROUPS || self.held_bytes >= HELD_BYTES {
            self.flush(EventTime::MAX, context)?;
        }
        Ok(())
    }

    fn on_watermark(&mut self, watermark: EventTime, context: &mut Context) -> Result<(), Failure> {
        self.flush(watermark, context)
    }

    fn on_idle(&mut self, context: &mut Context) -> Result<(), Failure> {
        self.flush(EventTime::MAX, context)
    }

    fn on_end(&mut self, context: &mut Context) -> Result<(), Failure> {
        self.flush(EventTime::MAX, context)
    }

    fn on_barrier(&mut self, context: &mut Context) -> Result<(), Failure> {
        self.flush(EventTime::MAX, context)
    }
}
