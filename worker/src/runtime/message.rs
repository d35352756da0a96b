//! What travels on a channel, and how many bytes it is counted as.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, RecordBatch, cast::AsArray};
use arrow_data::ArrayData;
use arrow_schema::DataType;
use weir_model::EventTime;

/// One element of a stream, in order. The enum is closed: every part of the runtime knows all of it.
#[derive(Clone, Debug, PartialEq)]
pub enum Message {
    /// Rows, at least one.
    Batch(RecordBatch),
    /// Event time has risen to here; no rows with an earlier or equal time are expected.
    Watermark(EventTime),
    /// The stream no longer holds time back until its next batch or watermark.
    Idle,
    /// What came before belongs to a checkpoint, what follows does not.
    Barrier(Arc<Barrier>),
    /// Nothing follows.
    End,
}

/// Where a checkpoint cuts a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Barrier {
    /// The checkpoint, from 1.
    pub checkpoint: u64,
    /// Of a savepoint: the URL of its folder.
    pub savepoint_url: Option<String>,
}

/// Bytes that a message without rows is counted as, and that each batch is counted as beside its values.
pub const MESSAGE_BYTES: usize = 64;

impl Message {
    /// Bytes that the message is counted as in a channel.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Batch(batch) => MESSAGE_BYTES + batch_bytes(batch),
            Self::Watermark(_) | Self::Idle | Self::Barrier(_) | Self::End => MESSAGE_BYTES,
        }
    }
}

/// Bytes of the rows themselves: a slice counts for its rows, not for the buffers that it shares.
///
/// Costs nanoseconds per column; exact for fixed-width values, strings and lists of these, within a bit per value.
pub fn batch_bytes(batch: &RecordBatch) -> usize {
    batch.columns().iter().map(array_bytes).sum()
}

fn array_bytes(array: &ArrayRef) -> usize {
    let rows = array.len();
    let validity = if array.nulls().is_some() {
        rows.div_ceil(8)
    } else {
        0
    };
    validity
        + match array.data_type() {
            DataType::Null => 0,
            DataType::Boolean => rows.div_ceil(8),
            DataType::Utf8 => offsets_bytes(array.as_string::<i32>().value_offsets()),
            DataType::Binary => offsets_bytes(array.as_binary::<i32>().value_offsets()),
            DataType::LargeUtf8 => offsets_bytes(array.as_string::<i64>().value_offsets()),
            DataType::LargeBinary => offsets_bytes(array.as_binary::<i64>().value_offsets()),
            DataType::Utf8View => views_bytes(array.as_string_view().views()),
            DataType::BinaryView => views_bytes(array.as_binary_view().views()),
            DataType::Struct(_) => array.as_struct().columns().iter().map(array_bytes).sum(),
            DataType::List(_) => {
                let list = array.as_list::<i32>();
                let (first, last) = ends(list.value_offsets());
                4 * (rows + 1) + array_bytes(&list.values().slice(first as usize, (last - first) as usize))
            }
            DataType::Map(_, _) => {
                let map = array.as_map();
                let (first, last) = ends(map.value_offsets());
                let entries = map.entries().slice(first as usize, (last - first) as usize);
                4 * (rows + 1) + entries.columns().iter().map(array_bytes).sum::<usize>()
            }
            other => match other.primitive_width() {
                Some(width) => rows * width,
                None => slice_bytes(&array.to_data()),
            },
        }
}

fn ends<T: Copy + Default>(offsets: &[T]) -> (T, T) {
    (
        offsets.first().copied().unwrap_or_default(),
        offsets.last().copied().unwrap_or_default(),
    )
}

fn offsets_bytes<T: Copy + Default + Into<i64>>(offsets: &[T]) -> usize {
    let (first, last) = ends(offsets);
    (last.into() - first.into()) as usize + size_of_val(offsets)
}

/// Values of up to 12 bytes are within their view.
fn views_bytes(views: &[u128]) -> usize {
    let lengths = views
        .iter()
        .map(|&view| view as u32)
        .filter(|&length| length > 12);
    size_of_val(views) + lengths.map(|length| length as usize).sum::<usize>()
}

fn slice_bytes(data: &ArrayData) -> usize {
    data.get_slice_memory_size()
        .unwrap_or_else(|_| data.get_buffer_memory_size())
}

#[cfg(test)]
mod tests {
    use arrow_array::{Int64Array, StringArray, StringViewArray, StructArray};
    use arrow_schema::{Field, Fields};

    use super::*;

    fn check(array: ArrayRef, expected: usize) {
        assert_eq!(array_bytes(&array), expected, "{:?}", array.data_type());
    }

    #[test]
    fn a_slice_counts_for_its_own_rows() {
        let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(0..1000));
        check(Arc::clone(&numbers), 8000);
        check(numbers.slice(10, 10), 80);
        let words: ArrayRef = Arc::new(StringArray::from(vec!["ab"; 100]));
        check(Arc::clone(&words), 200 + 4 * 101);
        check(words.slice(50, 2), 4 + 4 * 3);
    }

    #[test]
    fn nested_and_view_columns_count_for_what_they_hold() {
        let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(0..10));
        let fields = Fields::from(vec![Field::new("n", DataType::Int64, false)]);
        check(Arc::new(StructArray::new(fields, vec![numbers], None)), 80);
        check(
            Arc::new(StringViewArray::from(vec!["short", "a string of some length"])),
            32 + 23,
        );
        check(Arc::new(Int64Array::from(vec![Some(1), None])), 16 + 1);
    }
}
