//! One call over a batch: its arguments as typed columns or constants, and columns to put results in.

use std::sync::Arc;

use arrow_array::{
    Array, ArrayRef, ArrowPrimitiveType, BinaryArray, BooleanArray, PrimitiveArray, StringArray,
    cast::AsArray,
};
use arrow_buffer::{Buffer, NullBufferBuilder, OffsetBuffer, ScalarBuffer};
use arrow_schema::DataType;
use datafusion_common::{Result, ScalarValue, exec_err, internal_err};
use datafusion_expr::ColumnarValue;

/// A call over a batch of rows.
pub(crate) struct Call<'a> {
    /// The function's name, for errors.
    pub name: &'static str,
    /// The arguments, of the types that the function takes.
    pub args: &'a [ColumnarValue],
    /// How many values to compute.
    pub rows: usize,
    /// The type of the result.
    pub result: &'a DataType,
}

impl<'a> Call<'a> {
    /// How many arguments there are.
    pub(crate) fn count(&self) -> usize {
        self.args.len()
    }

    /// An argument of type STRING.
    pub(crate) fn text(&self, index: usize) -> Result<Text<'a>> {
        match &self.args[index] {
            ColumnarValue::Scalar(value) if value.is_null() => Ok(Text::One(None)),
            ColumnarValue::Scalar(ScalarValue::Utf8(value)) => Ok(Text::One(value.as_deref())),
            ColumnarValue::Array(array) if *array.data_type() == DataType::Utf8 => {
                Ok(Text::Many(array.as_string()))
            }
            other => internal_err!("{} takes text, not {}", self.name, other.data_type()),
        }
    }

    /// An argument of type BYTES.
    pub(crate) fn bytes(&self, index: usize) -> Result<Bytes<'a>> {
        match &self.args[index] {
            ColumnarValue::Scalar(value) if value.is_null() => Ok(Bytes::One(None)),
            ColumnarValue::Scalar(ScalarValue::Binary(value)) => Ok(Bytes::One(value.as_deref())),
            ColumnarValue::Array(array) if *array.data_type() == DataType::Binary => {
                Ok(Bytes::Many(array.as_binary()))
            }
            other => internal_err!("{} takes bytes, not {}", self.name, other.data_type()),
        }
    }

    /// An argument of a type whose values are numbers of a fixed width.
    pub(crate) fn values<T: ArrowPrimitiveType>(&self, index: usize) -> Result<Values<'a, T>> {
        match &self.args[index] {
            ColumnarValue::Scalar(value) if value.is_null() => Ok(Values::One(None)),
            ColumnarValue::Scalar(value) => {
                let array = value.to_array()?;
                let Some(array) = array.as_primitive_opt::<T>() else {
                    return internal_err!("{} takes {}, not {}", self.name, T::DATA_TYPE, value.data_type());
                };
                Ok(Values::One(Some(array.value(0))))
            }
            ColumnarValue::Array(array) => {
                let Some(array) = array.as_primitive_opt::<T>() else {
                    return internal_err!("{} takes {}, not {}", self.name, T::DATA_TYPE, array.data_type());
                };
                Ok(Values::Many(array))
            }
        }
    }

    /// The same of type BOOLEAN.
    pub(crate) fn bools(&self, index: usize) -> Result<Bools<'a>> {
        match &self.args[index] {
            ColumnarValue::Scalar(ScalarValue::Boolean(value)) => Ok(Bools::One(*value)),
            ColumnarValue::Scalar(value) if value.is_null() => Ok(Bools::One(None)),
            ColumnarValue::Array(array) if *array.data_type() == DataType::Boolean => {
                Ok(Bools::Many(array.as_boolean()))
            }
            other => internal_err!("{} takes BOOLEAN, not {}", self.name, other.data_type()),
        }
    }

    /// An argument of any type as a column with a value per row.
    pub(crate) fn column(&self, index: usize) -> Result<ArrayRef> {
        self.args[index].to_array(self.rows)
    }

    /// Whether the argument is the same for all rows.
    pub(crate) fn is_constant(&self, index: usize) -> bool {
        matches!(self.args[index], ColumnarValue::Scalar(_))
    }

    /// A text per row; `write` appends a row's to what it is given, or says that it is null.
    pub(crate) fn texts(&self, mut write: impl FnMut(usize, &mut String) -> Option<()>) -> Result<ArrayRef> {
        self.try_texts(|row, out| Ok(write(row, out)))
    }

    /// The same where a row can fail.
    pub(crate) fn try_texts(
        &self,
        mut write: impl FnMut(usize, &mut String) -> Result<Option<()>>,
    ) -> Result<ArrayRef> {
        let mut text = String::new();
        let mut offsets = Vec::with_capacity(self.rows + 1);
        let mut nulls = NullBufferBuilder::new(self.rows);
        offsets.push(0_i32);
        for row in 0..self.rows {
            let start = text.len();
            let some = write(row, &mut text)?.is_some();
            if !some {
                text.truncate(start);
            }
            nulls.append(some);
            match i32::try_from(text.len()) {
                Ok(end) => offsets.push(end),
                Err(_) => return exec_err!("the texts of a batch grow beyond 2 GiB: make them shorter"),
            }
        }
        let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
        // SAFETY: the offsets are lengths that a `String` had, so they ascend and stand between characters.
        let array = unsafe {
            StringArray::new_unchecked(offsets, Buffer::from_vec(text.into_bytes()), nulls.finish())
        };
        Ok(Arc::new(array))
    }

    /// A byte string per row.
    pub(crate) fn byte_strings(&self, mut write: impl FnMut(usize, &mut Vec<u8>) -> Option<()>) -> ArrayRef {
        let mut builder = arrow_array::builder::BinaryBuilder::with_capacity(self.rows, 0);
        let mut value = Vec::new();
        for row in 0..self.rows {
            value.clear();
            match write(row, &mut value) {
                Some(()) => builder.append_value(&value),
                None => builder.append_null(),
            }
        }
        Arc::new(builder.finish())
    }

    /// A number per row.
    pub(crate) fn numbers<T: ArrowPrimitiveType>(
        &self,
        value: impl FnMut(usize) -> Option<T::Native>,
    ) -> ArrayRef {
        let array: PrimitiveArray<T> = (0..self.rows).map(value).collect();
        Arc::new(array.with_data_type(self.result.clone()))
    }

    /// The same where a row can fail.
    pub(crate) fn try_numbers<T: ArrowPrimitiveType>(
        &self,
        value: impl FnMut(usize) -> Result<Option<T::Native>>,
    ) -> Result<ArrayRef> {
        let array: PrimitiveArray<T> = (0..self.rows).map(value).collect::<Result<_>>()?;
        Ok(Arc::new(array.with_data_type(self.result.clone())))
    }

    /// A truth value per row.
    pub(crate) fn truths(&self, value: impl FnMut(usize) -> Option<bool>) -> ArrayRef {
        Arc::new((0..self.rows).map(value).collect::<BooleanArray>())
    }
}

/// An argument of type STRING.
#[derive(Clone, Copy)]
pub(crate) enum Text<'a> {
    One(Option<&'a str>),
    Many(&'a StringArray),
}

impl<'a> Text<'a> {
    /// A row's.
    #[inline]
    pub(crate) fn get(&self, row: usize) -> Option<&'a str> {
        match self {
            Self::One(value) => *value,
            Self::Many(array) => array.is_valid(row).then(|| array.value(row)),
        }
    }
}

/// An argument of type BYTES.
#[derive(Clone, Copy)]
pub(crate) enum Bytes<'a> {
    One(Option<&'a [u8]>),
    Many(&'a BinaryArray),
}

impl<'a> Bytes<'a> {
    /// A row's.
    #[inline]
    pub(crate) fn get(&self, row: usize) -> Option<&'a [u8]> {
        match self {
            Self::One(value) => *value,
            Self::Many(array) => array.is_valid(row).then(|| array.value(row)),
        }
    }
}

/// An argument of numbers.
#[derive(Clone, Copy)]
pub(crate) enum Values<'a, T: ArrowPrimitiveType> {
    One(Option<T::Native>),
    Many(&'a PrimitiveArray<T>),
}

impl<T: ArrowPrimitiveType> Values<'_, T> {
    /// A row's.
    #[inline]
    pub(crate) fn get(&self, row: usize) -> Option<T::Native> {
        match self {
            Self::One(value) => *value,
            Self::Many(array) => array.is_valid(row).then(|| array.value(row)),
        }
    }
}

/// An argument of type BOOLEAN.
#[derive(Clone, Copy)]
pub(crate) enum Bools<'a> {
    One(Option<bool>),
    Many(&'a BooleanArray),
}

impl Bools<'_> {
    /// A row's.
    #[inline]
    pub(crate) fn get(&self, row: usize) -> Option<bool> {
        match self {
            Self::One(value) => *value,
            Self::Many(array) => array.is_valid(row).then(|| array.value(row)),
        }
    }
}
