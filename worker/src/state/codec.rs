//! Rows of a table as bytes, a key and a value each, and back.
//!
//! Keys sort by key group, operator, table, and then as their columns do, nulls first. The columns are in the encoding of `arrow-row`.

use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow_row::{RowConverter, Rows, SortField};
use arrow_schema::{ArrowError, FieldRef};
use weir_model::Failure;

use super::Table;

/// Bytes before the columns of a key: key group, operator, table.
pub const PREFIX_BYTES: usize = 5;

/// Where rows belong: the first bytes of their keys.
pub fn prefix(key_group: u32, operator: u16, table: u8) -> [u8; PREFIX_BYTES] {
    let [a, b] = (key_group as u16).to_be_bytes();
    let [c, d] = operator.to_be_bytes();
    [a, b, c, d, table]
}

/// The key group, operator and table of a key; none if it is none.
pub fn place(key: &[u8]) -> Option<(u32, u16, u8)> {
    let (place, _) = key.split_at_checked(PREFIX_BYTES)?;
    let key_group = u16::from_be_bytes([place[0], place[1]]);
    let operator = u16::from_be_bytes([place[2], place[3]]);
    Some((u32::from(key_group), operator, place[4]))
}

/// Turns rows of one table of one operator into bytes, and back.
#[derive(Debug)]
pub struct Codec {
    table: Table,
    operator: u16,
    number: u8,
    max_parallelism: u32,
    keys: RowConverter,
    values: RowConverter,
}

impl Codec {
    /// For the table of this number of the operator of this number.
    pub fn new(table: Table, operator: u16, number: u8, max_parallelism: u32) -> Result<Self, Failure> {
        let (keys, values) = table.schema.fields().split_at(table.key);
        Ok(Self {
            keys: converter(keys)?,
            values: converter(values)?,
            table,
            operator,
            number,
            max_parallelism,
        })
    }

    /// The table.
    pub fn table(&self) -> &Table {
        &self.table
    }

    /// The first bytes of its rows' keys, of those of a key group.
    pub fn prefix(&self, key_group: u32) -> [u8; PREFIX_BYTES] {
        prefix(key_group, self.operator, self.number)
    }

    /// Hands on the key and the value of each row, in the order of the rows.
    pub fn encode(&self, rows: &RecordBatch, mut each: impl FnMut(&[u8], &[u8])) -> Result<(), Failure> {
        let (keys, values) = rows.columns().split_at(self.table.key);
        let values = converted(&self.values, values)?;
        self.encode_keys(keys, rows.num_rows(), |row, key| {
            each(key, values.as_ref().map_or(&[], |values| values.row(row).data()));
        })
    }

    /// Hands on the key of each row of these key columns, in their order, with the row's number.
    pub fn encode_keys(
        &self,
        columns: &[ArrayRef],
        rows: usize,
        mut each: impl FnMut(usize, &[u8]),
    ) -> Result<(), Failure> {
        let groups = self.table.key_groups(columns, rows, self.max_parallelism)?;
        let keys = converted(&self.keys, columns)?;
        let mut key = Vec::new();
        for (row, group) in groups.into_iter().enumerate() {
            key.clear();
            key.extend_from_slice(&prefix(group, self.operator, self.number));
            if let Some(keys) = &keys {
                key.extend_from_slice(keys.row(row).data());
            }
            each(row, &key);
        }
        Ok(())
    }

    /// Rows of these keys and values, of which there is at least one.
    pub fn decode<'a>(
        &self,
        entries: impl Iterator<Item = (&'a [u8], &'a [u8])> + Clone,
    ) -> Result<RecordBatch, Failure> {
        let rows = entries.clone().count();
        let keys = entries
            .clone()
            .map(|(key, _)| &key[PREFIX_BYTES.min(key.len())..]);
        let mut columns = restored(&self.keys, self.table.key, keys)?;
        let values = self.table.schema.fields().len() - self.table.key;
        columns.extend(restored(&self.values, values, entries.map(|(_, value)| value))?);
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        RecordBatch::try_new_with_options(self.table.schema.clone(), columns, &options).map_err(unreadable)
    }
}

fn converter(fields: &[FieldRef]) -> Result<RowConverter, Failure> {
    let fields = fields.iter().map(|f| SortField::new(f.data_type().clone()));
    RowConverter::new(fields.collect())
        .map_err(|e| Failure::user(format!("columns of such types cannot be kept in state: {e}")))
}

fn converted(converter: &RowConverter, columns: &[ArrayRef]) -> Result<Option<Rows>, Failure> {
    if columns.is_empty() {
        return Ok(None);
    }
    let rows = converter.convert_columns(columns);
    rows.map(Some)
        .map_err(|e| Failure::internal(format!("rows of state cannot be encoded: {e}")))
}

fn restored<'a>(
    converter: &RowConverter,
    columns: usize,
    rows: impl Iterator<Item = &'a [u8]>,
) -> Result<Vec<ArrayRef>, Failure> {
    if columns == 0 {
        return Ok(Vec::new());
    }
    let parser = converter.parser();
    let rows = rows.map(|row| parser.parse(row));
    converter.convert_rows(rows).map_err(unreadable)
}

fn unreadable(error: ArrowError) -> Failure {
    Failure::internal(format!("rows of state cannot be read: {error}"))
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, sync::Arc};

    use arrow_array::{Int64Array, StringArray};
    use arrow_schema::DataType;

    use super::*;

    #[test]
    fn rows_come_back_in_the_order_of_their_keys() {
        let table = Table::new("t", &[DataType::Utf8], &[DataType::Int64], &[DataType::Utf8]);
        let codec = Codec::new(table.clone(), 7, 2, 1).expect("plain types");
        let columns: Vec<ArrayRef> = vec![
            Arc::new(StringArray::from(vec![Some("b"), Some("a"), None, Some("a")])),
            Arc::new(Int64Array::from(vec![1, 9, 5, -9])),
            Arc::new(StringArray::from(vec![Some("w"), None, Some("y"), Some("z")])),
        ];
        let rows = RecordBatch::try_new(table.schema.clone(), columns).expect("fits");
        let mut entries = BTreeMap::new();
        codec
            .encode(&rows, |key, value| {
                entries.insert(key.to_vec(), value.to_vec());
            })
            .expect("encodes");
        assert!(entries.keys().all(|key| place(key) == Some((0, 7, 2))));
        let read = codec
            .decode(entries.iter().map(|(k, v)| (k.as_slice(), v.as_slice())))
            .expect("decodes");
        let order = arrow_array::UInt32Array::from(vec![2, 3, 1, 0]);
        let sorted = arrow_select::take::take_record_batch(&rows, &order).expect("takes");
        assert_eq!(read, sorted);
    }

    #[test]
    fn a_table_without_columns_has_one_row() {
        let table = Table::new("t", &[], &[], &[]);
        let codec = Codec::new(table.clone(), 0, 0, 128).expect("no types");
        let options = RecordBatchOptions::new().with_row_count(Some(1));
        let rows =
            RecordBatch::try_new_with_options(table.schema.clone(), vec![], &options).expect("one row");
        let mut entries = Vec::new();
        codec
            .encode(&rows, |key, value| entries.push((key.to_vec(), value.to_vec())))
            .expect("encodes");
        assert_eq!(entries, [(prefix(0, 0, 0).to_vec(), vec![])]);
        let read = codec.decode(entries.iter().map(|(k, v)| (k.as_slice(), v.as_slice())));
        assert_eq!(read.expect("decodes"), rows);
    }
}
