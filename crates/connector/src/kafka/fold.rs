//! Changes folded by key: of those that go together, the last one of each key is kept.

use std::collections::HashMap;

use arrow_array::{RecordBatch, UInt32Array};
use arrow_buffer::BooleanBuffer;
use arrow_row::{RowConverter, SortField};
use arrow_schema::{ArrowError, SchemaRef};
use arrow_select::{concat::concat_batches, take::take_record_batch};
use foldhash::fast::RandomState;

use crate::changelog;

/// Gathers changes.
#[derive(Debug)]
pub(super) struct Gathered {
    /// The columns of the key.
    keys: Vec<usize>,
    converter: RowConverter,
    batches: Vec<RecordBatch>,
    rows: usize,
}

/// Of each key one row.
#[derive(Clone, Debug)]
pub(super) struct Changes {
    /// The table's columns.
    pub(super) rows: RecordBatch,
    /// Whether a row is there; else its key is gone.
    pub(super) are_there: BooleanBuffer,
}

impl Gathered {
    /// Of rows with these columns, and keys of these.
    pub(super) fn new(schema: &SchemaRef, keys: &[usize]) -> Result<Self, ArrowError> {
        let fields = keys
            .iter()
            .map(|&key| SortField::new(schema.field(key).data_type().clone()));
        Ok(Self {
            keys: keys.to_vec(),
            converter: RowConverter::new(fields.collect())?,
            batches: Vec::new(),
            rows: 0,
        })
    }

    /// Changes that wait.
    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// Adds the rows of a batch, or what they change.
    pub(super) fn add(&mut self, batch: RecordBatch) {
        self.rows += batch.num_rows();
        self.batches.push(batch);
    }

    /// The last change of each key since the last call, in the order in which these came. None: there were none.
    pub(super) fn take(&mut self) -> Result<Option<Changes>, ArrowError> {
        let batches = std::mem::take(&mut self.batches);
        self.rows = 0;
        let Some(first) = batches.first() else {
            return Ok(None);
        };
        let all = concat_batches(&first.schema(), &batches)?;
        let keys: Vec<_> = self.keys.iter().map(|&key| all.column(key).clone()).collect();
        let keys = self.converter.convert_columns(&keys)?;
        let mut last: HashMap<&[u8], u32, RandomState> =
            HashMap::with_capacity_and_hasher(all.num_rows(), RandomState::default());
        for row in 0..all.num_rows() {
            last.insert(keys.row(row).data(), row as u32);
        }
        let mut kept: Vec<u32> = last.into_values().collect();
        kept.sort_unstable();
        let kept = UInt32Array::from(kept);
        let mut rows = take_record_batch(&all, &kept)?;
        let are_there = match changelog::ops(&rows) {
            None => BooleanBuffer::new_set(rows.num_rows()),
            Some(ops) => ops.values().iter().map(|&op| changelog::adds(op)).collect(),
        };
        if changelog::ops(&rows).is_some() {
            rows.remove_column(rows.num_columns() - 1);
        }
        Ok(Some(Changes { rows, are_there }))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{ArrayRef, Int64Array, StringArray, cast::AsArray, types::Int64Type};
    use arrow_schema::{DataType, Field, Schema};
    use proptest::prelude::*;

    use super::*;
    use crate::RowKind;

    fn changes(rows: &[(RowKind, i64, i64)]) -> RecordBatch {
        let columns: Vec<ArrayRef> = vec![
            Arc::new(StringArray::from_iter_values(
                rows.iter().map(|row| format!("k{}", row.1)),
            )),
            Arc::new(rows.iter().map(|row| row.2).collect::<Int64Array>()),
            changelog::column(rows.iter().map(|row| row.0.byte()).collect()),
        ];
        let fields = vec![
            Field::new("k", DataType::Utf8, false),
            Field::new("v", DataType::Int64, true),
            changelog::op_field(),
        ];
        RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).expect("changes")
    }

    fn kind() -> impl Strategy<Value = RowKind> {
        prop::sample::select(vec![
            RowKind::Insert,
            RowKind::UpdateBefore,
            RowKind::UpdateAfter,
            RowKind::Delete,
        ])
    }

    proptest! {
        #[test]
        fn the_last_change_of_each_key_is_kept_however_they_are_cut_into_batches(
            rows in prop::collection::vec((kind(), 0_i64..5, 0_i64..100), 0..40),
            cut in 1_usize..10,
        ) {
            let mut gathered = Gathered::new(&changes(&[]).schema(), &[0]).expect("keys");
            for batch in rows.chunks(cut) {
                gathered.add(changes(batch));
            }
            prop_assert_eq!(gathered.rows(), rows.len());
            let mut expected: Vec<(usize, String, i64, bool)> = Vec::new();
            for (place, (kind, key, value)) in rows.iter().enumerate() {
                let key = format!("k{key}");
                expected.retain(|(_, known, ..)| *known != key);
                expected.push((place, key, *value, changelog::adds(kind.byte())));
            }
            let found = gathered.take().expect("takes").map_or_else(Vec::new, |found| {
                let (keys, values) = (found.rows.column(0).as_string::<i32>(), found.rows.column(1).as_primitive::<Int64Type>());
                assert_eq!(found.rows.num_columns(), 2);
                (0..found.rows.num_rows())
                    .map(|row| (keys.value(row).to_owned(), values.value(row), found.are_there.value(row)))
                    .collect()
            });
            let expected: Vec<_> = expected.into_iter().map(|(_, key, value, adds)| (key, value, adds)).collect();
            prop_assert_eq!(found, expected);
            prop_assert!(gathered.take().expect("takes").is_none());
        }
    }
}
