//! Columns as the plain numbers in their buffers, whatever their Arrow type calls them, and back.

use arrow_array::{Array, ArrayRef, make_array};
use arrow_buffer::{ArrowNativeType, Buffer, NullBuffer, ScalarBuffer};
use arrow_data::ArrayData;
use arrow_schema::DataType;
use weir_model::Failure;

/// The values of a fixed-width column whose elements have the size of `N`. Copies nothing.
pub(super) fn values<N: ArrowNativeType>(array: &dyn Array) -> ScalarBuffer<N> {
    let data = array.to_data();
    ScalarBuffer::new(data.buffers()[0].clone(), data.offset(), data.len())
}

/// A fixed-width column of a type whose elements have the size of `N`.
pub(super) fn column<N: ArrowNativeType>(
    data_type: &DataType,
    values: Vec<N>,
    nulls: Option<NullBuffer>,
) -> ArrayRef {
    let data = ArrayData::builder(data_type.clone())
        .len(values.len())
        .add_buffer(Buffer::from_vec(values))
        .nulls(nulls.filter(|n| n.null_count() > 0))
        .build();
    match data {
        Ok(data) => make_array(data),
        Err(e) => unreachable!("{data_type} has elements of another size: {e}"),
    }
}

/// The column as another type.
pub(super) fn cast(array: &ArrayRef, data_type: &DataType) -> Result<ArrayRef, Failure> {
    if array.data_type() == data_type {
        return Ok(ArrayRef::clone(array));
    }
    let strict = arrow_cast::CastOptions {
        safe: false,
        ..Default::default()
    };
    arrow_cast::cast_with_options(array, data_type, &strict)
        .map_err(|e| Failure::user(format!("cannot aggregate a value as {data_type}: {e}")))
}
