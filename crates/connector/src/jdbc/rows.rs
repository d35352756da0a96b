//! Rows as JSON, changes folded by key.

use std::{collections::HashMap, ops::Range, sync::Arc};

use arrow_array::{Array, ArrayRef, RecordBatch, StringArray, cast::AsArray};
use arrow_row::{RowConverter, SortField};
use arrow_schema::{ArrowError, DataType, SchemaRef};
use foldhash::fast::RandomState;

use crate::{
    changelog,
    format::{TimestampStyle, cells::Members},
};

/// Rows that go to the database together: JSON arrays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Chunk {
    /// Rows to add, or to put in the place of those with their keys.
    pub(super) upserts: String,
    /// Rows whose keys are to be deleted; empty if there are none.
    pub(super) deletes: String,
}

/// Gathers rows for a chunk. Of rows with one key the last change is kept.
#[derive(Debug)]
pub(super) struct Gathered {
    /// Reads the key of a row; none: rows have no keys.
    keys: Option<(Vec<usize>, RowConverter)>,
    /// JSON objects.
    text: Vec<u8>,
    entries: Vec<Entry>,
    by_key: HashMap<Box<[u8]>, usize, RandomState>,
}

#[derive(Clone, Debug)]
struct Entry {
    adds: bool,
    text: Range<usize>,
}

impl Gathered {
    /// Of rows with these columns, and keys of these.
    pub(super) fn new(schema: &SchemaRef, keys: &[String]) -> Result<Self, ArrowError> {
        let columns: Vec<usize> = keys
            .iter()
            .map(|key| schema.index_of(key))
            .collect::<Result<_, _>>()?;
        let fields = columns
            .iter()
            .map(|&column| SortField::new(schema.field(column).data_type().clone()));
        let converter = RowConverter::new(fields.collect())?;
        Ok(Self {
            keys: (!columns.is_empty()).then_some((columns, converter)),
            text: Vec::new(),
            entries: Vec::new(),
            by_key: HashMap::default(),
        })
    }

    /// Bytes that wait.
    pub(super) fn bytes(&self) -> usize {
        self.text.len()
    }

    /// Rows that wait.
    pub(super) fn rows(&self) -> usize {
        self.entries.len()
    }

    /// Adds the rows of a batch, or what they change.
    pub(super) fn add(&mut self, batch: &RecordBatch) -> Result<(), ArrowError> {
        let ops = changelog::ops(batch);
        let columns = batch.num_columns() - usize::from(ops.is_some());
        let values: Vec<ArrayRef> = batch.columns()[..columns].iter().map(said).collect();
        let schema = batch.schema();
        let names = schema.fields().iter().map(|field| field.name().as_str());
        let members = Members::new(names.zip(values.iter().map(AsRef::as_ref)), TimestampStyle::Sql);
        let keys = match &self.keys {
            Some((columns, converter)) => {
                let columns: Vec<_> = columns
                    .iter()
                    .map(|&column| batch.column(column).clone())
                    .collect();
                Some(converter.convert_columns(&columns)?)
            }
            None => None,
        };
        for row in 0..batch.num_rows() {
            let start = self.text.len();
            members.write(row, &mut self.text);
            let entry = Entry {
                adds: ops.is_none_or(|ops| changelog::adds(ops.value(row))),
                text: start..self.text.len(),
            };
            match &keys {
                Some(keys) => self.fold(keys.row(row).data(), entry),
                None => self.entries.push(entry),
            }
        }
        Ok(())
    }

    fn fold(&mut self, key: &[u8], entry: Entry) {
        if let Some(&known) = self.by_key.get(key) {
            self.entries[known] = entry;
            return;
        }
        self.by_key.insert(key.into(), self.entries.len());
        self.entries.push(entry);
    }

    /// What has been gathered; begins anew.
    pub(super) fn take(&mut self) -> Chunk {
        let chunk = Chunk {
            upserts: self.array(true),
            deletes: self.array(false),
        };
        self.text.clear();
        self.entries.clear();
        self.by_key.clear();
        chunk
    }

    fn array(&self, adds: bool) -> String {
        let mut array = Vec::new();
        for entry in self.entries.iter().filter(|entry| entry.adds == adds) {
            array.push(if array.is_empty() { b'[' } else { b',' });
            array.extend_from_slice(&self.text[entry.text.clone()]);
        }
        if !array.is_empty() {
            array.push(b']');
        }
        String::from_utf8(array).expect("JSON is made of texts that are UTF-8")
    }
}

/// Values as the database reads them from JSON: bytes in its own notation.
fn said(column: &ArrayRef) -> ArrayRef {
    if *column.data_type() != DataType::Binary {
        return Arc::clone(column);
    }
    let hex = |bytes: &[u8]| {
        let digit = |nibble: u8| char::from(b"0123456789abcdef"[usize::from(nibble)]);
        let digits = bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]);
        ['\\', 'x'].into_iter().chain(digits).collect::<String>()
    };
    Arc::new(
        column
            .as_binary::<i32>()
            .iter()
            .map(|bytes| bytes.map(hex))
            .collect::<StringArray>(),
    )
}

#[cfg(test)]
mod tests {
    use arrow_array::{BinaryArray, Int64Array};
    use arrow_schema::{Field, Schema};

    use super::*;
    use crate::RowKind::{self, Delete, Insert, UpdateAfter, UpdateBefore};

    fn schema() -> SchemaRef {
        Arc::new(Schema::new(vec![
            Field::new("k", DataType::Int64, false),
            Field::new("v", DataType::Utf8, true),
        ]))
    }

    fn changes(rows: &[(RowKind, i64, &str)]) -> RecordBatch {
        let columns: Vec<ArrayRef> = vec![
            Arc::new(rows.iter().map(|row| row.1).collect::<Int64Array>()),
            Arc::new(rows.iter().map(|row| Some(row.2)).collect::<StringArray>()),
            changelog::column(rows.iter().map(|row| row.0.byte()).collect()),
        ];
        let mut fields: Vec<_> = schema().fields().iter().cloned().collect();
        fields.push(Arc::new(changelog::op_field()));
        RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).expect("changes")
    }

    #[test]
    fn the_last_change_of_a_key_counts() {
        let mut gathered = Gathered::new(&schema(), &["k".to_owned()]).expect("keys");
        gathered
            .add(&changes(&[(Insert, 1, "a"), (Insert, 2, "b"), (Insert, 3, "c")]))
            .expect("adds");
        gathered
            .add(&changes(&[
                (UpdateBefore, 1, "a"),
                (UpdateAfter, 1, "aa"),
                (Delete, 2, "b"),
                (UpdateBefore, 3, "c"),
                (UpdateAfter, 4, "c"),
            ]))
            .expect("adds");
        assert_eq!(gathered.rows(), 4);
        let chunk = gathered.take();
        assert_eq!(chunk.upserts, r#"[{"k":1,"v":"aa"},{"k":4,"v":"c"}]"#);
        assert_eq!(chunk.deletes, r#"[{"k":2,"v":"b"},{"k":3,"v":"c"}]"#);
        assert_eq!(gathered.take(), Chunk::default(), "it begins anew");
    }

    #[test]
    fn rows_without_keys_are_all_kept_and_bytes_are_hexadecimal() {
        let bytes: ArrayRef = Arc::new(BinaryArray::from_opt_vec(vec![
            Some(b"\x00\xfe"),
            None,
            Some(b"\x00\xfe"),
        ]));
        let batch = RecordBatch::try_from_iter([("b", bytes)]).expect("rows");
        let mut gathered = Gathered::new(&batch.schema(), &[]).expect("no keys");
        gathered.add(&batch).expect("adds");
        let chunk = gathered.take();
        assert_eq!(chunk.upserts, r#"[{"b":"\\x00fe"},{"b":null},{"b":"\\x00fe"}]"#);
        assert_eq!(chunk.deletes, "");
    }
}
