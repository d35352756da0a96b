//! Rows of an operator's input as rows of a table: a key, a number that tells its rows apart, and what the key does not say.

use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, RecordBatch, cast::AsArray, types::Int64Type};
use arrow_buffer::ScalarBuffer;
use arrow_schema::{DataType, Schema, SchemaRef};
use weir_model::Failure;

use super::Table;

/// How rows of an input are rows of a table.
#[derive(Clone, Debug)]
pub struct NumberedRows {
    schema: SchemaRef,
    keys: Vec<usize>,
    values: Vec<usize>,
}

/// Rows that were kept, as they once came.
#[derive(Debug)]
pub struct Restored {
    /// The columns of their keys.
    pub keys: Vec<ArrayRef>,
    /// Their numbers.
    pub numbers: ScalarBuffer<i64>,
    /// All of their columns.
    pub rows: RecordBatch,
}

impl NumberedRows {
    /// Of the first so many columns of this schema, of which those are the key.
    pub fn new(schema: &Schema, columns: usize, keys: &[usize]) -> Self {
        let fields = &schema.fields()[..columns];
        // Floats that are one key may differ in their bits.
        let is_float = |column: usize| fields[column].data_type().is_floating();
        let is_value = |column: &usize| !keys.contains(column) || is_float(*column);
        Self {
            schema: Arc::new(Schema::new(fields.to_vec())),
            keys: keys.to_vec(),
            values: (0..columns).filter(is_value).collect(),
        }
    }

    /// The columns of the input that are the key.
    pub fn keys(&self) -> &[usize] {
        &self.keys
    }

    /// The columns of the input that are kept as values.
    pub fn values(&self) -> &[usize] {
        &self.values
    }

    /// Where a column of the input is in rows of the table.
    pub fn place(&self, column: usize) -> usize {
        let value = self.values.iter().position(|value| *value == column);
        let value = value.map(|at| self.keys.len() + 1 + at);
        let key = || self.keys.iter().position(|key| *key == column);
        value
            .or_else(key)
            .expect("a column that is no key is kept as a value")
    }

    /// Their table.
    pub fn table(&self, name: &'static str) -> Table {
        self.table_with(name, &[])
    }

    /// Their table, where values of these types are kept behind their own.
    pub fn table_with(&self, name: &'static str, further: &[DataType]) -> Table {
        let of = |column: &usize| self.schema.field(*column).data_type().clone();
        let types = |columns: &[usize]| columns.iter().map(of).collect::<Vec<_>>();
        let values = [&types(&self.values), further].concat();
        Table::new(name, &types(&self.keys), &[DataType::Int64], &values)
    }

    /// The columns by which rows of the table are found.
    pub fn key(mut keys: Vec<ArrayRef>, numbers: Vec<i64>) -> Vec<ArrayRef> {
        keys.push(Arc::new(Int64Array::from(numbers)));
        keys
    }

    /// The columns by which rows of the input are found, of keys as they came.
    pub fn found_by(&self, input: &[ArrayRef], numbers: Vec<i64>) -> Vec<ArrayRef> {
        let key = |column: &usize| ArrayRef::clone(&input[*column]);
        Self::key(self.keys.iter().map(key).collect(), numbers)
    }

    /// Rows of the input as rows of the table, which are found by this key.
    pub fn kept(&self, mut key: Vec<ArrayRef>, input: &[ArrayRef]) -> Vec<ArrayRef> {
        let value = |column: &usize| ArrayRef::clone(&input[*column]);
        key.extend(self.values.iter().map(value));
        key
    }

    /// What is kept with rows of the table behind their own values.
    pub fn further<'a>(&self, rows: &'a RecordBatch) -> &'a [ArrayRef] {
        &rows.columns()[self.keys.len() + 1 + self.values.len()..]
    }

    /// The rows of the input that rows of the table are.
    pub fn restored(&self, rows: &RecordBatch) -> Result<Restored, Failure> {
        let (keys, rest) = rows.columns().split_at(self.keys.len());
        let [numbers, values @ ..] = rest else {
            return Err(Failure::internal("rows of an operator's state have no numbers"));
        };
        let column = |column: usize| {
            let value = self.values.iter().position(|value| *value == column);
            let key = || self.keys.iter().position(|key| *key == column);
            let kept = value.map(|at| &values[at]).or_else(|| key().map(|at| &keys[at]));
            ArrayRef::clone(kept.expect("a column that is no key is kept as a value"))
        };
        let columns = (0..self.schema.fields().len()).map(column).collect();
        let whole = RecordBatch::try_new(Arc::clone(&self.schema), columns);
        Ok(Restored {
            keys: keys.to_vec(),
            numbers: numbers.as_primitive::<Int64Type>().values().clone(),
            rows: whole.map_err(|e| {
                Failure::internal(format!(
                    "rows of an operator's state are no rows of its input: {e}"
                ))
            })?,
        })
    }
}

#[cfg(test)]
mod tests {
    use arrow_array::{Float64Array, StringArray};
    use arrow_schema::Field;

    use super::*;

    #[test]
    fn a_row_comes_back_whole_and_its_key_is_kept_once_unless_it_is_a_float() {
        let field = |name, data_type| Field::new(name, data_type, true);
        let schema = Schema::new(vec![
            field("a", DataType::Utf8),
            field("b", DataType::Float64),
            field("c", DataType::Int64),
            field("$op", DataType::Int8),
        ]);
        let rows = NumberedRows::new(&schema, 3, &[1, 0]);
        assert_eq!(rows.values(), [1, 2]);
        let table = rows.table_with("rows", &[DataType::Utf8]);
        assert_eq!(
            (table.partition, table.key, table.schema.fields().len()),
            (2, 3, 6)
        );
        let a: ArrayRef = Arc::new(StringArray::from(vec!["x"]));
        let (b, key): (ArrayRef, ArrayRef) = (
            Arc::new(Float64Array::from(vec![-0.0])),
            Arc::new(Float64Array::from(vec![0.0])),
        );
        let c: ArrayRef = Arc::new(Int64Array::from(vec![7]));
        let input = [a, b, c];
        let key = NumberedRows::key(vec![key, Arc::clone(&input[0])], vec![3]);
        let mut columns = rows.kept(key, &input);
        columns.push(Arc::clone(&input[0]));
        let kept = RecordBatch::try_new(table.schema, columns).expect("fits");
        let restored = rows.restored(&kept).expect("fits");
        assert_eq!(restored.numbers.as_ref(), [3]);
        assert_eq!(restored.rows.columns(), input);
        assert_eq!(rows.further(&kept), [Arc::clone(&input[0])]);
    }
}
