//! Formats of messages: records that come and go one by one, as queues have them, with nothing between.

use arrow_array::RecordBatch;
use arrow_schema::{ArrowError, SchemaRef};

use super::{Decoder, Format, Input, avro, cells::Members, change_json, csv, json, protobuf, raw};

/// Turns messages into rows, keeping rows until they are taken.
pub trait MessageDecoder: Send {
    /// Decodes a message: a row, or as many as the format has in one. The error says what is wrong with it; then nothing of it is kept.
    fn push(&mut self, message: &[u8]) -> Result<(), String>;

    /// Adds a row of nulls, as for a message that is not there. The error names a column that may not be null.
    fn push_null(&mut self) -> Result<(), String>;

    /// Adds a row of which nothing counts: nulls, or any value where a column may not be null.
    fn push_absent(&mut self) -> Result<(), String>;

    /// Forgets rows behind the first `rows` of those not yet taken.
    fn truncate(&mut self, rows: usize);

    /// Rows decoded and not yet taken.
    fn rows(&self) -> usize;

    /// The rows decoded since the last call.
    fn take(&mut self) -> Result<RecordBatch, ArrowError>;
}

/// Messages in a row, in one buffer.
#[derive(Clone, Debug, Default)]
pub struct Messages {
    bytes: Vec<u8>,
    /// Where each ends.
    ends: Vec<usize>,
}

impl Messages {
    /// Forgets all messages, and keeps the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Adds the message that `write` appends.
    pub fn add(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        write(&mut self.bytes);
        self.ends.push(self.bytes.len());
    }

    /// A message.
    pub fn get(&self, index: usize) -> &[u8] {
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.bytes[start..self.ends[index]]
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.len()).map(|index| self.get(index))
    }
}

impl Format {
    /// A decoder of messages: of the columns `read` out of those that the table declares. Both are of a checked table.
    pub fn message_decoder(
        &self,
        declared: &SchemaRef,
        read: &SchemaRef,
    ) -> Result<Box<dyn MessageDecoder>, String> {
        Ok(match self {
            Self::Json(config) => Box::new(json::Decode::new(*config, read)?),
            Self::Csv(config) => Box::new(csv::Decode::new(config, declared, read)?),
            Self::ChangeJson(config) => Box::new(change_json::Decode::new(*config, read)?),
            Self::Avro(config) => avro::message_decoder(*config, declared, read)?,
            Self::AvroConfluent(config) => config.message_decoder(read)?,
            Self::Protobuf(config) => Box::new(protobuf::decoder(config, read)?),
            Self::Raw(config) => Box::new(raw::decoder(*config, read)?),
        })
    }

    /// Whether records that cannot be read are to be skipped.
    pub fn skips_bad_records(&self) -> bool {
        match self {
            Self::Json(config) => config.ignore_parse_errors,
            Self::Csv(config) => config.ignore_parse_errors,
            Self::ChangeJson(config) => config.ignores_parse_errors(),
            Self::Avro(config) => config.ignore_parse_errors,
            Self::AvroConfluent(config) => config.ignore_parse_errors,
            Self::Protobuf(config) => config.ignore_parse_errors,
            Self::Raw(_) => false,
        }
    }

    /// Appends each row as a message.
    pub fn write_messages(&self, batch: &RecordBatch, out: &mut Messages) {
        match self {
            Self::Json(config) => {
                let schema = batch.schema();
                let names = schema.fields().iter().map(|field| field.name().as_str());
                let columns = batch.columns().iter().map(AsRef::as_ref);
                let row = Members::new(names.zip(columns), config.timestamps);
                for index in 0..batch.num_rows() {
                    out.add(|bytes| row.write(index, bytes));
                }
            }
            Self::Csv(config) => {
                let records = csv::Records::new(config, batch);
                for index in 0..batch.num_rows() {
                    out.add(|bytes| records.write(index, bytes));
                }
            }
            Self::ChangeJson(config) => {
                let changes = change_json::Changes::new(*config, batch);
                for index in 0..batch.num_rows() {
                    out.add(|bytes| changes.write(index, bytes));
                }
            }
            Self::Avro(_) => avro::write_messages(batch, out),
            Self::AvroConfluent(config) => config.write_messages(batch, out),
            Self::Protobuf(config) => protobuf::write_messages(config, batch, out),
            Self::Raw(config) => {
                let texts = raw::Texts::new(*config, batch);
                for index in 0..batch.num_rows() {
                    out.add(|bytes| texts.write(index, bytes));
                }
            }
        }
    }
}

impl MessageDecoder for json::Decode {
    fn push(&mut self, message: &[u8]) -> Result<(), String> {
        self.record(message)
    }

    fn push_null(&mut self) -> Result<(), String> {
        self.null_row()
    }

    fn push_absent(&mut self) -> Result<(), String> {
        self.absent_row();
        Ok(())
    }

    fn truncate(&mut self, rows: usize) {
        self.truncate(rows);
    }

    fn rows(&self) -> usize {
        Decoder::rows(self)
    }

    fn take(&mut self) -> Result<RecordBatch, ArrowError> {
        Decoder::take(self)
    }
}

impl MessageDecoder for change_json::Decode {
    fn push(&mut self, message: &[u8]) -> Result<(), String> {
        self.record(message)
    }

    fn push_null(&mut self) -> Result<(), String> {
        Err("a change is not there".into())
    }

    fn push_absent(&mut self) -> Result<(), String> {
        self.push_null()
    }

    fn truncate(&mut self, rows: usize) {
        self.truncate(rows);
    }

    fn rows(&self) -> usize {
        Decoder::rows(self)
    }

    fn take(&mut self) -> Result<RecordBatch, ArrowError> {
        Decoder::take(self)
    }
}

impl MessageDecoder for csv::Decode {
    fn push(&mut self, message: &[u8]) -> Result<(), String> {
        let before = Decoder::rows(self);
        let input = Input {
            bytes: message,
            at_end: true,
            stop: 1,
        };
        let taken = self.decode(input, usize::MAX).map_err(|bad| bad.reason)?;
        match Decoder::rows(self) - before {
            1 if message[taken.bytes..].trim_ascii().is_empty() => Ok(()),
            0 => Err("is no CSV record".into()),
            _ => {
                self.truncate(before);
                Err("has more after its first record".into())
            }
        }
    }

    fn push_null(&mut self) -> Result<(), String> {
        self.null_row()
    }

    fn push_absent(&mut self) -> Result<(), String> {
        self.absent_row();
        Ok(())
    }

    fn truncate(&mut self, rows: usize) {
        self.truncate(rows);
    }

    fn rows(&self) -> usize {
        Decoder::rows(self)
    }

    fn take(&mut self) -> Result<RecordBatch, ArrowError> {
        Decoder::take(self)
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, sync::Arc};

    use arrow_array::{Int64Array, StringArray};
    use arrow_schema::{DataType, Field, Schema};

    use super::*;
    use crate::format::FORMAT;

    const OPTIONS: &[crate::options::OptionDef] = &[FORMAT];

    fn format(name: &str) -> Format {
        let given = BTreeMap::from([("format".to_owned(), name.to_owned())]);
        Format::of_table("test", OPTIONS, &given).expect("a format").0
    }

    fn schema() -> SchemaRef {
        Arc::new(Schema::new(vec![
            Field::new("id", DataType::Int64, true),
            Field::new("name", DataType::Utf8, true),
        ]))
    }

    fn rows() -> RecordBatch {
        let ids = Int64Array::from(vec![1, 2]);
        let names = StringArray::from(vec!["a,\"b\"\nc", "d"]);
        RecordBatch::try_new(schema(), vec![Arc::new(ids), Arc::new(names)]).expect("a batch")
    }

    #[test]
    fn rows_come_back_from_the_messages_that_they_were_written_to() {
        for name in ["json", "csv"] {
            let format = format(name);
            let mut messages = Messages::default();
            format.write_messages(&rows(), &mut messages);
            assert_eq!(messages.len(), 2);
            let mut decoder = format.message_decoder(&schema(), &schema()).expect("a decoder");
            for message in messages.iter() {
                decoder.push(message).expect("a row");
            }
            assert_eq!(decoder.rows(), 2);
            assert_eq!(decoder.take().expect("a batch"), rows(), "{name}");
        }
    }

    #[test]
    fn a_json_message_may_have_line_ends() {
        let format = format("json");
        let mut decoder = format.message_decoder(&schema(), &schema()).expect("a decoder");
        decoder
            .push(b"{\n  \"id\": 7,\n  \"name\": \"x\"\n}\n")
            .expect("a row");
        assert_eq!(decoder.take().expect("a batch").num_rows(), 1);
    }

    #[test]
    fn rows_of_nulls_are_added_and_rows_are_taken_back() {
        for (name, good) in [("json", &b"{\"id\":3}"[..]), ("csv", b"3,c")] {
            let format = format(name);
            let mut decoder = format.message_decoder(&schema(), &schema()).expect("a decoder");
            decoder.push_null().expect("columns may be null");
            decoder.push(good).expect("a row");
            decoder.push(good).expect("a row");
            decoder.truncate(2);
            let batch = decoder.take().expect("a batch");
            assert_eq!((batch.num_rows(), batch.column(0).null_count()), (2, 1), "{name}");
            let strict = Arc::new(Schema::new(vec![
                Field::new("name", DataType::Utf8, true),
                Field::new("id", DataType::Int64, false),
            ]));
            let mut decoder = format.message_decoder(&strict, &strict).expect("a decoder");
            let error = decoder.push_null().expect_err("NOT NULL");
            assert!(error.contains("'id'"), "{error}");
            assert_eq!(decoder.rows(), 0);
            decoder.push_absent().expect("any value will do");
            let batch = decoder.take().expect("a batch");
            let nulls = [0, 1].map(|column| batch.column(column).null_count());
            assert_eq!((batch.num_rows(), nulls), (1, [1, 0]));
        }
    }

    #[test]
    fn of_a_bad_message_nothing_is_kept() {
        for (name, bad) in [
            ("json", &b"{\"id\": 1, \"name\": 2"[..]),
            ("csv", b"1,a\n2,b"),
            ("csv", b"x,a"),
            ("json", b""),
            ("csv", b""),
        ] {
            let format = format(name);
            let mut decoder = format.message_decoder(&schema(), &schema()).expect("a decoder");
            assert!(decoder.push(bad).is_err(), "{name}");
            assert_eq!(decoder.rows(), 0);
            let good: &[u8] = if name == "json" { b"{\"id\":3}" } else { b"3,c" };
            decoder.push(good).expect("a row");
            let batch = decoder.take().expect("a batch");
            assert_eq!((batch.num_rows(), batch.num_columns()), (1, 2));
        }
    }
}
