//! Record batches as Arrow IPC messages without a schema: the schema of the edge is known on both sides.

use std::{collections::HashMap, sync::Arc};

use arrow_array::{Array, ArrayRef, RecordBatch, cast::AsArray};
use arrow_buffer::{Buffer, MutableBuffer};
use arrow_ipc::{
    MetadataVersion,
    reader::RecordBatchDecoder,
    root_as_message,
    writer::{DictionaryTracker, IpcDataGenerator, IpcWriteContext, IpcWriteOptions},
};
use arrow_schema::{DataType, SchemaRef};
use bytes::Bytes;
use weir_model::Failure;

/// A batch as it travels: the flatbuffers header and the buffers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encoded {
    /// The Arrow IPC message.
    pub header: Bytes,
    /// Its buffers, padded so that each is aligned if the whole is.
    pub body: Bytes,
}

impl Encoded {
    /// Bytes that it is counted as in a channel.
    pub fn bytes(&self) -> usize {
        self.header.len() + self.body.len()
    }
}

/// Alignment of buffers within a body: what the widest Arrow values need, and a cache line.
const ALIGNMENT: usize = 64;

/// Encodes the batches of one edge.
pub struct Encoder {
    generator: IpcDataGenerator,
    options: IpcWriteOptions,
    context: IpcWriteContext,
    dictionaries: DictionaryTracker,
}

impl std::fmt::Debug for Encoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Encoder").finish_non_exhaustive()
    }
}

impl Default for Encoder {
    fn default() -> Self {
        let mut context = IpcWriteContext::default();
        // The next body is about as large: its bytes are allocated at once.
        context.set_reserve_scratch(true);
        Self {
            generator: IpcDataGenerator::default(),
            options: IpcWriteOptions::default(),
            context,
            dictionaries: DictionaryTracker::new(true),
        }
    }
}

impl Encoder {
    /// The batch as bytes: of a slice only its own rows. Costs one copy.
    pub fn encode(&mut self, batch: &RecordBatch) -> Result<Encoded, Failure> {
        if let Some(field) = batch
            .schema_ref()
            .fields()
            .iter()
            .find(|f| holds_dictionary(f.data_type()))
        {
            return Err(Failure::internal(format!(
                "column '{}' is dictionary-encoded, which cannot travel between workers",
                field.name()
            )));
        }
        let compact = compact_views(batch);
        let (_, data) = self
            .generator
            .encode(
                compact.as_ref().unwrap_or(batch),
                &mut self.dictionaries,
                &self.options,
                &mut self.context,
            )
            .map_err(|e| Failure::internal(format!("cannot encode rows for another worker: {e}")))?;
        Ok(Encoded {
            header: data.ipc_message.into(),
            body: data.arrow_data.into(),
        })
    }
}

/// The batch with view columns that hold only their own text, if some hold much more (views share buffers when sliced).
fn compact_views(batch: &RecordBatch) -> Option<RecordBatch> {
    let wasteful = |column: &ArrayRef| match column.data_type() {
        DataType::Utf8View => {
            let views = column.as_string_view();
            views.data_buffers().iter().map(Buffer::len).sum::<usize>() > 2 * views.total_buffer_bytes_used()
        }
        DataType::BinaryView => {
            let views = column.as_binary_view();
            views.data_buffers().iter().map(Buffer::len).sum::<usize>() > 2 * views.total_buffer_bytes_used()
        }
        _ => false,
    };
    if !batch.columns().iter().any(wasteful) {
        return None;
    }
    let columns = batch.columns().iter().map(|column| match column.data_type() {
        DataType::Utf8View if wasteful(column) => Arc::new(column.as_string_view().gc()) as ArrayRef,
        DataType::BinaryView if wasteful(column) => Arc::new(column.as_binary_view().gc()) as ArrayRef,
        _ => Arc::clone(column),
    });
    RecordBatch::try_new(batch.schema(), columns.collect()).ok()
}

fn holds_dictionary(data_type: &DataType) -> bool {
    match data_type {
        DataType::Dictionary(_, _) => true,
        DataType::List(field) | DataType::LargeList(field) | DataType::Map(field, _) => {
            holds_dictionary(field.data_type())
        }
        DataType::Struct(fields) => fields.iter().any(|f| holds_dictionary(f.data_type())),
        _ => false,
    }
}

/// The batch in the bytes. The columns share the body; it is copied once, as a whole, if it arrived unaligned.
pub fn decode(encoded: Encoded, schema: &SchemaRef) -> Result<RecordBatch, Failure> {
    let unreadable =
        |what: String| Failure::internal(format!("cannot decode rows from another worker: {what}"));
    let message = root_as_message(&encoded.header).map_err(|e| unreadable(e.to_string()))?;
    let header = message
        .header_as_record_batch()
        .ok_or_else(|| unreadable("not a record batch".to_owned()))?;
    let body = aligned(encoded.body);
    RecordBatchDecoder::try_new(
        &body,
        header,
        Arc::clone(schema),
        &HashMap::new(),
        &MetadataVersion::V5,
    )
    .and_then(RecordBatchDecoder::read_record_batch)
    .map_err(|e| unreadable(e.to_string()))
}

fn aligned(body: Bytes) -> Buffer {
    if body.as_ptr().align_offset(ALIGNMENT) == 0 {
        return Buffer::from(body);
    }
    let mut buffer = MutableBuffer::with_capacity(body.len());
    buffer.extend_from_slice(&body);
    buffer.into()
}

#[cfg(test)]
mod tests {
    use arrow_array::{
        BooleanArray, Decimal128Array, Int64Array, ListArray, RecordBatchOptions, StringArray,
        StringViewArray, StructArray, TimestampMillisecondArray, types::Int32Type,
    };
    use arrow_schema::{Field, Schema};

    use super::*;

    fn rows() -> RecordBatch {
        let numbers: ArrayRef = Arc::new(
            (0..1000)
                .map(|i| (i % 7 != 0).then_some(i))
                .collect::<Int64Array>(),
        );
        let words: ArrayRef = Arc::new(StringArray::from_iter_values(
            (0..1000).map(|i| format!("word {i}")),
        ));
        let nested = StructArray::from(vec![
            (
                Arc::new(Field::new("n", DataType::Int64, true)),
                Arc::clone(&numbers),
            ),
            (
                Arc::new(Field::new("w", DataType::Utf8, false)),
                Arc::clone(&words),
            ),
        ]);
        RecordBatch::try_from_iter([
            ("numbers", numbers),
            ("words", words),
            ("nested", Arc::new(nested) as ArrayRef),
            (
                "flags",
                Arc::new((0..1000).map(|i| Some(i % 3 == 0)).collect::<BooleanArray>()),
            ),
            ("prices", Arc::new(Decimal128Array::from_iter_values(0..1000))),
            (
                "times",
                Arc::new(TimestampMillisecondArray::from_iter_values(0..1000)),
            ),
            (
                "lists",
                Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>(
                    (0..1000).map(|i| Some((0..i % 4).map(Some).collect::<Vec<_>>())),
                )),
            ),
            (
                "views",
                Arc::new(StringViewArray::from_iter_values(
                    (0..1000).map(|i| "x".repeat((i % 30) as usize)),
                )),
            ),
        ])
        .expect("columns of one length")
    }

    #[track_caller]
    fn check(batch: &RecordBatch) -> Encoded {
        let encoded = Encoder::default().encode(batch).expect("encodes");
        let decoded = decode(encoded.clone(), &batch.schema()).expect("decodes");
        assert_eq!(&decoded, batch);
        encoded
    }

    #[test]
    fn every_kind_of_column_survives_the_round_trip_at_any_alignment() {
        let encoded = check(&rows());
        let mut shifted = vec![0; 3];
        shifted.extend_from_slice(&encoded.body);
        let body = Bytes::from(shifted).slice(3..);
        let decoded = decode(Encoded { body, ..encoded }, &rows().schema()).expect("decodes");
        assert_eq!(decoded, rows());
    }

    #[test]
    fn a_slice_travels_without_the_rows_around_it() {
        let all = check(&rows()).bytes();
        let some = check(&rows().slice(500, 10)).bytes();
        assert!(some < all / 20, "{some} of {all}");
    }

    #[test]
    fn rows_without_columns_keep_their_number() {
        let options = RecordBatchOptions::new().with_row_count(Some(5));
        check(
            &RecordBatch::try_new_with_options(Arc::new(Schema::empty()), vec![], &options)
                .expect("no columns"),
        );
    }

    #[test]
    fn a_dictionary_is_refused_by_name() {
        let words: arrow_array::DictionaryArray<Int32Type> = ["a", "b"].into_iter().collect();
        let batch = RecordBatch::try_from_iter([("w", Arc::new(words) as ArrayRef)]).expect("one column");
        let failure = Encoder::default()
            .encode(&batch)
            .expect_err("dictionaries cannot travel");
        assert!(failure.message.contains("'w'"), "{failure}");
    }

    #[test]
    fn damaged_bytes_are_an_error() {
        let encoded = Encoded {
            header: Bytes::from_static(b"not a flatbuffer"),
            body: Bytes::new(),
        };
        assert!(decode(encoded, &rows().schema()).is_err());
    }
}
