//! Values of any type, numbered in the order in which they came.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, new_null_array};
use arrow_schema::{ArrowError, DataType};
use arrow_select::{concat::concat, interleave::interleave};
use weir_model::Failure;

/// Rows up to which neighbouring chunks are joined.
const CHUNK_ROWS: usize = 1 << 16;

/// Columns one behind the other. Small ones are joined, so that there are few.
#[derive(Debug)]
pub(super) struct Arena {
    data_type: DataType,
    chunks: Vec<ArrayRef>,
    /// The number of each chunk's first value.
    starts: Vec<usize>,
    len: usize,
}

impl Arena {
    /// Of values of this type.
    pub(super) fn new(data_type: DataType) -> Self {
        Self {
            data_type,
            chunks: Vec::new(),
            starts: Vec::new(),
            len: 0,
        }
    }

    /// How many values there are: the number of the next one.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn data_type(&self) -> &DataType {
        &self.data_type
    }

    /// Takes values, which get the next numbers.
    pub(super) fn push(&mut self, values: ArrayRef) -> Result<(), Failure> {
        if values.is_empty() {
            return Ok(());
        }
        self.starts.push(self.len);
        self.len += values.len();
        self.chunks.push(values);
        // Each value is copied as often as its chunk doubles.
        while let [.., a, b] = self.chunks.as_slice()
            && b.len() * 2 > a.len()
            && a.len() + b.len() <= CHUNK_ROWS
        {
            let joined = concat(&[a.as_ref(), b.as_ref()]).map_err(|e| not_kept(&e))?;
            self.chunks.truncate(self.chunks.len() - 2);
            self.chunks.push(joined);
            self.starts.pop();
        }
        Ok(())
    }

    /// The values of these numbers as a column, null where there is none.
    pub(super) fn gather(&self, numbers: &[Option<u32>]) -> Result<ArrayRef, Failure> {
        let null = new_null_array(&self.data_type, 1);
        let mut chunks: Vec<&dyn Array> = self.chunks.iter().map(AsRef::as_ref).collect();
        chunks.push(null.as_ref());
        let places: Vec<(usize, usize)> = numbers
            .iter()
            .map(|number| match number {
                Some(number) => self.place(*number as usize),
                None => (self.chunks.len(), 0),
            })
            .collect();
        if places.is_empty() {
            return Ok(null.slice(0, 0));
        }
        interleave(&chunks, &places).map_err(|e| not_kept(&e))
    }

    fn place(&self, number: usize) -> (usize, usize) {
        let chunk = self.starts.partition_point(|start| *start <= number) - 1;
        (chunk, number - self.starts[chunk])
    }

    /// Keeps only the values of these numbers, which are numbered in this order from now on.
    pub(super) fn keep(&mut self, numbers: &[Option<u32>]) -> Result<(), Failure> {
        let kept = self.gather(numbers)?;
        self.clear();
        self.push(kept)
    }

    pub(super) fn clear(&mut self) {
        self.chunks.clear();
        self.starts.clear();
        self.len = 0;
    }
}

/// The values of a column that are none of them null, and which rows they are of; all rows if none is null.
pub(super) fn set_values(column: &ArrayRef) -> Result<(ArrayRef, Option<Vec<u32>>), Failure> {
    let Some(nulls) = column.logical_nulls().filter(|n| n.null_count() > 0) else {
        return Ok((Arc::clone(column), None));
    };
    let rows: Vec<u32> = nulls.valid_indices().map(|row| row as u32).collect();
    let values = arrow_select::take::take(column, &arrow_array::UInt32Array::from(rows.clone()), None);
    Ok((values.map_err(|e| not_kept(&e))?, Some(rows)))
}

/// Values that cannot be put together.
pub(super) fn not_kept(error: &ArrowError) -> Failure {
    Failure::internal(format!("cannot keep the values of an aggregate: {error}"))
}

#[cfg(test)]
mod tests {
    use arrow_array::{Int64Array, cast::AsArray, types::Int64Type};

    use super::*;

    #[test]
    fn values_keep_their_numbers_however_they_are_joined() {
        let mut arena = Arena::new(DataType::Int64);
        let mut next = 0_i64;
        for rows in [1, 1, 5, 1000, 1, 2, 70_000, 3, 1, 1] {
            let values: Int64Array = (next..next + rows).collect();
            arena.push(Arc::new(values)).expect("values");
            next += rows;
        }
        assert_eq!(arena.len(), next as usize);
        assert!(arena.chunks.len() < 6, "{} chunks", arena.chunks.len());
        let numbers = [Some(0), Some(6), None, Some(1009), Some(71_012), Some(1)];
        let gathered = arena.gather(&numbers).expect("values");
        let values: Vec<_> = gathered.as_primitive::<Int64Type>().iter().collect();
        assert_eq!(values, numbers.map(|n| n.map(i64::from)));
        arena.keep(&[Some(7), Some(3)]).expect("values");
        let kept = arena.gather(&[Some(1), Some(0)]).expect("values");
        assert_eq!(kept.as_primitive::<Int64Type>().values(), &[3, 7]);
        assert_eq!(arena.gather(&[]).expect("no values").len(), 0);
    }
}
