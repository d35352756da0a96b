//! Messages into batches: columns out of what is in them, and of what is said of them.

use std::{borrow::Cow, sync::Arc};

use arrow_array::{
    ArrayRef, RecordBatch, RecordBatchOptions,
    builder::{
        BinaryBuilder, BooleanBuilder, Int32Builder, Int64Builder, MapBuilder, MapFieldNames, StringBuilder,
        TimestampMillisecondBuilder,
    },
};
use arrow_cast::cast;
use arrow_schema::{ArrowError, Schema, SchemaRef};

use crate::{
    ConnectorError, SourceContext,
    dead_letter::DeadLetter,
    format::{Format, MessageDecoder},
    origin::{self, MetadataDef, MetadataKind},
};

/// A message as another system gave it.
pub(crate) trait Message: Send + 'static {
    /// What is in it.
    fn payload(&self) -> &[u8];

    /// What the connector's metadata column of that key says of it.
    fn says(&self, key: &str) -> Said<'_>;

    /// Where it is, for people.
    fn place(&self) -> String;
}

/// A value of a metadata column, of the kind that its definition has.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Said<'a> {
    /// Nothing.
    Null,
    /// STRING.
    Text(Cow<'a, str>),
    /// BOOLEAN.
    Bool(bool),
    /// INT.
    Int(i32),
    /// BIGINT.
    Long(i64),
    /// In ms since 1970.
    Instant(i64),
    /// Names, each once, with their values.
    Entries(Vec<(&'a str, &'a [u8])>),
}

/// Where the columns that are read come from.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    schema: SchemaRef,
    format: Format,
    /// The columns that messages have.
    declared: SchemaRef,
    /// Those of them that are read.
    read: SchemaRef,
    /// Of each column that is read; none: it is in the message.
    metadata: Vec<Option<MetadataDef>>,
}

impl Layout {
    /// Of a table with these columns, of which those of `schema` are read.
    pub(crate) fn new(
        format: &Format,
        table: &SchemaRef,
        schema: SchemaRef,
        metadata: &'static [MetadataDef],
    ) -> Result<Self, ConnectorError> {
        let mut read = Vec::new();
        let mut origins = Vec::new();
        for field in schema.fields() {
            let Some(key) = origin::metadata_key(field) else {
                read.push(Arc::clone(field));
                origins.push(None);
                continue;
            };
            let def = metadata.iter().find(|def| def.key == key);
            let def = def.ok_or_else(|| ConnectorError::internal(format!("there is no metadata '{key}'")))?;
            origins.push(Some(*def));
        }
        Ok(Self {
            format: format.clone(),
            declared: origin::in_rows(table),
            read: Arc::new(Schema::new(read)),
            schema,
            metadata: origins,
        })
    }

    /// No rows yet.
    pub(crate) fn rows(&self) -> Result<Rows, ConnectorError> {
        let decoder = self.format.message_decoder(&self.declared, &self.read);
        let columns = self.metadata.iter().map(|def| {
            def.map(|def| Column {
                key: def.key,
                values: Values::new(def.kind),
            })
        });
        Ok(Rows {
            decoder: decoder.map_err(ConnectorError::internal)?,
            skips_bad_records: self.format.skips_bad_records(),
            schema: Arc::clone(&self.schema),
            columns: columns.collect(),
        })
    }
}

/// Rows of messages, which grow until they are taken.
pub(crate) struct Rows {
    decoder: Box<dyn MessageDecoder>,
    skips_bad_records: bool,
    schema: SchemaRef,
    /// Of each column of the schema; none: it is in the message.
    columns: Vec<Option<Column>>,
}

struct Column {
    key: &'static str,
    values: Values,
}

enum Values {
    Text(StringBuilder),
    Bool(BooleanBuilder),
    Int(Int32Builder),
    Long(Int64Builder),
    Instant(TimestampMillisecondBuilder),
    Entries(Box<MapBuilder<StringBuilder, BinaryBuilder>>),
}

impl Rows {
    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.decoder.rows()
    }

    /// Adds the row of a message, or the rows if it has changes. One that cannot be read fails, or is skipped and counted if the table says
    /// so, or goes elsewhere: that is returned.
    pub(crate) fn push(
        &mut self,
        message: &impl Message,
        context: &SourceContext,
    ) -> Result<Option<DeadLetter>, ConnectorError> {
        let before = self.len();
        if let Err(reason) = self.decoder.push(message.payload()) {
            return self.refuse(message, reason, context);
        }
        for _ in before..self.len() {
            for Column { key, values } in self.columns.iter_mut().flatten() {
                values.append(message.says(key));
            }
        }
        Ok(None)
    }

    #[cold]
    fn refuse(
        &self,
        message: &impl Message,
        reason: String,
        context: &SourceContext,
    ) -> Result<Option<DeadLetter>, ConnectorError> {
        let letter = context.dead_letters.is_some().then(|| DeadLetter {
            record: message.payload().to_vec(),
            error: reason.clone(),
            place: message.place(),
        });
        if letter.is_none() && !self.skips_bad_records {
            return Err(ConnectorError::user(reason).at(message.place()));
        }
        context.counters.skipped(1);
        Ok(letter)
    }

    /// All of them as a batch.
    pub(crate) fn take(&mut self) -> Result<RecordBatch, ArrowError> {
        let rows = self.len();
        let decoded = self.decoder.take()?;
        let mut decoded = decoded.columns().iter();
        let mut columns = Vec::with_capacity(self.columns.len());
        for (column, field) in self.columns.iter_mut().zip(self.schema.fields()) {
            let array = match column {
                Some(column) => column.values.finish(),
                None => decoded
                    .next()
                    .map(Arc::clone)
                    .ok_or_else(|| ArrowError::InvalidArgumentError("a decoder left out a column".into()))?,
            };
            columns.push(if array.data_type() == field.data_type() {
                array
            } else {
                cast(&array, field.data_type())?
            });
        }
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)
    }
}

impl Values {
    fn new(kind: MetadataKind) -> Self {
        match kind {
            MetadataKind::Text => Self::Text(StringBuilder::new()),
            MetadataKind::Bool => Self::Bool(BooleanBuilder::new()),
            MetadataKind::Int => Self::Int(Int32Builder::new()),
            MetadataKind::Long => Self::Long(Int64Builder::new()),
            MetadataKind::Instant => Self::Instant(TimestampMillisecondBuilder::new().with_timezone("UTC")),
            MetadataKind::TextToBytes => {
                let names = MapFieldNames {
                    entry: "entries".into(),
                    key: "keys".into(),
                    value: "values".into(),
                };
                let builder = MapBuilder::new(Some(names), StringBuilder::new(), BinaryBuilder::new());
                Self::Entries(Box::new(builder))
            }
        }
    }

    /// Adds a value; one of another kind is none.
    fn append(&mut self, said: Said<'_>) {
        match (self, said) {
            (Self::Text(values), Said::Text(text)) => values.append_value(text),
            (Self::Text(values), _) => values.append_null(),
            (Self::Bool(values), Said::Bool(is)) => values.append_value(is),
            (Self::Bool(values), _) => values.append_null(),
            (Self::Int(values), Said::Int(number)) => values.append_value(number),
            (Self::Int(values), _) => values.append_null(),
            (Self::Long(values), Said::Long(number)) => values.append_value(number),
            (Self::Long(values), _) => values.append_null(),
            (Self::Instant(values), Said::Instant(ms)) => values.append_value(ms),
            (Self::Instant(values), _) => values.append_null(),
            (Self::Entries(values), said) => {
                let is_said = matches!(said, Said::Entries(_));
                if let Said::Entries(entries) = said {
                    for (name, value) in entries {
                        values.keys().append_value(name);
                        values.values().append_value(value);
                    }
                }
                // The builder holds as many keys as values: it cannot refuse.
                let _ = values.append(is_said);
            }
        }
    }

    fn finish(&mut self) -> ArrayRef {
        match self {
            Self::Text(values) => Arc::new(values.finish()),
            Self::Bool(values) => Arc::new(values.finish()),
            Self::Int(values) => Arc::new(values.finish()),
            Self::Long(values) => Arc::new(values.finish()),
            Self::Instant(values) => Arc::new(values.finish()),
            Self::Entries(values) => Arc::new(values.finish()),
        }
    }
}

#[cfg(test)]
mod tests {
    use arrow_array::{Array, cast::AsArray, types::TimestampMillisecondType};
    use arrow_schema::{DataType, Field, TimeUnit};

    use super::*;
    use crate::{format::FORMAT, options::OptionDef};

    struct Note(&'static str);

    impl Message for Note {
        fn payload(&self) -> &[u8] {
            self.0.as_bytes()
        }

        fn says(&self, key: &str) -> Said<'_> {
            match key {
                "length" => Said::Int(self.0.len() as i32),
                "at" => Said::Instant(1000),
                "headers" => Said::Entries(vec![("a", b"1")]),
                _ => Said::Null,
            }
        }

        fn place(&self) -> String {
            "here".into()
        }
    }

    const fn def(key: &'static str, kind: MetadataKind) -> MetadataDef {
        MetadataDef {
            key,
            kind,
            is_writable: false,
            doc: "",
        }
    }

    static METADATA: [MetadataDef; 4] = [
        def("length", MetadataKind::Int),
        def("at", MetadataKind::Instant),
        def("headers", MetadataKind::TextToBytes),
        def("none", MetadataKind::Text),
    ];
    static OPTIONS: [OptionDef; 1] = [FORMAT];

    fn context(dead_letters: Option<Arc<crate::dead_letter::DeadLetters>>) -> SourceContext {
        SourceContext {
            schema: Arc::new(Schema::empty()),
            batch_rows: 10,
            known_splits: Arc::default(),
            subtask: 0,
            parallelism: 1,
            takes_checkpoints: false,
            clock: Arc::new(weir_env::SystemClock::new()),
            counters: Arc::default(),
            dead_letters,
        }
    }

    fn layout(more: &[(&str, &str)]) -> Layout {
        let mut given = std::collections::BTreeMap::from([("format".to_owned(), "json".to_owned())]);
        given.extend(
            more.iter()
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned())),
        );
        let format = Format::of_table("test", &OPTIONS, &given).expect("a format").0;
        let seconds = DataType::Timestamp(TimeUnit::Second, Some("UTC".into()));
        let said =
            |name: &str, data_type: DataType| origin::metadata(Field::new(name, data_type, true), name, true);
        let table: SchemaRef = Arc::new(Schema::new(vec![
            said("length", DataType::Int64),
            Field::new("n", DataType::Int64, true),
            said("at", seconds),
            Field::new("other", DataType::Utf8, true),
            said("headers", MetadataKind::TextToBytes.data_type()),
            said("none", DataType::Utf8),
        ]));
        let read = Arc::new(table.project(&[0, 1, 2, 4, 5]).expect("columns"));
        Layout::new(&format, &table, read, &METADATA).expect("valid")
    }

    #[test]
    fn what_is_said_of_a_message_stands_beside_what_is_in_it() {
        let mut rows = layout(&[]).rows().expect("valid");
        let context = context(None);
        for text in ["{\"n\":1,\"other\":\"x\"}", "{\"n\":2}"] {
            rows.push(&Note(text), &context).expect("a row");
        }
        let batch = rows.take().expect("a batch");
        let at: &arrow_array::TimestampMillisecondArray =
            &cast(batch.column(2), &MetadataKind::Instant.data_type())
                .expect("a time")
                .as_primitive::<TimestampMillisecondType>()
                .clone();
        assert_eq!(
            batch
                .column(0)
                .as_primitive::<arrow_array::types::Int64Type>()
                .values(),
            &[19, 7]
        );
        assert_eq!(
            batch
                .column(1)
                .as_primitive::<arrow_array::types::Int64Type>()
                .values(),
            &[1, 2]
        );
        assert_eq!(at.values(), &[1000, 1000]);
        assert_eq!(batch.column(3).as_map().value(1).len(), 1);
        assert_eq!(batch.column(4).null_count(), 2);
        assert_eq!(rows.len(), 0);
    }

    #[test]
    fn a_bad_message_is_an_error_with_its_place_or_is_skipped_and_counted() {
        let context = context(None);
        let mut strict = layout(&[]).rows().expect("valid");
        let error = strict.push(&Note("{"), &context).expect_err("no JSON");
        assert_eq!(error.place.as_deref(), Some("here"));
        let mut lenient = layout(&[("json.ignore-parse-errors", "true")])
            .rows()
            .expect("valid");
        for text in ["{", "{\"n\":1}", "{"] {
            let letter = lenient.push(&Note(text), &context).expect("skipped");
            assert_eq!(letter, None);
        }
        let batch = lenient.take().expect("a batch");
        assert_eq!((batch.num_rows(), context.counters.skipped_records()), (1, 2));
    }

    #[test]
    fn a_bad_message_goes_elsewhere_where_the_job_says_so() {
        let context = context(Some(Arc::default()));
        let mut rows = layout(&[]).rows().expect("valid");
        let letter = rows
            .push(&Note("{"), &context)
            .expect("it goes elsewhere")
            .expect("a letter");
        assert_eq!(
            (letter.record.as_slice(), letter.place.as_str()),
            (&b"{"[..], "here")
        );
        assert_eq!((rows.len(), context.counters.skipped_records()), (0, 1));
    }
}
