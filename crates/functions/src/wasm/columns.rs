//! Arrow columns to the bytes that modules read, and back.
//!
//! Values are little-endian and as wide as their type; a BOOLEAN is a byte. Texts and bytes lie one after the other, with
//! offsets (i32) of where each begins and the last one ends. A validity bitmap has a bit per row, the least significant
//! first: 1 where there is a value.

use std::sync::Arc;

use arrow_array::{
    Array, ArrayRef, BinaryArray, BooleanArray, Decimal128Array, Float32Array, Float64Array, Int8Array,
    Int16Array, Int32Array, Int64Array, StringArray, cast::AsArray, make_array,
};
use arrow_buffer::{BooleanBuffer, Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow_schema::DataType;

/// A column's buffers as a module reads them.
pub(super) struct Column {
    /// A bitmap; none if no row is null.
    pub(super) validity: Option<Buffer>,
    pub(super) values: Buffer,
    /// Where texts and bytes begin and end.
    pub(super) offsets: Option<Buffer>,
}

/// Bytes per value; none for texts and bytes.
pub(super) fn width(data_type: &DataType) -> Option<usize> {
    match data_type {
        DataType::Boolean => Some(1),
        DataType::Decimal128(..) => Some(16),
        DataType::Utf8 | DataType::Binary => None,
        other => other.primitive_width(),
    }
}

/// The bitmap of a null buffer, from its first bit.
pub(super) fn bitmap(nulls: &NullBuffer) -> Buffer {
    nulls.inner().sliced()
}

/// The buffers of a column. Copies BOOLEANs and offsets that do not begin at 0, and nothing else.
pub(super) fn column(array: &ArrayRef) -> Column {
    let validity = array.nulls().filter(|n| n.null_count() > 0).map(bitmap);
    let rows = array.len();
    let data = array.to_data();
    let (values, offsets) = match array.data_type() {
        DataType::Boolean => {
            let bytes: Vec<u8> = array.as_boolean().values().iter().map(u8::from).collect();
            (Buffer::from_vec(bytes), None)
        }
        DataType::Utf8 => {
            let texts = array.as_string::<i32>();
            texts_of(texts.offsets(), texts.values())
        }
        DataType::Binary => {
            let texts = array.as_binary::<i32>();
            texts_of(texts.offsets(), texts.values())
        }
        other => {
            let width = width(other).unwrap_or(8);
            let values = data.buffers()[0].slice_with_length(data.offset() * width, rows * width);
            (values, None)
        }
    };
    Column {
        validity,
        values,
        offsets,
    }
}

fn texts_of(offsets: &OffsetBuffer<i32>, values: &Buffer) -> (Buffer, Option<Buffer>) {
    let (first, last) = (offsets[0], offsets[offsets.len() - 1]);
    let values = values.slice_with_length(first as usize, (last - first) as usize);
    let offsets: Vec<i32> = offsets.iter().map(|offset| offset - first).collect();
    (values, Some(Buffer::from_vec(offsets)))
}

/// A column of so many rows from the bytes of its values, and of its offsets for texts and bytes.
///
/// # Errors
/// What a module wrote that is no such column.
pub(super) fn array(
    data_type: &DataType,
    rows: usize,
    values: &[u8],
    offsets: Option<&[u8]>,
    nulls: Option<NullBuffer>,
) -> Result<ArrayRef, String> {
    let buffer = || Buffer::from(values);
    let base: ArrayRef = match (data_type, width(data_type)) {
        (DataType::Utf8, _) => {
            let texts = StringArray::try_new(offset_buffer(offsets, values.len())?, buffer(), nulls);
            return texts
                .map(|texts| Arc::new(texts) as ArrayRef)
                .map_err(|e| format!("gives text that is not UTF-8: {e}"));
        }
        (DataType::Binary, _) => {
            let texts = BinaryArray::try_new(offset_buffer(offsets, values.len())?, buffer(), nulls);
            return texts
                .map(|texts| Arc::new(texts) as ArrayRef)
                .map_err(|e| e.to_string());
        }
        (DataType::Boolean, _) => {
            let bits = BooleanBuffer::collect_bool(rows, |row| values[row] != 0);
            return Ok(Arc::new(BooleanArray::new(bits, nulls)));
        }
        (DataType::Float32, _) => Arc::new(Float32Array::new(ScalarBuffer::from(buffer()), nulls)),
        (DataType::Float64, _) => Arc::new(Float64Array::new(ScalarBuffer::from(buffer()), nulls)),
        (_, Some(1)) => Arc::new(Int8Array::new(ScalarBuffer::from(buffer()), nulls)),
        (_, Some(2)) => Arc::new(Int16Array::new(ScalarBuffer::from(buffer()), nulls)),
        (_, Some(4)) => Arc::new(Int32Array::new(ScalarBuffer::from(buffer()), nulls)),
        (_, Some(16)) => Arc::new(Decimal128Array::new(ScalarBuffer::from(buffer()), nulls)),
        _ => Arc::new(Int64Array::new(ScalarBuffer::from(buffer()), nulls)),
    };
    let typed = base.to_data().into_builder().data_type(data_type.clone()).build();
    typed.map(make_array).map_err(|e| e.to_string())
}

fn offset_buffer(offsets: Option<&[u8]>, bytes: usize) -> Result<OffsetBuffer<i32>, String> {
    let offsets = offsets.unwrap_or_default();
    let offsets: Vec<i32> = offsets
        .chunks_exact(4)
        .map(|o| i32::from_le_bytes([o[0], o[1], o[2], o[3]]))
        .collect();
    let rises = offsets.windows(2).all(|pair| pair[0] <= pair[1]);
    let within = offsets.first() == Some(&0) && offsets.last().is_some_and(|last| *last as usize == bytes);
    if rises && within {
        Ok(OffsetBuffer::new(ScalarBuffer::from(offsets)))
    } else {
        Err("gives offsets that do not rise from 0 to the number of bytes".into())
    }
}
