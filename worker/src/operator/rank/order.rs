//! Sort keys: what comes first in the ORDER BY compares as less.

use std::{cmp::Ordering, fmt::Debug};

use arrow_array::{
    Array, ArrayRef, RecordBatch,
    cast::AsArray,
    types::{Float32Type, Float64Type},
};
use arrow_row::{RowConverter, Rows, SortField};
use arrow_schema::{DataType, Schema, SortOptions};
use weir_model::Failure;
use weir_proto::graph::SortColumn;

use crate::operator::columns::values;

/// Makes the sort keys of batches.
pub(in crate::operator) trait Order: Debug + Send {
    /// The sort keys of a batch.
    type Keys: Keys;

    /// The sort keys of a batch's rows.
    fn keys(&self, batch: &RecordBatch) -> Result<Self::Keys, Failure>;
}

/// The sort keys of a batch's rows.
pub(in crate::operator) trait Keys {
    /// One of them, kept.
    type Key: Ord + Clone + Debug + Send;

    /// How a row's key compares with a kept one.
    fn compare(&self, row: usize, key: &Self::Key) -> Ordering;

    /// A row's key, to be kept.
    fn key(&self, row: usize) -> Self::Key;
}

/// A sort key of one column: whether it is null, and an unsigned number that orders as the value does.
pub(in crate::operator) type Word = (u8, u64);

impl Keys for Vec<Word> {
    type Key = Word;

    #[inline]
    fn compare(&self, row: usize, key: &Word) -> Ordering {
        self[row].cmp(key)
    }

    #[inline]
    fn key(&self, row: usize) -> Word {
        self[row]
    }
}

/// No column, or one that is a number or a time.
#[derive(Debug)]
pub(in crate::operator) struct WordOrder {
    column: Option<(usize, SortOptions)>,
}

impl WordOrder {
    /// None if this ORDER BY has several columns or one of another type.
    pub(in crate::operator) fn new(order: &[SortColumn], input: &Schema) -> Result<Option<Self>, Failure> {
        match order {
            [] => Ok(Some(Self { column: None })),
            [one] => {
                let (column, options) = sort_column(*one, input)?;
                let data_type = input.field(column).data_type();
                let fits = is_word(data_type).then_some(Self {
                    column: Some((column, options)),
                });
                Ok(fits)
            }
            _ => Ok(None),
        }
    }
}

impl Order for WordOrder {
    type Keys = Vec<Word>;

    fn keys(&self, batch: &RecordBatch) -> Result<Vec<Word>, Failure> {
        let Some((column, options)) = self.column else {
            return Ok(vec![(0, 0); batch.num_rows()]);
        };
        Ok(words(batch.column(column), options))
    }
}

fn is_word(data_type: &DataType) -> bool {
    use DataType as T;
    matches!(
        data_type,
        T::Int8 | T::Int16 | T::Int32 | T::Int64 | T::Float32 | T::Float64 | T::Date32 | T::Timestamp(..)
    ) || matches!(data_type, T::Time32(_) | T::Time64(_))
}

/// The column as words that order as its values do.
fn words(column: &ArrayRef, options: SortOptions) -> Vec<Word> {
    const SIGN: u64 = 1 << 63;
    let signed = |v: i64| v as u64 ^ SIGN;
    let float = |v: f64| {
        // One NaN, above all numbers.
        let bits = if v.is_nan() {
            f64::NAN.to_bits() & !SIGN
        } else {
            v.to_bits()
        };
        if bits & SIGN == 0 { bits | SIGN } else { !bits }
    };
    let flip = if options.descending { u64::MAX } else { 0 };
    let finish = |word: u64| (1, word ^ flip);
    let mut words: Vec<Word> = match (column.data_type(), column.data_type().primitive_width()) {
        (DataType::Float32, _) => {
            let values = column.as_primitive::<Float32Type>().values();
            values.iter().map(|v| finish(float(f64::from(*v)))).collect()
        }
        (DataType::Float64, _) => {
            let values = column.as_primitive::<Float64Type>().values();
            values.iter().map(|v| finish(float(*v))).collect()
        }
        (_, Some(1)) => values::<i8>(column)
            .iter()
            .map(|v| finish(signed(i64::from(*v))))
            .collect(),
        (_, Some(2)) => values::<i16>(column)
            .iter()
            .map(|v| finish(signed(i64::from(*v))))
            .collect(),
        (_, Some(4)) => values::<i32>(column)
            .iter()
            .map(|v| finish(signed(i64::from(*v))))
            .collect(),
        _ => values::<i64>(column).iter().map(|v| finish(signed(*v))).collect(),
    };
    if let Some(nulls) = column.nulls().filter(|n| n.null_count() > 0) {
        let null = (if options.nulls_first { 0 } else { 2 }, 0);
        for (word, valid) in words.iter_mut().zip(nulls) {
            if !valid {
                *word = null;
            }
        }
    }
    words
}

impl Keys for Rows {
    type Key = Box<[u8]>;

    #[inline]
    fn compare(&self, row: usize, key: &Box<[u8]>) -> Ordering {
        self.row(row).data().cmp(key)
    }

    fn key(&self, row: usize) -> Box<[u8]> {
        self.row(row).data().into()
    }
}

/// Any columns, as `arrow-row` bytes.
#[derive(Debug)]
pub(in crate::operator) struct RowOrder {
    columns: Vec<usize>,
    converter: RowConverter,
}

impl RowOrder {
    pub(in crate::operator) fn new(order: &[SortColumn], input: &Schema) -> Result<Self, Failure> {
        let sorted = order
            .iter()
            .map(|column| sort_column(*column, input))
            .collect::<Result<Vec<_>, _>>()?;
        let fields = sorted
            .iter()
            .map(|(c, options)| SortField::new_with_options(input.field(*c).data_type().clone(), *options));
        let converter = RowConverter::new(fields.collect())
            .map_err(|e| Failure::user(format!("rows cannot be ordered by such columns: {e}")))?;
        Ok(Self {
            columns: sorted.into_iter().map(|(column, _)| column).collect(),
            converter,
        })
    }
}

impl Order for RowOrder {
    type Keys = Rows;

    fn keys(&self, batch: &RecordBatch) -> Result<Rows, Failure> {
        let columns: Vec<ArrayRef> = self
            .columns
            .iter()
            .map(|c| ArrayRef::clone(batch.column(*c)))
            .collect();
        self.converter
            .convert_columns(&columns)
            .map_err(|e| Failure::internal(format!("sort keys cannot be made: {e}")))
    }
}

fn sort_column(column: SortColumn, input: &Schema) -> Result<(usize, SortOptions), Failure> {
    let index = column.column as usize;
    if index >= input.fields().len() {
        return Err(Failure::internal(format!(
            "an order by column {index}, which does not exist"
        )));
    }
    let options = SortOptions {
        descending: column.descending,
        nulls_first: column.nulls_first,
    };
    Ok((index, options))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{Float64Array, Int64Array};

    use super::*;

    /// The values' places when sorted by their words.
    fn sorted(column: ArrayRef, descending: bool, nulls_first: bool) -> Vec<usize> {
        let words = words(
            &column,
            SortOptions {
                descending,
                nulls_first,
            },
        );
        let mut places: Vec<usize> = (0..words.len()).collect();
        places.sort_by_key(|p| words[*p]);
        places
    }

    #[test]
    fn words_order_as_their_values_do() {
        let numbers: ArrayRef = Arc::new(Int64Array::from(vec![
            Some(3),
            None,
            Some(i64::MIN),
            Some(-1),
            Some(i64::MAX),
        ]));
        assert_eq!(sorted(Arc::clone(&numbers), false, true), [1, 2, 3, 0, 4]);
        assert_eq!(sorted(Arc::clone(&numbers), false, false), [2, 3, 0, 4, 1]);
        assert_eq!(sorted(Arc::clone(&numbers), true, false), [4, 0, 3, 2, 1]);
        assert_eq!(sorted(numbers, true, true), [1, 4, 0, 3, 2]);
        let floats: ArrayRef = Arc::new(Float64Array::from(vec![
            f64::NAN,
            -0.5,
            f64::INFINITY,
            f64::NEG_INFINITY,
            -0.0,
            0.0,
        ]));
        assert_eq!(sorted(floats, false, true), [3, 1, 4, 5, 2, 0]);
    }
}
