use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use arrow_array::{
    Array, ArrayRef, Int32Array, Int64Array, RecordBatch, StringArray, StructArray, cast::AsArray,
    types::Int64Type,
};
use arrow_schema::{DataType, Field, Fields, Schema, SchemaRef, TimeUnit};
use bytes::Bytes;
use parquet::{
    arrow::ArrowWriter, file::properties::WriterProperties, file::reader::FileReader,
    file::serialized_reader::SerializedFileReader,
};
use proptest::prelude::*;
use tempfile::TempDir;
use weir_env::ManualClock;

use crate::{
    CompareOperator, Comparison, Connector as _, ConnectorError, RowOutput, SinkContext, SourceContext,
    SourceEvent, SourceFactory, Split, Table, filesystem::Filesystem,
};

fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("n", DataType::Int64, true),
        Field::new("word", DataType::Utf8, true),
    ]))
}

fn table(folder: &Path, schema: &SchemaRef, options: &[(&str, &str)]) -> Table {
    let path = folder.display().to_string();
    let all = [("path", path.as_str()), ("format", "parquet")];
    let all = all.iter().chain(options);
    Table {
        name: "t".into(),
        connector: "filesystem".into(),
        options: all
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect(),
        schema: Arc::clone(schema),
    }
}

fn source(folder: &Path, schema: &SchemaRef) -> Box<dyn SourceFactory> {
    Filesystem.source(&table(folder, schema, &[])).expect("valid")
}

async fn read_splits(
    source: &dyn SourceFactory,
    schema: &SchemaRef,
    splits: Vec<Split>,
) -> Result<Vec<RecordBatch>, ConnectorError> {
    let context = SourceContext {
        schema: Arc::clone(schema),
        batch_rows: 4,
        known_splits: Arc::default(),
        subtask: 0,
        parallelism: 1,
        takes_checkpoints: false,
        clock: Arc::new(ManualClock::new()),
        counters: Arc::default(),
        dead_letters: None,
    };
    let mut reader = source.open(splits, context).await?;
    let mut batches = Vec::new();
    loop {
        match reader.next().await? {
            SourceEvent::Rows { batch, .. } => batches.push(batch),
            SourceEvent::SplitEnd { .. } | SourceEvent::SplitAdded { .. } => {}
            SourceEvent::End => return Ok(batches),
        }
    }
}

async fn read(source: &dyn SourceFactory, schema: &SchemaRef) -> Result<RecordBatch, ConnectorError> {
    let splits = source.splits(1).await?;
    let batches = read_splits(source, schema, splits).await?;
    Ok(arrow_select::concat::concat_batches(schema, &batches).expect("one schema"))
}

/// A file of these rows, so many in a group.
fn write(path: &Path, batch: &RecordBatch, group_rows: usize) {
    let file = fs::File::create(path).expect("a file");
    let properties = WriterProperties::builder()
        .set_max_row_group_row_count(Some(group_rows))
        .build();
    let mut writer = ArrowWriter::try_new(file, batch.schema(), Some(properties)).expect("a writer");
    writer.write(batch).expect("writes");
    writer.close().expect("closes");
}

fn batch(numbers: std::ops::Range<i64>) -> RecordBatch {
    let words: StringArray = numbers.clone().map(|n| Some(format!("w{n:03}"))).collect();
    let columns: Vec<ArrayRef> = vec![Arc::new(Int64Array::from_iter_values(numbers)), Arc::new(words)];
    RecordBatch::try_new(schema(), columns).expect("a batch")
}

fn numbers(batch: &RecordBatch) -> Vec<i64> {
    let column = batch.column_by_name("n").expect("the column");
    column.as_primitive::<Int64Type>().values().to_vec()
}

#[derive(Debug)]
struct NoOutput;

impl RowOutput for NoOutput {
    fn print(&self, _table: &str, _subtask: u32, _lines: &[u8], _rows: usize) {}
}

fn sink_context() -> SinkContext {
    SinkContext {
        job: "j".into(),
        generation: 1,
        restored: None,
        takes_checkpoints: true,
        operator: 1,
        uid: "sink".into(),
        subtask: 0,
        parallelism: 1,
        clock: Arc::new(ManualClock::new()),
        output: Arc::new(NoOutput),
    }
}

/// Writes rows into a folder, and returns the bytes of its one file.
async fn sink(folder: &Path, rows: &RecordBatch, options: &[(&str, &str)]) -> Bytes {
    let table = table(folder, &rows.schema(), options);
    let factory = Filesystem.sink(&table).expect("valid");
    let mut writer = factory.open(sink_context()).await.expect("opens");
    for start in (0..rows.num_rows()).step_by(1000) {
        let count = (rows.num_rows() - start).min(1000);
        writer.write(rows.slice(start, count)).await.expect("writes");
    }
    let commits = writer.prepare(1).await.expect("prepares");
    factory.commit(&commits).await.expect("commits");
    Bytes::from(fs::read(files(folder).remove(0)).expect("reads"))
}

/// The visible files of a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let visible = |entry: fs::DirEntry| {
        let name = entry.file_name().into_string().expect("text");
        (!name.starts_with('.')).then(|| entry.path())
    };
    let entries = fs::read_dir(folder).expect("a folder");
    entries
        .filter_map(|entry| visible(entry.expect("an entry")))
        .collect()
}

/// A column of every kind.
fn all_kinds() -> RecordBatch {
    let text = r#"{"b":true,"i":7,"d":"1.50","s":"x","y":"AQI=","day":"2024-02-29","at":"2024-02-29 10:11:12.123","ltz":"2024-02-29 10:11:12.123456Z","sec":"2024-02-29 10:11:12","list":[1,null],"map":{"k":1.5},"row":{"a":1,"b":[{"c":"z"}]}}
{}
"#;
    let entries = Fields::from(vec![
        Field::new("keys", DataType::Utf8, false),
        Field::new("values", DataType::Float64, true),
    ]);
    let inner = Fields::from(vec![Field::new("c", DataType::Utf8, true)]);
    let row = Fields::from(vec![
        Field::new("a", DataType::Int16, true),
        Field::new_list("b", Field::new("item", DataType::Struct(inner), true), true),
    ]);
    let utc = Some("UTC".into());
    let schema = Arc::new(Schema::new(vec![
        Field::new("b", DataType::Boolean, true),
        Field::new("i", DataType::Int8, true),
        Field::new("d", DataType::Decimal128(10, 2), true),
        Field::new("s", DataType::Utf8, true),
        Field::new("y", DataType::Binary, true),
        Field::new("day", DataType::Date32, true),
        Field::new("at", DataType::Timestamp(TimeUnit::Millisecond, None), true),
        Field::new("ltz", DataType::Timestamp(TimeUnit::Microsecond, utc), true),
        Field::new("sec", DataType::Timestamp(TimeUnit::Second, None), true),
        Field::new_list("list", Field::new("item", DataType::Int32, true), true),
        Field::new(
            "map",
            DataType::Map(
                Arc::new(Field::new("entries", DataType::Struct(entries), false)),
                false,
            ),
            true,
        ),
        Field::new("row", DataType::Struct(row), true),
    ]));
    let options = [("format".to_owned(), "json".to_owned())].into();
    let def = [crate::format::FORMAT];
    let (format, _) =
        crate::format::Format::of_table("t", Box::leak(Box::new(def)), &options).expect("a format");
    let mut decoder = format.decoder(&schema, &schema).expect("a decoder");
    decoder.begin_file();
    let input = crate::format::Input {
        bytes: text.as_bytes(),
        at_end: true,
        stop: usize::MAX,
    };
    decoder.decode(input, 10).expect("decodes");
    decoder.take().expect("rows")
}

#[tokio::test]
async fn rows_come_back_as_they_were_written_whatever_they_hold() {
    let rows = all_kinds();
    for packed in ["UNCOMPRESSED", "SNAPPY", "GZIP", "ZSTD"] {
        let folder = TempDir::new().expect("a folder");
        let bytes = sink(folder.path(), &rows, &[("parquet.compression", packed)]).await;
        let file = SerializedFileReader::new(bytes).expect("a file");
        let column = file.metadata().row_group(0).column(0).compression();
        assert_eq!(format!("{column:?}").split('(').next(), Some(packed));
        let source = source(folder.path(), &rows.schema());
        assert_eq!(read(&*source, &rows.schema()).await.expect("reads"), rows);
    }
}

#[tokio::test]
async fn files_are_alike_and_name_their_parts_as_others_do() {
    let folder = TempDir::new().expect("a folder");
    let table_schema = all_kinds().schema();
    let table = table(folder.path(), &table_schema, &[]);
    let factory = Filesystem.sink(&table).expect("valid");
    let mut writer = factory.open(sink_context()).await.expect("opens");
    // What a query says is never null.
    let rows = all_kinds().slice(0, 1);
    let never_null = |field: &Arc<Field>| Field::clone(field).with_nullable(false);
    let fields: Vec<_> = table_schema.fields().iter().map(never_null).collect();
    let rows = RecordBatch::try_new(Arc::new(Schema::new(fields)), rows.columns().to_vec());
    writer.write(rows.expect("a batch")).await.expect("writes");
    let commits = writer.prepare(1).await.expect("prepares");
    factory.commit(&commits).await.expect("commits");
    let file = files(folder.path()).remove(0);
    let file = SerializedFileReader::new(Bytes::from(fs::read(file).expect("reads"))).expect("a file");
    let schema = file.metadata().file_metadata().schema_descr();
    let paths: Vec<_> = schema.columns().iter().map(|c| c.path().string()).collect();
    for path in [
        "list.list.element",
        "map.key_value.key",
        "map.key_value.value",
        "row.b.list.element.c",
    ] {
        assert!(
            paths.iter().any(|there| there == path),
            "{path} is not in {paths:?}"
        );
    }
    assert!(
        schema
            .root_schema()
            .get_fields()
            .iter()
            .all(|field| field.is_optional())
    );
}

#[tokio::test]
async fn groups_of_rows_end_at_their_size() {
    let folder = TempDir::new().expect("a folder");
    let rows = batch(0..20_000);
    let bytes = sink(folder.path(), &rows, &[("parquet.block.size", "16 kb")]).await;
    let file = SerializedFileReader::new(bytes).expect("a file");
    assert!(file.num_row_groups() > 1, "{}", file.num_row_groups());
    let source = source(folder.path(), &schema());
    assert_eq!(read(&*source, &schema()).await.expect("reads"), rows);
}

#[tokio::test]
async fn what_a_query_reads_is_found_by_name_and_cast() {
    let folder = TempDir::new().expect("a folder");
    let inner = |names: &[&str]| {
        let fields = names.iter().map(|name| Field::new(*name, DataType::Int32, true));
        Fields::from(fields.collect::<Vec<_>>())
    };
    let numbers = || Arc::new(Int32Array::from(vec![1, 2])) as ArrayRef;
    let row = StructArray::try_new(
        inner(&["x", "y"]),
        vec![numbers(), numbers()],
        Some(vec![true, false].into()),
    )
    .expect("rows");
    let in_file = RecordBatch::try_from_iter([
        ("other", numbers()),
        ("row", Arc::new(row) as ArrayRef),
        ("n", numbers()),
    ])
    .expect("a batch");
    write(&folder.path().join("a.parquet"), &in_file, 100);
    let missing = DataType::Struct(inner(&["z"]));
    let wanted = Arc::new(Schema::new(vec![
        Field::new("n", DataType::Int64, true),
        Field::new("gone", missing.clone(), true),
        Field::new("row", missing, true),
    ]));
    let rows = read(&*source(folder.path(), &wanted), &wanted)
        .await
        .expect("reads");
    assert_eq!(self::numbers(&rows), [1, 2]);
    assert_eq!(rows.column(1).null_count(), 2);
    assert_eq!(
        rows.column(2).null_count(),
        1,
        "the row is there, its field is not"
    );
    assert_eq!(rows.column(2).as_struct().column(0).null_count(), 2);
    // Rows are counted without reading a column.
    let none: SchemaRef = Arc::new(Schema::empty());
    let source = source(folder.path(), &wanted);
    let splits = source.splits(1).await.expect("splits");
    let batches = read_splits(&*source, &none, splits).await.expect("reads");
    assert_eq!(batches.iter().map(RecordBatch::num_rows).sum::<usize>(), 2);
}

#[tokio::test]
async fn a_column_of_another_type_is_named_with_its_file() {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("a.parquet");
    write(&path, &batch(0..3), 100);
    let row = DataType::Struct(Fields::from(vec![Field::new("x", DataType::Int32, true)]));
    for (column, data_type, expected) in [
        (
            "word",
            DataType::Int64,
            "column 'word' is STRING in it, and BIGINT in the table",
        ),
        (
            "n",
            DataType::Int32,
            "column 'n' is BIGINT in it, and INT in the table",
        ),
        ("n", row, "column 'n' is BIGINT in it, and ROW in the table"),
    ] {
        let wanted: SchemaRef = Arc::new(Schema::new(vec![Field::new(column, data_type, true)]));
        let error = read(&*source(folder.path(), &wanted), &wanted)
            .await
            .expect_err("refused");
        assert_eq!(error.class, weir_model::FailureClass::User);
        assert_eq!(error.place.as_deref(), path.to_str());
        assert!(error.message.ends_with(expected), "{}", error.message);
    }
    fs::write(&path, "no Parquet at all").expect("writes");
    let error = read(&*source(folder.path(), &schema()), &schema())
        .await
        .expect_err("refused");
    assert_eq!(error.class, weir_model::FailureClass::User);
    assert_eq!(error.place.as_deref(), path.to_str());
}

/// The rows of the groups that are read, of ten groups of ten.
async fn read_where(column: &str, operator: CompareOperator, value: ArrayRef) -> Vec<i64> {
    let folder = TempDir::new().expect("a folder");
    write(&folder.path().join("a.parquet"), &batch(0..100), 10);
    let mut source = source(folder.path(), &schema());
    source.push_filter(vec![Comparison {
        column: column.to_owned(),
        operator,
        value,
    }]);
    numbers(&read(&*source, &schema()).await.expect("reads"))
}

#[tokio::test]
async fn groups_that_no_row_can_be_wanted_of_are_not_read() {
    let number = |n: i64| Arc::new(Int64Array::from(vec![n])) as ArrayRef;
    for (operator, n, expected) in [
        (CompareOperator::Eq, 35, 30..40),
        (CompareOperator::Eq, 100, 0..0),
        (CompareOperator::Lt, 30, 0..30),
        (CompareOperator::LtEq, 30, 0..40),
        (CompareOperator::Gt, 89, 90..100),
        (CompareOperator::GtEq, 89, 80..100),
    ] {
        let read = read_where("n", operator, number(n)).await;
        assert_eq!(read, expected.collect::<Vec<_>>(), "{operator:?} {n}");
    }
    let word = Arc::new(StringArray::from(vec!["w09"])) as ArrayRef;
    let read = read_where("word", CompareOperator::Gt, word).await;
    assert_eq!(read, (90..100).collect::<Vec<_>>());
    // Of what is in no file nothing is known.
    let all = read_where("other", CompareOperator::Eq, number(1)).await;
    assert_eq!(all.len(), 100);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn files_of_parquet_are_read_on_from_their_positions(
        runs in crate::source::tests::runs(),
        rows in 1..60_i64,
        group_rows in 1..20_usize,
    ) {
        let folder = TempDir::new().expect("a folder");
        write(&folder.path().join("a.parquet"), &batch(0..rows), group_rows);
        write(&folder.path().join("b.parquet"), &batch(0..rows), group_rows);
        let source = source(folder.path(), &schema());
        crate::source::tests::check(&*source, &schema(), 1, &runs, rows as usize * 2);
    }

    #[test]
    fn ranges_of_a_file_have_each_group_once(
        rows in 1..200_i64,
        group_rows in 1..50_usize,
        parallelism in 1..6_u32,
    ) {
        let folder = TempDir::new().expect("a folder");
        write(&folder.path().join("a.parquet"), &batch(0..rows), group_rows);
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let read = runtime.block_on(async {
            let mut source = crate::filesystem::tests::factory(folder.path(), &[("format", "parquet")]);
            source.least_range_bytes = 100;
            let splits = source.splits(parallelism).await.expect("splits");
            read_splits(&source, &schema(), splits).await.expect("reads")
        });
        let read: Vec<_> = read.iter().flat_map(numbers).collect();
        prop_assert_eq!(read, (0..rows).collect::<Vec<_>>());
    }
}
