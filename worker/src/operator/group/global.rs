//! The phase after the shuffle: adds rows to their groups, and emits what has changed, once a batch and key.

use std::ops::Range;

use arrow_array::{ArrayRef, BooleanArray, RecordBatch};
use arrow_schema::{DataType, SchemaRef};
use arrow_select::filter::{filter, filter_record_batch};
use weir_connector::changelog;
use weir_model::Failure;
use weir_proto::graph;

use super::{
    changes::Changes,
    state::{State, Touched},
    voided::{Voided, voided},
};
use crate::{
    operator::{
        Context, Operator,
        aggregate::{Shape, Shapes, partial_columns, parts},
        keys::{Groups, normal_columns},
        window::partial::{self, Layout},
    },
    state::{Scope, Snapshot, Table, table::Part},
};

/// Aggregates rows into results that change.
#[derive(Debug)]
pub(in crate::operator) struct GroupAggregate {
    keys: Vec<usize>,
    shapes: Shapes,
    /// The columns that the accumulators are kept in.
    parts: Vec<Part>,
    /// Where the columns of partial rows are; none: the input is raw rows.
    layout: Option<Layout>,
    pub(super) state: State,
    output: SchemaRef,
}

impl GroupAggregate {
    pub(in crate::operator) fn new(
        spec: &graph::GroupAggregate,
        input: &SchemaRef,
        output: SchemaRef,
    ) -> Result<Self, Failure> {
        let keys = key_columns(&spec.keys, input)?;
        let key_types: Vec<DataType> = keys.iter().map(|&k| input.field(k).data_type().clone()).collect();
        let (shapes, layout) = if spec.partial {
            let (shapes, layout) = partial_shapes(spec, keys.len(), input)?;
            (shapes, Some(layout))
        } else {
            let retracts = changelog::is_changelog(input);
            let shape = |a| Shape::of_raw(a, input).map(|s: Shape| if retracts { s.retracting() } else { s });
            (
                spec.aggregates.iter().map(shape).collect::<Result<Vec<_>, _>>()?,
                None,
            )
        };
        let mut types = key_types.clone();
        types.extend(shapes.iter().map(|s| s.result_type().clone()));
        types.extend(changelog::is_changelog(&output).then_some(DataType::Int8));
        partial::check(&output, &types)?;
        Ok(Self {
            state: State::new(key_types, &shapes, spec.state_ttl_ms)?,
            keys,
            parts: parts(&shapes)?,
            shapes,
            layout,
            output,
        })
    }

    fn add(&mut self, touched: &Touched, batch: &RecordBatch) -> Result<(), Failure> {
        let all = Groups {
            ids: touched.ids.as_deref(),
            rows: batch.num_rows(),
            total: touched.total,
        };
        if let Some(layout) = &self.layout {
            let columns = |range: Range<usize>| batch.columns()[range].to_vec();
            let partials: Vec<_> = layout.partials.iter().map(|p| columns(p.clone())).collect();
            return self.state.merge(all, &partials, batch.column(layout.pane));
        }
        let arguments: Vec<_> = self
            .shapes
            .iter()
            .map(|s| s.column.map(|c| ArrayRef::clone(batch.column(c))))
            .collect();
        let Some(ops) = changelog::ops(batch) else {
            return self.state.update(all, &arguments);
        };
        let added: BooleanArray = ops.values().iter().map(|&op| Some(changelog::adds(op))).collect();
        let removed: BooleanArray = added.values().iter().map(|added| Some(!added)).collect();
        self.change(all, &arguments, &added, State::update)?;
        self.change(all, &arguments, &removed, State::retract)
    }

    /// Leaves out of a batch what is void, and gives groups that lost their last row new ones. Returns the groups in their order.
    fn without_void(
        &mut self,
        batch: RecordBatch,
        touched: &mut Touched,
        now_ms: i64,
    ) -> Result<(RecordBatch, Vec<u32>), Failure> {
        let groups = touched.groups.clone();
        let Some(ops) = changelog::ops(&batch).filter(|_| self.state.expires()) else {
            return Ok((batch, groups));
        };
        let known = &groups[..touched.known];
        let rows_of = |group: u32| match known.binary_search(&group) {
            Ok(_) => self.state.rows(&[group])[0],
            Err(_) => 0,
        };
        let Some(Voided { kept, emptied }) = voided(ops, touched.ids.as_deref(), rows_of) else {
            return Ok((batch, groups));
        };
        let first = touched.total as u32;
        self.state.renew(&emptied, touched, now_ms)?;
        let groups = match &mut touched.ids {
            None => groups,
            Some(ids) => {
                let rows = kept.values().set_indices();
                *ids = rows.map(|row| ids[row]).collect();
                let renewed = |group| emptied.binary_search(&group).map(|at| first + at as u32);
                groups.into_iter().map(|g| renewed(g).unwrap_or(g)).collect()
            }
        };
        let batch = filter_record_batch(&batch, &kept);
        let batch = batch.map_err(|e| Failure::internal(format!("cannot leave changes out: {e}")))?;
        Ok((batch, groups))
    }

    /// Takes some of the rows. Without any, too: new groups must be known to every accumulator.
    fn change(
        &mut self,
        groups: Groups<'_>,
        arguments: &[Option<ArrayRef>],
        rows: &BooleanArray,
        take: impl Fn(&mut State, Groups<'_>, &[Option<ArrayRef>]) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let pick = |column: &ArrayRef| {
            filter(column, rows).map_err(|e| Failure::internal(format!("cannot pick changes: {e}")))
        };
        let arguments = arguments
            .iter()
            .map(|argument| argument.as_ref().map(pick).transpose())
            .collect::<Result<Vec<_>, _>>()?;
        let ids: Option<Vec<u32>> = groups
            .ids
            .map(|ids| rows.values().set_indices().map(|row| ids[row]).collect());
        let groups = Groups {
            ids: ids.as_deref(),
            rows: rows.true_count(),
            total: groups.total,
        };
        take(&mut self.state, groups, &arguments)
    }
}

impl Operator for GroupAggregate {
    fn on_batch(&mut self, _port: usize, batch: RecordBatch, context: &mut Context) -> Result<(), Failure> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        let keys: Vec<ArrayRef> = self
            .keys
            .iter()
            .map(|&k| ArrayRef::clone(batch.column(k)))
            .collect();
        let mut touched = self.state.touch(&keys, batch.num_rows(), context.now_ms)?;
        let known = &touched.groups[..touched.known];
        let before = self.state.results(known)?;
        let rows_before = self.state.rows(known);
        let (batch, groups) = self.without_void(batch, &mut touched, context.now_ms)?;
        self.add(&touched, &batch)?;
        let changes = Changes {
            keys: self.state.keys(&groups)?,
            before,
            after: self.state.results(&groups)?,
            rows_before,
            rows_after: self.state.rows(&groups),
            repeats: self.state.expires(),
        };
        context.emit(changes.batch(&self.output)?);
        let died = changes.rows_after.iter().filter(|rows| **rows == 0).count();
        let revived = changes.rows_before.iter().filter(|rows| **rows == 0).count();
        self.state.bury(died, revived)
    }

    fn tables(&self) -> Vec<Table> {
        vec![self.state.table(&self.parts)]
    }

    fn track_changes(&mut self) {
        self.state.track_changes();
    }

    fn snapshot(&mut self, scope: Scope, into: &mut Snapshot) -> Result<(), Failure> {
        self.state.snapshot(scope, into)
    }

    fn freeze(&mut self, into: &mut Snapshot) -> Result<bool, Failure> {
        self.state.freeze(into)
    }

    fn thaw(&mut self, rows: usize, into: &mut Snapshot) -> Result<bool, Failure> {
        self.state.thaw(rows, into)
    }

    fn restore(&mut self, _table: usize, rows: &RecordBatch) -> Result<(), Failure> {
        let (keys, state) = rows.columns().split_at(self.keys.len());
        self.state.restore(keys, state)
    }

    fn is_partitioned(&self) -> bool {
        true
    }

    fn partition(&self, _port: usize, batch: &RecordBatch) -> Vec<ArrayRef> {
        normal_columns(batch, &self.keys)
    }

    fn is_timed(&self) -> bool {
        self.state.expires()
    }

    fn timer_ms(&self) -> Option<i64> {
        self.state.timer_ms()
    }

    fn on_processing_time(&mut self, context: &mut Context) -> Result<(), Failure> {
        self.state.sweep(context.now_ms)
    }
}

/// The positions of key columns, which must exist.
pub(super) fn key_columns(keys: &[u32], input: &SchemaRef) -> Result<Vec<usize>, Failure> {
    match keys.iter().find(|&&key| key as usize >= input.fields().len()) {
        Some(key) => Err(Failure::internal(format!("key column {key} does not exist"))),
        None => Ok(keys.iter().map(|&key| key as usize).collect()),
    }
}

/// The aggregates of partial rows, and where their columns are. The count of rows stands where a pane would.
fn partial_shapes(
    spec: &graph::GroupAggregate,
    keys: usize,
    input: &SchemaRef,
) -> Result<(Shapes, Layout), Failure> {
    let layout = Layout::new(keys, spec.aggregates.iter().map(partial_columns));
    if input.fields().len() != layout.pane + 1 {
        return Err(Failure::internal(format!(
            "an aggregate over {} columns instead of {}",
            input.fields().len(),
            layout.pane + 1
        )));
    }
    let shape = |(aggregate, columns): (&graph::Aggregate, &Range<usize>)| {
        Shape::of_partial(aggregate, input.field(columns.start).data_type())
    };
    let shapes = spec.aggregates.iter().zip(&layout.partials).map(shape);
    Ok((shapes.collect::<Result<_, _>>()?, layout))
}
