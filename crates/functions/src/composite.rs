//! Rows made of values.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, ListArray, MapArray, StructArray, cast::AsArray};
use arrow_buffer::NullBuffer;
use arrow_schema::{DataType, Field, Fields};
use datafusion_common::{Result, exec_err};

use crate::{
    call::Call,
    define::{Def, Gives, Takes, def},
};

use Takes::Any;

const PACK: Gives = Gives::Of(|types| Ok(DataType::Struct(fields("f", &types[1..]))));
const ROW: Gives = Gives::Of(|types| Ok(DataType::Struct(fields("EXPR$", types))));

const SECOND: Gives = Gives::Of(|types| Ok(types[1].clone()));

pub(crate) const FUNCTIONS: &[Def] = &[
    // a condition, and the values of a row that is null where it does not hold
    def("$PACKED", &[Any, Any], PACK, packed).repeats(),
    // a value, and a null of a type of the same shape
    def("$RETYPED", &[Any, Any], SECOND, retyped),
    def("ROW", &[Any], ROW, row).repeats(),
];

fn fields(name: &str, types: &[DataType]) -> Fields {
    let field =
        |(i, data_type): (usize, &DataType)| Field::new(format!("{name}{i}"), data_type.clone(), true);
    types.iter().enumerate().map(field).collect()
}

fn packed(call: &Call<'_>) -> Result<ArrayRef> {
    let condition = call.column(0)?;
    let condition = arrow_cast::cast(&condition, &DataType::Boolean)?;
    let holds = condition.as_boolean();
    let holds = match holds.nulls() {
        Some(nulls) => holds.values() & nulls.inner(),
        None => holds.values().clone(),
    };
    of_columns(call, 1, Some(NullBuffer::new(holds)))
}

fn row(call: &Call<'_>) -> Result<ArrayRef> {
    of_columns(call, 0, None)
}

fn retyped(call: &Call<'_>) -> Result<ArrayRef> {
    as_type(&call.column(0)?, call.result)
}

/// The column as another type of the same shape: fields of rows by their place, whatever they are called.
fn as_type(column: &ArrayRef, to: &DataType) -> Result<ArrayRef> {
    let nulls = column.nulls().cloned();
    Ok(match (column.data_type(), to) {
        (from, to) if from == to => Arc::clone(column),
        (DataType::Struct(_), DataType::Struct(fields)) => {
            let row = column.as_struct();
            let columns = row.columns().iter().zip(fields);
            let columns = columns
                .map(|(column, field)| as_type(column, field.data_type()))
                .collect::<Result<Vec<_>>>()?;
            Arc::new(StructArray::try_new(fields.clone(), columns, nulls)?)
        }
        (DataType::List(_), DataType::List(item)) => {
            let list = column.as_list::<i32>();
            let values = as_type(list.values(), item.data_type())?;
            Arc::new(ListArray::try_new(
                Arc::clone(item),
                list.offsets().clone(),
                values,
                nulls,
            )?)
        }
        (DataType::Map(..), DataType::Map(entry, sorted)) => {
            let map = column.as_map();
            let entries: ArrayRef = Arc::new(map.entries().clone());
            let entries = as_type(&entries, entry.data_type())?.as_struct().clone();
            let offsets = map.offsets().clone();
            Arc::new(MapArray::try_new(
                Arc::clone(entry),
                offsets,
                entries,
                nulls,
                *sorted,
            )?)
        }
        _ => arrow_cast::cast(column, to)?,
    })
}

fn of_columns(call: &Call<'_>, first: usize, nulls: Option<NullBuffer>) -> Result<ArrayRef> {
    let DataType::Struct(fields) = call.result else {
        return exec_err!("{} gives a ROW", call.name);
    };
    let columns = (first..call.count())
        .map(|index| call.column(index))
        .collect::<Result<Vec<_>>>()?;
    let nulls = nulls.filter(|nulls| nulls.null_count() > 0);
    Ok(Arc::new(StructArray::try_new(fields.clone(), columns, nulls)?))
}
