//! What a lookup join computes: the keys that rows ask for, and rows with the answers. Asking is the runtime's.

use std::sync::Arc;

use arrow::compute::take;
use arrow_array::{Array, ArrayRef, BooleanArray, RecordBatch, RecordBatchOptions, UInt32Array};
use arrow_buffer::NullBuffer;
use arrow_schema::{ArrowError, DataType, Schema, SchemaRef};
use arrow_select::{filter::filter, interleave::interleave_record_batch};
use weir_connector::{Found, changelog};
use weir_model::Failure;
use weir_proto::{
    graph::{self, join::Type},
    schema,
};

use crate::expression::{Filter, Projection};

/// Rows of an emitted batch, about; and pairs that are looked at at once.
const EMIT_ROWS: usize = 8192;

/// Joins rows with what a table has for their keys.
#[derive(Debug)]
pub struct LookupJoin {
    is_outer: bool,
    keys: Vec<usize>,
    /// Columns of the input without what changes do.
    left: usize,
    /// What the table produces.
    lookup_schema: SchemaRef,
    right: Projection,
    /// Over the columns of left, then right.
    condition: Option<(Filter, SchemaRef)>,
    /// Columns of the result among those of left, then right.
    columns: Vec<usize>,
    output: SchemaRef,
}

/// Rows that ask.
#[derive(Debug)]
pub struct Asking {
    /// The rows.
    pub batch: RecordBatch,
    /// The keys of those that have one; none: no row has.
    pub keys: Option<Vec<ArrayRef>>,
    /// The rows that have a key; none: all have.
    rows: Option<Vec<u32>>,
}

impl LookupJoin {
    /// Over input rows of this schema.
    ///
    /// # Errors
    /// An internal failure for a graph that does not fit together.
    pub fn new(spec: &graph::LookupJoin, input: &SchemaRef, output: SchemaRef) -> Result<Self, Failure> {
        let lookup_schema = schema::decode(&spec.lookup_schema)
            .map_err(|e| Failure::internal(format!("the schema of a lookup cannot be read: {e}")))?;
        let left = input.fields().len() - usize::from(changelog::is_changelog(input));
        let right = Self::right(spec, &lookup_schema)?;
        let mut fields = input.fields()[..left].to_vec();
        fields.extend(right.schema().fields().iter().cloned());
        let both: SchemaRef = Arc::new(Schema::new(fields));
        let condition = spec
            .filter
            .as_deref()
            .map(|bytes| Filter::decode(bytes, &both))
            .transpose()?;
        let columns = |numbers: &[u32]| numbers.iter().map(|n| *n as usize).collect::<Vec<_>>();
        Ok(Self {
            is_outer: spec.r#type() == Type::Left,
            keys: columns(&spec.input_keys),
            left,
            lookup_schema,
            right,
            condition: condition.map(|filter| (filter, both)),
            columns: columns(&spec.output),
            output,
        })
    }

    fn right(spec: &graph::LookupJoin, lookup: &SchemaRef) -> Result<Projection, Failure> {
        let fields = spec.right.iter().map(|named| {
            let expression = crate::expression::Expression::decode(&named.expr, lookup)?;
            Ok(expression.field().as_ref().clone().with_name(&named.name))
        });
        let fields = fields.collect::<Result<Vec<_>, Failure>>()?;
        Projection::decode(&spec.right, lookup, Arc::new(Schema::new(fields)))
    }

    /// What the table must produce.
    pub fn lookup_schema(&self) -> &SchemaRef {
        &self.lookup_schema
    }

    /// The types of the keys.
    pub fn key_types(&self, input: &SchemaRef) -> Vec<DataType> {
        self.keys
            .iter()
            .map(|key| input.field(*key).data_type().clone())
            .collect()
    }

    /// What the rows of a batch ask for. A row with a null in its key asks for nothing.
    pub fn ask(&self, batch: RecordBatch) -> Result<Asking, Failure> {
        let keys: Vec<ArrayRef> = self
            .keys
            .iter()
            .map(|key| Arc::clone(batch.column(*key)))
            .collect();
        let nulls = keys.iter().map(Array::logical_nulls);
        let valid = nulls.fold(None, |all, column| {
            NullBuffer::union(all.as_ref(), column.as_ref())
        });
        let Some(valid) = valid.filter(|valid| valid.null_count() > 0) else {
            return Ok(Asking {
                batch,
                keys: Some(keys),
                rows: None,
            });
        };
        let rows: Vec<u32> = valid.valid_indices().map(|row| row as u32).collect();
        let valid = BooleanArray::new(valid.into_inner(), None);
        let keys = keys.iter().map(|key| filter(key, &valid));
        let keys = keys.collect::<Result<Vec<_>, _>>().map_err(|e| broken(&e))?;
        Ok(Asking {
            batch,
            keys: (!rows.is_empty()).then_some(keys),
            rows: Some(rows),
        })
    }

    /// The rows with what was found for them, in their order.
    pub fn join(&self, asking: &Asking, found: Option<Found>) -> Result<Vec<RecordBatch>, Failure> {
        let found = match found {
            Some(found) => found,
            None => Found {
                rows: RecordBatch::new_empty(Arc::clone(&self.lookup_schema)),
                keys: Vec::new(),
            },
        };
        let right = self.right.project(&found.rows)?;
        let mut asked: Vec<u32> = match &asking.rows {
            Some(rows) => found.keys.iter().map(|key| rows[*key as usize]).collect(),
            None => found.keys,
        };
        let mut answers: Vec<u32> = (0..asked.len() as u32).collect();
        self.keep_passing(&asking.batch, &right, &mut asked, &mut answers)?;
        if self.is_outer {
            let (asked, answers) = with_unmatched(&asked, &answers, asking.batch.num_rows());
            self.emit(&asking.batch, &right, &asked, &answers)
        } else {
            let answers: Vec<Option<u32>> = answers.into_iter().map(Some).collect();
            self.emit(&asking.batch, &right, &asked, &answers)
        }
    }

    /// Drops the pairs that do not meet the condition.
    fn keep_passing(
        &self,
        left: &RecordBatch,
        right: &RecordBatch,
        asked: &mut Vec<u32>,
        answers: &mut Vec<u32>,
    ) -> Result<(), Failure> {
        let Some((condition, schema)) = &self.condition else {
            return Ok(());
        };
        let all: Vec<usize> = (0..schema.fields().len()).collect();
        let mut keep = Vec::with_capacity(asked.len());
        for from in (0..asked.len()).step_by(EMIT_ROWS) {
            let part = from..asked.len().min(from + EMIT_ROWS);
            let of_left = UInt32Array::from(asked[part.clone()].to_vec());
            let of_right = UInt32Array::from(answers[part.clone()].to_vec());
            let columns = self.columns(&all, left, right, &of_left, &of_right)?;
            let options = RecordBatchOptions::new().with_row_count(Some(part.len()));
            let pairs = RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)
                .map_err(|e| broken(&e))?;
            keep.extend(
                condition
                    .passes(&pairs)?
                    .iter()
                    .map(|passes| passes == Some(true)),
            );
        }
        let mut kept = keep.iter();
        asked.retain(|_| kept.next() == Some(&true));
        let mut kept = keep.iter();
        answers.retain(|_| kept.next() == Some(&true));
        Ok(())
    }

    fn emit(
        &self,
        left: &RecordBatch,
        right: &RecordBatch,
        asked: &[u32],
        answers: &[Option<u32>],
    ) -> Result<Vec<RecordBatch>, Failure> {
        let mut batches = Vec::with_capacity(asked.len().div_ceil(EMIT_ROWS));
        for (asked, answers) in asked.chunks(EMIT_ROWS).zip(answers.chunks(EMIT_ROWS)) {
            let of_left = UInt32Array::from(asked.to_vec());
            let of_right: UInt32Array = answers.iter().copied().collect();
            let mut columns = self.columns(&self.columns, left, right, &of_left, &of_right)?;
            if changelog::is_changelog(&self.output) {
                let ops = left.column(self.left);
                columns.push(take(ops, &of_left, None).map_err(|e| broken(&e))?);
            }
            let options = RecordBatchOptions::new().with_row_count(Some(asked.len()));
            let batch = RecordBatch::try_new_with_options(Arc::clone(&self.output), columns, &options);
            batches.push(batch.map_err(|e| {
                Failure::internal(format!("joined rows do not have the planned columns: {e}"))
            })?);
        }
        Ok(batches)
    }

    /// Columns of left, then right, of pairs.
    fn columns(
        &self,
        columns: &[usize],
        left: &RecordBatch,
        right: &RecordBatch,
        of_left: &UInt32Array,
        of_right: &UInt32Array,
    ) -> Result<Vec<ArrayRef>, Failure> {
        let column = |&column: &usize| {
            if column < self.left {
                take(left.column(column), of_left, None)
            } else {
                take(right.column(column - self.left), of_right, None)
            }
        };
        columns
            .iter()
            .map(column)
            .collect::<Result<_, _>>()
            .map_err(|e| broken(&e))
    }
}

/// The pairs, and the rows of the batch that are in none.
fn with_unmatched(asked: &[u32], answers: &[u32], rows: usize) -> (Vec<u32>, Vec<Option<u32>>) {
    let mut pairs = asked.iter().zip(answers).peekable();
    let mut all = (Vec::with_capacity(rows), Vec::with_capacity(rows));
    for row in 0..rows as u32 {
        let mut is_matched = false;
        while let Some((_, answer)) = pairs.next_if(|(asked, _)| **asked == row) {
            is_matched = true;
            all.0.push(row);
            all.1.push(Some(*answer));
        }
        if !is_matched {
            all.0.push(row);
            all.1.push(None);
        }
    }
    all
}

/// The keys of a question without rows, by their place in it.
pub fn missing(found: &Found, keys: usize) -> Vec<u32> {
    let mut has_rows = vec![false; keys];
    for key in &found.keys {
        has_rows[*key as usize] = true;
    }
    (0_u32..)
        .zip(has_rows)
        .filter(|(_, has)| !has)
        .map(|(key, _)| key)
        .collect()
}

/// Some of the keys of a question.
pub fn some_of(keys: &[ArrayRef], places: &[u32]) -> Result<Vec<ArrayRef>, Failure> {
    let places = UInt32Array::from(places.to_vec());
    let some = keys.iter().map(|key| take(key, &places, None));
    some.collect::<Result<_, _>>().map_err(|e| broken(&e))
}

/// An answer with that to the keys at some places of the question, which had no rows before.
pub fn merged(found: &Found, again: &Found, places: &[u32]) -> Result<Found, Failure> {
    let first = (0..).zip(&found.keys).map(|(row, key)| (*key, 0, row));
    let second = (0..)
        .zip(&again.keys)
        .map(|(row, key)| (places[*key as usize], 1, row));
    let mut all: Vec<(u32, usize, usize)> = first.chain(second).collect();
    all.sort_unstable();
    let rows: Vec<(usize, usize)> = all.iter().map(|(_, part, row)| (*part, *row)).collect();
    let rows = interleave_record_batch(&[&found.rows, &again.rows], &rows).map_err(|e| broken(&e))?;
    Ok(Found {
        rows,
        keys: all.into_iter().map(|(key, ..)| key).collect(),
    })
}

fn broken(error: &ArrowError) -> Failure {
    Failure::internal(format!("rows of a lookup join cannot be picked: {error}"))
}
