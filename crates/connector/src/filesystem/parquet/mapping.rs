//! A file's columns as those that are wanted: which of them are read, and what is made of them.

use std::sync::Arc;

use arrow_array::{
    Array, ArrayRef, ListArray, MapArray, RecordBatch, RecordBatchOptions, StructArray, cast::AsArray,
    new_null_array,
};
use arrow_cast::{CastOptions, cast_with_options};
use arrow_schema::{ArrowError, DataType, Field, Fields, SchemaRef};
use parquet::arrow::{ProjectionMask, arrow_reader::ArrowReaderMetadata};

use super::types::is_readable;
use crate::format::sql_type;

/// What of a file makes rows of a schema.
#[derive(Clone, Debug)]
pub(super) struct Mapping {
    pub(super) mask: ProjectionMask,
    wanted: SchemaRef,
}

impl Mapping {
    /// Columns are found by their names, and so are the fields of rows in them. The error says which column is of another type than the
    /// table says.
    pub(super) fn new(wanted: &SchemaRef, file: &ArrowReaderMetadata) -> Result<Self, String> {
        let mut leaves = Leaves::default();
        leaves.choose(file.schema().fields(), wanted.fields(), "")?;
        Ok(Self {
            mask: ProjectionMask::leaves(file.parquet_schema(), leaves.chosen),
            wanted: Arc::clone(wanted),
        })
    }

    /// Rows of the schema that is wanted.
    pub(super) fn rows(&self, batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
        let column = |field: &Arc<Field>| match batch.column_by_name(field.name()) {
            Some(column) => conform(column, field.data_type()),
            None => Ok(new_null_array(field.data_type(), batch.num_rows())),
        };
        let columns = self.wanted.fields().iter().map(column);
        let columns = columns.collect::<Result<_, _>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        RecordBatch::try_new_with_options(Arc::clone(&self.wanted), columns, &options)
    }
}

/// The leaves of a file's schema: the columns that values are kept in, numbered from left to right.
#[derive(Default)]
struct Leaves {
    next: usize,
    chosen: Vec<usize>,
}

impl Leaves {
    /// Of the fields of a row.
    fn choose(&mut self, file: &Fields, wanted: &Fields, path: &str) -> Result<(), String> {
        for field in file {
            let name = field.name();
            match wanted.iter().find(|wanted| wanted.name() == name) {
                Some(wanted) => {
                    self.choose_field(field, wanted.data_type(), &format!("{path}{name}"))?;
                }
                None => self.next += leaves_of(field.data_type()),
            }
        }
        Ok(())
    }

    fn choose_field(&mut self, file: &Field, wanted: &DataType, path: &str) -> Result<(), String> {
        match (file.data_type(), wanted) {
            (DataType::Struct(file), DataType::Struct(wanted)) => {
                let (first, before) = (self.next, self.chosen.len());
                self.choose(file, wanted, &format!("{path}."))?;
                if self.chosen.len() == before {
                    // Something has to say where the row is null.
                    self.chosen.push(first);
                }
            }
            (DataType::List(file), DataType::List(wanted)) => {
                self.choose_field(file, wanted.data_type(), &format!("{path}[]"))?;
            }
            (DataType::Map(file, _), DataType::Map(wanted, _)) => {
                self.choose_entries(file, wanted, path)?;
            }
            (file, wanted) if is_readable(file, wanted) => {
                self.chosen.push(self.next);
                self.next += 1;
            }
            (file, wanted) => {
                return Err(format!(
                    "column '{path}' is {} in it, and {} in the table",
                    sql_type(file),
                    sql_type(wanted)
                ));
            }
        }
        Ok(())
    }

    /// Of a map: writers call its keys and values as they like.
    fn choose_entries(&mut self, file: &Field, wanted: &Field, path: &str) -> Result<(), String> {
        let (DataType::Struct(file), DataType::Struct(wanted)) = (file.data_type(), wanted.data_type())
        else {
            return Err(format!("column '{path}' is a map without entries in it"));
        };
        for (field, wanted) in file.iter().zip(wanted) {
            self.choose_field(field, wanted.data_type(), &format!("{path}.{}", wanted.name()))?;
        }
        Ok(())
    }
}

fn leaves_of(data_type: &DataType) -> usize {
    match data_type {
        DataType::Struct(fields) => fields.iter().map(|field| leaves_of(field.data_type())).sum(),
        DataType::List(field)
        | DataType::LargeList(field)
        | DataType::FixedSizeList(field, _)
        | DataType::Map(field, _) => leaves_of(field.data_type()),
        _ => 1,
    }
}

/// A file's column with the type that is wanted.
fn conform(column: &ArrayRef, wanted: &DataType) -> Result<ArrayRef, ArrowError> {
    if column.data_type() == wanted {
        return Ok(Arc::clone(column));
    }
    Ok(match (column.data_type(), wanted) {
        (DataType::Struct(_), DataType::Struct(fields)) => {
            Arc::new(conform_struct(column.as_struct(), fields)?)
        }
        (DataType::List(_), DataType::List(field)) => {
            let list = column.as_list::<i32>();
            let values = conform(list.values(), field.data_type())?;
            let (offsets, nulls) = (list.offsets().clone(), list.nulls().cloned());
            Arc::new(ListArray::try_new(Arc::clone(field), offsets, values, nulls)?)
        }
        (DataType::Map(..), DataType::Map(field, sorted)) => {
            let map = column.as_map();
            let DataType::Struct(fields) = field.data_type() else {
                return Err(ArrowError::SchemaError("a map without entries".to_owned()));
            };
            let entries = map.entries().columns().iter().zip(fields);
            let entries = entries.map(|(column, field)| conform(column, field.data_type()));
            let entries = StructArray::try_new(fields.clone(), entries.collect::<Result<_, _>>()?, None)?;
            let (offsets, nulls) = (map.offsets().clone(), map.nulls().cloned());
            Arc::new(MapArray::try_new(
                Arc::clone(field),
                offsets,
                entries,
                nulls,
                *sorted,
            )?)
        }
        _ => {
            let strict = CastOptions {
                safe: false,
                ..CastOptions::default()
            };
            cast_with_options(column, wanted, &strict)?
        }
    })
}

fn conform_struct(row: &StructArray, fields: &Fields) -> Result<StructArray, ArrowError> {
    let child = |field: &Arc<Field>| match row.column_by_name(field.name()) {
        Some(column) => conform(column, field.data_type()),
        None => Ok(new_null_array(field.data_type(), row.len())),
    };
    let children = fields.iter().map(child).collect::<Result<_, _>>()?;
    StructArray::try_new(fields.clone(), children, row.nulls().cloned())
}
