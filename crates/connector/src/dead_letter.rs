//! Dead letters: records that could not be read, kept for another table instead of being lost or failing the job.
//!
//! A reader [puts](DeadLetters::put) them down together with the event by which its position passes them. The runtime takes them with that
//! event, so that a checkpoint has both or neither.

use std::sync::{Arc, LazyLock};

use arrow_array::{BinaryArray, RecordBatch, StringArray, TimestampMillisecondArray};
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef, TimeUnit};
use parking_lot::Mutex;

/// The record's bytes.
pub const RECORD: &str = "record";
/// The same as text: bytes that are no UTF-8 are replaced.
pub const TEXT: &str = "record_text";
/// What is wrong with it.
pub const ERROR: &str = "error";
/// Where it stands.
pub const PLACE: &str = "place";
/// When it was read.
pub const FAILED_AT: &str = "failed_at";

/// So many bytes of letters are handed on without waiting for rows to go with them.
pub(crate) const ENOUGH_BYTES: usize = 1 << 20;

/// A record that could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// Its bytes.
    pub record: Vec<u8>,
    /// What is wrong with it.
    pub error: String,
    /// Where it stands, as in an error of the job.
    pub place: String,
}

/// The letters of a reader that the runtime has yet to take.
#[derive(Debug, Default)]
pub struct DeadLetters {
    waiting: Mutex<Vec<DeadLetter>>,
}

impl DeadLetters {
    /// Puts letters down that belong to the event which the reader yields next, without waiting for anything before.
    pub fn put(&self, letters: impl IntoIterator<Item = DeadLetter>) {
        self.waiting.lock().extend(letters);
    }

    /// Those put down since the last call.
    pub fn take(&self) -> Vec<DeadLetter> {
        std::mem::take(&mut self.waiting.lock())
    }
}

/// The columns of letters.
pub fn schema() -> SchemaRef {
    static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
        let time = DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into()));
        Arc::new(Schema::new(vec![
            Field::new(RECORD, DataType::Binary, false),
            Field::new(TEXT, DataType::Utf8, false),
            Field::new(ERROR, DataType::Utf8, false),
            Field::new(PLACE, DataType::Utf8, false),
            Field::new(FAILED_AT, time, false),
        ]))
    });
    Arc::clone(&SCHEMA)
}

/// Letters as rows, read at that time, ms since 1970.
pub fn batch(letters: &[DeadLetter], now_ms: i64) -> Result<RecordBatch, ArrowError> {
    let texts = letters
        .iter()
        .map(|letter| String::from_utf8_lossy(&letter.record));
    RecordBatch::try_new(
        schema(),
        vec![
            Arc::new(BinaryArray::from_iter_values(letters.iter().map(|l| &l.record))),
            Arc::new(StringArray::from_iter_values(texts)),
            Arc::new(StringArray::from_iter_values(letters.iter().map(|l| &l.error))),
            Arc::new(StringArray::from_iter_values(letters.iter().map(|l| &l.place))),
            Arc::new(TimestampMillisecondArray::from_value(now_ms, letters.len()).with_timezone("UTC")),
        ],
    )
}
