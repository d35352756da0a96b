//! What expressions read of a match: columns of its rows by variable and position, and aggregates of them.

use std::{collections::VecDeque, ops::Range};

use arrow_array::{
    Array, ArrayRef, Int64Array, RecordBatch, RecordBatchOptions, UInt32Array, cast::AsArray, new_null_array,
    types::Int64Type,
};
use arrow_schema::{ArrowError, SchemaRef};
use arrow_select::take::take;
use weir_model::Failure;
use weir_proto::{
    graph::{self, AggregateFunction},
    schema,
};

use super::runs::Run;
use crate::operator::{
    aggregate::Shape,
    keys::Groups,
    rank::rows::{NO_ROW, RowStore},
};

/// Rows that a key without any keeps room for.
const IDLE_ROWS: usize = 16;

/// The rows of a key that its partial matches still need, by their numbers.
#[derive(Debug, Default)]
pub(super) struct KeyRows {
    /// Where each row is kept.
    places: VecDeque<u32>,
    /// The number of the first one.
    first: u64,
}

/// Columns of matches, which expressions are over.
#[derive(Debug)]
pub(super) struct Values {
    values: Vec<Value>,
    schema: SchemaRef,
}

/// One column.
#[derive(Debug)]
struct Value {
    /// Of the rows of this variable; none: of all rows of the match.
    variable: Option<usize>,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    /// A column of one row: so many behind the first or before the last one.
    Row {
        from_first: bool,
        offset: u64,
        column: usize,
    },
    Aggregate {
        shape: Shape,
        /// Whether no rows give 0 instead of null.
        counts: bool,
    },
}

/// Matches whose columns are to be computed, as the places of rows.
#[derive(Debug, Default)]
pub(super) struct Picked {
    columns: Vec<Places>,
    matches: usize,
}

/// Places of rows: one per match, or of an aggregate any number, with the match of each.
#[derive(Debug, Default)]
struct Places {
    rows: Vec<u32>,
    matches: Vec<u32>,
}

impl KeyRows {
    /// Adds the next row.
    pub(super) fn push(&mut self, place: u32) {
        self.places.push_back(place);
    }

    /// The number of the last row.
    pub(super) fn last(&self) -> u64 {
        self.first + (self.places.len() as u64).saturating_sub(1)
    }

    /// The numbers of all rows.
    pub(super) fn numbers(&self) -> Range<u64> {
        self.first..self.first + self.places.len() as u64
    }

    /// The rows from a number on, each with the place where it is kept.
    pub(super) fn from(&self, number: u64) -> impl Iterator<Item = (u64, u32)> + '_ {
        let skipped = number.saturating_sub(self.first);
        let places = self.places.iter().copied().skip(skipped as usize);
        (self.first + skipped..).zip(places)
    }

    /// Takes a row that was kept once; whether its number is the next one.
    pub(super) fn restore(&mut self, number: u64, place: u32) -> bool {
        if self.places.is_empty() {
            self.first = number;
        }
        self.places.push_back(place);
        self.last() == number
    }

    /// Where a row is kept.
    fn place(&self, number: u64) -> u32 {
        self.places[(number - self.first) as usize]
    }

    /// Drops the rows before one, all without it, and hands out their places.
    pub(super) fn trim(&mut self, first: Option<u64>, mut dropped: impl FnMut(u32)) {
        let count = first.map_or(self.places.len(), |first| (first - self.first) as usize);
        self.places.drain(..count).for_each(&mut dropped);
        self.first += count as u64;
        if self.places.is_empty() && self.places.capacity() > IDLE_ROWS {
            self.places = VecDeque::new();
        }
    }

    /// The places of all rows, to be changed.
    pub(super) fn places_mut(&mut self) -> impl Iterator<Item = &mut u32> {
        self.places.iter_mut()
    }
}

impl Values {
    /// Columns of these types over the rows of an operator's input.
    pub(super) fn decode(
        specs: &[graph::MatchValue],
        schema: &[u8],
        input: &SchemaRef,
    ) -> Result<Self, Failure> {
        let schema = schema::decode(schema)
            .map_err(|e| Failure::internal(format!("the columns of matches cannot be read: {e}")))?;
        if schema.fields().len() != specs.len() {
            return Err(Failure::internal("the columns of matches do not fit together"));
        }
        let values = specs.iter().map(|spec| Value::decode(spec, input));
        Ok(Self {
            values: values.collect::<Result<_, _>>()?,
            schema,
        })
    }

    /// The columns.
    pub(super) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Adds a match, or a partial one as if a variable had taken one more row.
    pub(super) fn pick(&self, run: &Run, taking: Option<usize>, rows: &KeyRows, picked: &mut Picked) {
        picked.columns.resize_with(self.values.len(), Places::default);
        for (value, places) in self.values.iter().zip(&mut picked.columns) {
            let numbers = run.rows(value.variable, taking);
            match &value.kind {
                Kind::Row {
                    from_first, offset, ..
                } => {
                    let number = if *from_first {
                        numbers.start.checked_add(*offset)
                    } else {
                        numbers.end.checked_sub(offset.saturating_add(1))
                    };
                    let row = number.filter(|n| numbers.contains(n));
                    places.rows.push(row.map_or(NO_ROW, |n| rows.place(n)));
                }
                Kind::Aggregate { .. } => {
                    places.rows.extend(numbers.clone().map(|n| rows.place(n)));
                    let number = picked.matches as u32;
                    places.matches.resize(places.rows.len(), number);
                }
            }
        }
        picked.matches += 1;
    }

    /// The columns of the matches, whose rows are in the store or among the fresh ones.
    pub(super) fn batch(
        &self,
        picked: &Picked,
        store: &RowStore,
        fresh: &[ArrayRef],
    ) -> Result<RecordBatch, Failure> {
        let columns = self
            .values
            .iter()
            .zip(&picked.columns)
            .map(|(value, places)| match &value.kind {
                Kind::Row { column, .. } => store.column(&places.rows, fresh, *column),
                Kind::Aggregate { shape, counts } => {
                    let column = shape
                        .column
                        .map(|c| store.column(&places.rows, fresh, c))
                        .transpose()?;
                    let result = aggregate(shape, places, column.as_ref(), picked.matches)?;
                    Ok(if *counts { or_zero(&result) } else { result })
                }
            });
        let columns = columns.collect::<Result<Vec<_>, Failure>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(picked.matches));
        RecordBatch::try_new_with_options(SchemaRef::clone(&self.schema), columns, &options)
            .map_err(|e| broken(&e))
    }
}

impl Value {
    fn decode(spec: &graph::MatchValue, input: &SchemaRef) -> Result<Self, Failure> {
        let kind = match &spec.aggregate {
            Some(aggregate) => Kind::Aggregate {
                shape: Shape::of_raw(aggregate, input)?,
                counts: matches!(
                    aggregate.function(),
                    AggregateFunction::Count | AggregateFunction::CountStar
                ),
            },
            None if (spec.column as usize) < input.fields().len() => Kind::Row {
                from_first: spec.from_first,
                offset: spec.offset,
                column: spec.column as usize,
            },
            None => {
                return Err(Failure::internal(format!(
                    "a match reads column {}, which does not exist",
                    spec.column
                )));
            }
        };
        Ok(Self {
            variable: spec.variable.map(|v| v as usize),
            kind,
        })
    }
}

/// The aggregate of each match's rows; null for one without rows.
fn aggregate(
    shape: &Shape,
    places: &Places,
    column: Option<&ArrayRef>,
    matches: usize,
) -> Result<ArrayRef, Failure> {
    // Accumulators know no groups without rows.
    let mut ids = Vec::with_capacity(places.rows.len());
    let mut group_of: Vec<Option<u32>> = vec![None; matches];
    let mut total = 0;
    for &number in &places.matches {
        let group = *group_of[number as usize].get_or_insert_with(|| {
            total += 1;
            total - 1
        });
        ids.push(group);
    }
    let total = total as usize;
    if total == 0 {
        return Ok(new_null_array(shape.result_type(), matches));
    }
    let mut accumulator = shape.accumulator()?;
    let groups = Groups {
        ids: Some(&ids),
        rows: ids.len(),
        total,
    };
    accumulator.update(groups, column)?;
    let results = accumulator.finish(0..total)?;
    if total == matches {
        return Ok(results);
    }
    take(&results, &UInt32Array::from(group_of), None).map_err(|e| broken(&e))
}

fn or_zero(counts: &ArrayRef) -> ArrayRef {
    if counts.null_count() == 0 {
        return ArrayRef::clone(counts);
    }
    let counts = counts.as_primitive::<Int64Type>();
    std::sync::Arc::new(
        counts
            .iter()
            .map(|n| Some(n.unwrap_or(0)))
            .collect::<Int64Array>(),
    )
}

fn broken(error: &ArrowError) -> Failure {
    Failure::internal(format!("the rows of matches cannot be gathered: {error}"))
}
