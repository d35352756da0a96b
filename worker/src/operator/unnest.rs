//! Rows multiplied: once per element of an array or entry of a map, or as often as a number says. Stateless.
//!
//! Changes pass through: a row that is taken back takes back all the rows that it was multiplied to.

use std::sync::Arc;

use arrow_array::{
    Array, ArrayRef, Int32Array, RecordBatch, RecordBatchOptions, UInt32Array, cast::AsArray,
    types::Int64Type,
};
use arrow_schema::{ArrowError, DataType, SchemaRef};
use arrow_select::take::take;
use weir_model::Failure;
use weir_proto::graph;

use super::{Context, Operator};
use crate::expression::struct_field;

/// Rows of an emitted batch, about.
const EMIT_ROWS: usize = 8192;

/// Multiplies rows.
#[derive(Debug)]
pub(super) struct Unnest {
    /// What rows are multiplied by.
    column: usize,
    /// The input's columns that are passed on, before those of the elements; what a change does comes last.
    passed: Vec<usize>,
    op: Option<usize>,
    /// The columns of the elements that are emitted; the one after the last is the position.
    elements: Vec<usize>,
    outer: bool,
    output: SchemaRef,
}

/// The elements of all rows of a batch.
struct Elements {
    /// Where those of each row begin, and after the last where they end; none: rows are repeated.
    offsets: Option<arrow_buffer::OffsetBuffer<i32>>,
    /// How many each row has.
    counts: Vec<u32>,
    columns: Vec<ArrayRef>,
}

/// Marks a row without elements.
const NONE: u32 = u32::MAX;

/// Rows to emit.
#[derive(Default)]
struct Picks {
    rows: Vec<u32>,
    /// The element of each, or [`NONE`].
    elements: Vec<u32>,
}

impl Unnest {
    pub(super) fn new(spec: &graph::Unnest, input: &SchemaRef, output: SchemaRef) -> Result<Self, Failure> {
        let fields = input.fields();
        let column = spec.column as usize;
        let numbers = |values: &[u32]| values.iter().map(|v| *v as usize).collect::<Vec<_>>();
        let passed = numbers(&spec.passed);
        let is_changelog = weir_connector::changelog::is_changelog(input);
        let emitted = passed.len() + spec.elements.len() + usize::from(is_changelog);
        if column.max(passed.iter().copied().max().unwrap_or(0)) >= fields.len()
            || emitted != output.fields().len()
        {
            return Err(Failure::internal("the columns of an unnest do not fit together"));
        }
        match fields[column].data_type() {
            DataType::List(_) | DataType::Map(..) | DataType::Int64 => Ok(Self {
                column,
                passed,
                op: is_changelog.then(|| fields.len() - 1),
                elements: numbers(&spec.elements),
                outer: spec.outer,
                output,
            }),
            other => Err(Failure::internal(format!("rows cannot be multiplied by {other}"))),
        }
    }

    fn emit(
        &self,
        batch: &RecordBatch,
        elements: &Elements,
        picks: &mut Picks,
        context: &mut Context,
    ) -> Result<(), Failure> {
        let Picks {
            rows,
            elements: picked,
        } = std::mem::take(picks);
        if rows.is_empty() {
            return Ok(());
        }
        let needs_positions = self.elements.iter().any(|e| *e >= elements.columns.len());
        let positions = needs_positions.then(|| elements.positions(&rows, &picked));
        let count = rows.len();
        let rows = UInt32Array::from(rows);
        let mut columns = Vec::with_capacity(self.output.fields().len());
        for &column in &self.passed {
            columns.push(take(batch.column(column), &rows, None).map_err(broken)?);
        }
        for &element in &self.elements {
            columns.push(match (elements.columns.get(element), &positions) {
                (Some(column), _) => pick(column, &picked)?,
                (None, Some(positions)) => Arc::clone(positions),
                (None, None) => return Err(Failure::internal("an unnest without positions")),
            });
        }
        if let Some(op) = self.op {
            columns.push(take(batch.column(op), &rows, None).map_err(broken)?);
        }
        let options = RecordBatchOptions::new().with_row_count(Some(count));
        let rows = RecordBatch::try_new_with_options(Arc::clone(&self.output), columns, &options);
        context.emit(rows.map_err(broken)?);
        Ok(())
    }
}

/// Some elements of a column; without a copy where they follow each other.
fn pick(column: &ArrayRef, elements: &[u32]) -> Result<ArrayRef, Failure> {
    let follow = elements.windows(2).all(|pair| pair[1] == pair[0].wrapping_add(1));
    match elements.first() {
        Some(&first) if follow && first != NONE => Ok(column.slice(first as usize, elements.len())),
        _ => {
            let some = elements
                .iter()
                .map(|&element| (element != NONE).then_some(element));
            take(column, &some.collect::<UInt32Array>(), None).map_err(broken)
        }
    }
}

impl Elements {
    fn of(column: &ArrayRef) -> Self {
        match column.data_type() {
            DataType::List(_) => {
                let list = column.as_list::<i32>();
                Self::nested(column, list.offsets().clone(), columns_of(list.values()))
            }
            DataType::Map(..) => {
                let map = column.as_map();
                let columns = vec![Arc::clone(map.keys()), Arc::clone(map.values())];
                Self::nested(column, map.offsets().clone(), columns)
            }
            _ => {
                let counts = column.as_primitive::<Int64Type>().iter();
                Self {
                    offsets: None,
                    counts: counts
                        .map(|n| u32::try_from(n.unwrap_or(0).max(0)).unwrap_or(u32::MAX))
                        .collect(),
                    columns: Vec::new(),
                }
            }
        }
    }

    fn nested(column: &ArrayRef, offsets: arrow_buffer::OffsetBuffer<i32>, columns: Vec<ArrayRef>) -> Self {
        let lengths = offsets.lengths().enumerate();
        let counts = lengths.map(|(row, length)| if column.is_valid(row) { length as u32 } else { 0 });
        Self {
            counts: counts.collect(),
            offsets: Some(offsets),
            columns,
        }
    }

    /// The place of each element within its row, from 1.
    fn positions(&self, rows: &[u32], elements: &[u32]) -> ArrayRef {
        let places = rows.iter().zip(elements).map(|(&row, &element)| {
            (element != NONE).then(|| (element - self.first(row as usize)) as i32 + 1)
        });
        Arc::new(places.collect::<Int32Array>())
    }

    /// The first element of a row.
    fn first(&self, row: usize) -> u32 {
        self.offsets.as_ref().map_or(0, |offsets| offsets[row] as u32)
    }
}

/// The columns of elements: the fields of rows, where a row that is null has only nulls.
fn columns_of(values: &ArrayRef) -> Vec<ArrayRef> {
    match values.data_type() {
        DataType::Struct(fields) => (0..fields.len())
            .map(|field| struct_field(values, field))
            .collect(),
        _ => vec![Arc::clone(values)],
    }
}

impl Operator for Unnest {
    fn on_batch(&mut self, _port: usize, batch: RecordBatch, context: &mut Context) -> Result<(), Failure> {
        let elements = Elements::of(batch.column(self.column));
        let mut picks = Picks::default();
        for (row, &count) in (0_u32..).zip(&elements.counts) {
            if count == 0 && self.outer {
                picks.rows.push(row);
                picks.elements.push(NONE);
            }
            let first = elements.first(row as usize);
            let mut done = 0;
            while done < count {
                let room = EMIT_ROWS.saturating_sub(picks.rows.len()).max(1) as u32;
                let part = room.min(count - done);
                picks.rows.extend(std::iter::repeat_n(row, part as usize));
                picks.elements.extend(first + done..first + done + part);
                done += part;
                if picks.rows.len() >= EMIT_ROWS {
                    self.emit(&batch, &elements, &mut picks, context)?;
                }
            }
        }
        self.emit(&batch, &elements, &mut picks, context)
    }
}

fn broken(error: ArrowError) -> Failure {
    Failure::internal(format!("rows cannot be multiplied: {error}"))
}

#[cfg(test)]
mod tests {
    use arrow_array::{
        Int64Array,
        builder::{Int32Builder, ListBuilder},
    };
    use arrow_schema::{Field, Schema};

    use super::*;

    /// The `n` of every row, and its elements, as an unnest by `column` emits them.
    fn unnest(
        batch: &RecordBatch,
        column: u32,
        elements: &[u32],
        outer: bool,
    ) -> Vec<(i64, Vec<Option<i32>>)> {
        let mut fields = vec![batch.schema().field(0).clone()];
        fields.extend(
            elements
                .iter()
                .map(|i| Field::new(format!("e{i}"), DataType::Int32, true)),
        );
        let spec = graph::Unnest {
            column,
            passed: vec![0],
            elements: elements.to_vec(),
            outer,
        };
        let output = Arc::new(Schema::new(fields));
        let mut operator = Unnest::new(&spec, &batch.schema(), output).expect("the columns fit");
        let mut context = Context::default();
        operator
            .on_batch(0, batch.clone(), &mut context)
            .expect("it runs");
        let mut rows = Vec::new();
        for batch in context.emitted {
            assert!(batch.num_rows() <= EMIT_ROWS, "{} rows", batch.num_rows());
            let numbers = batch.column(0).as_primitive::<Int64Type>();
            for row in 0..batch.num_rows() {
                let cell = |c: &ArrayRef| {
                    let c = c.as_primitive::<arrow_array::types::Int32Type>();
                    c.is_valid(row).then(|| c.value(row))
                };
                rows.push((
                    numbers.value(row),
                    batch.columns()[1..].iter().map(cell).collect(),
                ));
            }
        }
        rows
    }

    fn batch(lists: &[Option<Vec<Option<i32>>>]) -> RecordBatch {
        let mut builder = ListBuilder::new(Int32Builder::new());
        for list in lists {
            match list {
                Some(list) => builder.append_value(list.iter().copied()),
                None => builder.append_null(),
            }
        }
        let numbers: ArrayRef = Arc::new((0..lists.len() as i64).collect::<Int64Array>());
        let lists: ArrayRef = Arc::new(builder.finish());
        RecordBatch::try_from_iter([("n", numbers), ("list", lists)]).expect("a batch")
    }

    #[test]
    fn rows_come_once_per_element_in_order() {
        let rows = batch(&[Some(vec![Some(7), None]), Some(vec![]), None, Some(vec![Some(8)])]);
        assert_eq!(
            unnest(&rows, 1, &[0, 1], false),
            [
                (0, vec![Some(7), Some(1)]),
                (0, vec![None, Some(2)]),
                (3, vec![Some(8), Some(1)])
            ]
        );
        assert_eq!(
            unnest(&rows, 1, &[1, 0], true)[2..4],
            [(1, vec![None, None]), (2, vec![None, None])]
        );
    }

    #[test]
    fn a_slice_has_the_elements_of_its_rows() {
        let rows = batch(&[
            Some(vec![Some(1)]),
            Some(vec![Some(2), Some(3)]),
            Some(vec![Some(4)]),
        ]);
        assert_eq!(
            unnest(&rows.slice(1, 1), 1, &[0], false),
            [(1, vec![Some(2)]), (1, vec![Some(3)])]
        );
    }

    #[test]
    fn long_arrays_come_in_several_batches() {
        let long: Vec<Option<i32>> = (0..20_000).map(Some).collect();
        let rows = batch(&[Some(vec![Some(-1)]), Some(long.clone()), Some(long)]);
        let emitted = unnest(&rows, 1, &[0, 1], false);
        assert_eq!(emitted.len(), 40_001);
        assert_eq!(emitted[40_000], (2, vec![Some(19_999), Some(20_000)]));
        assert_eq!(emitted[20_001], (2, vec![Some(0), Some(1)]));
    }

    #[test]
    fn a_number_repeats_rows() {
        let numbers: ArrayRef = Arc::new(Int64Array::from(vec![Some(2), Some(0), None, Some(-3), Some(1)]));
        let rows = RecordBatch::try_from_iter_with_nullable([("n", numbers, true)]).expect("a batch");
        let emitted: Vec<i64> = unnest(&rows, 0, &[], false).into_iter().map(|(n, _)| n).collect();
        assert_eq!(emitted, [2, 2, 1]);
    }
}
