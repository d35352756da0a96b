use std::{fs, io::Write as _, path::Path, sync::Arc};

use arrow_array::{Int64Array, RecordBatch, StringArray, cast::AsArray, types::Int64Type};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use flate2::{Compression, write::GzEncoder};
use proptest::prelude::*;
use tempfile::TempDir;
use weir_env::ManualClock;

use super::*;
use crate::{
    ConnectorError, RowOutput, SinkContext, Source, SourceContext, SourceEvent, Split, source::SourceCounters,
};

fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("n", DataType::Int64, true),
        Field::new("word", DataType::Utf8, true),
    ]))
}

pub(super) fn table(path: &Path, options: &[(&str, &str)]) -> Table {
    let mut all: crate::options::Options = [
        ("path".to_owned(), path.display().to_string()),
        ("format".to_owned(), "json".to_owned()),
    ]
    .into();
    all.extend(
        options
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned())),
    );
    Table {
        name: "t".into(),
        connector: "filesystem".into(),
        options: all,
        schema: schema(),
    }
}

fn source_context(batch_rows: usize) -> SourceContext {
    SourceContext {
        schema: schema(),
        batch_rows,
        known_splits: Arc::default(),
        subtask: 0,
        parallelism: 1,
        takes_checkpoints: false,
        clock: Arc::new(ManualClock::new()),
        counters: Arc::new(SourceCounters::default()),
        dead_letters: None,
    }
}

fn numbers(batch: &RecordBatch) -> Vec<i64> {
    batch.column(0).as_primitive::<Int64Type>().values().to_vec()
}

pub(super) fn factory(path: &Path, options: &[(&str, &str)]) -> read::Factory {
    let table = table(path, options);
    let (format, options) = checked("filesystem", &table).expect("valid options");
    let files = Files::new(store(&options).expect("a path"), options.text(PATTERN)).expect("a pattern");
    let interval = options.duration(MONITOR_INTERVAL);
    read::Factory::new(
        files,
        format,
        table.schema.clone(),
        "__DEFAULT_PARTITION__".to_owned(),
        interval,
    )
}

/// All numbers that these splits hold, in order.
async fn read(
    factory: &read::Factory,
    splits: Vec<Split>,
    context: SourceContext,
) -> Result<Vec<i64>, ConnectorError> {
    let mut source = factory.open(splits, context).await?;
    let mut read = Vec::new();
    loop {
        match source.next().await? {
            SourceEvent::Rows { batch, .. } => read.extend(numbers(&batch)),
            SourceEvent::SplitEnd { .. } | SourceEvent::SplitAdded { .. } => {}
            SourceEvent::End => return Ok(read),
        }
    }
}

pub(super) async fn read_all(path: &Path, options: &[(&str, &str)]) -> Result<Vec<i64>, ConnectorError> {
    let factory = factory(path, options);
    let splits = factory.splits(1).await?;
    read(&factory, splits, source_context(3)).await
}

fn lines(numbers: impl IntoIterator<Item = i64>) -> String {
    let line = |n| format!("{{\"n\":{n},\"word\":\"w{n}\"}}\n");
    numbers.into_iter().map(line).collect::<Vec<_>>().concat()
}

fn gz(text: &str) -> Vec<u8> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(text.as_bytes()).expect("packs");
    packed.finish().expect("packs")
}

#[tokio::test]
async fn a_file_is_read_whatever_its_line_ends() {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("in.json");
    let cases: [(&str, &[i64]); 8] = [
        ("", &[]),
        ("\n\n  \n", &[]),
        ("{\"n\":1}\n{\"n\":2}\n", &[1, 2]),
        ("{\"n\":1}\n{\"n\":2}", &[1, 2]),
        ("{\"n\":1}\r\n\r\n{\"n\":2}\r\n", &[1, 2]),
        ("\u{feff}{\"n\":1}\n", &[1]),
        ("\u{feff}", &[]),
        ("{\"n\":1}\n\n{\"n\":2}\n{\"n\":3}\n{\"n\":4}\n", &[1, 2, 3, 4]),
    ];
    for (text, expected) in cases {
        fs::write(&path, text).expect("writes");
        assert_eq!(read_all(&path, &[]).await.expect("reads"), expected, "{text:?}");
    }
}

#[tokio::test]
async fn a_folder_is_read_in_order_of_paths_without_hidden_files() {
    let folder = TempDir::new().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    fs::create_dir_all(at("b/_tmp")).expect("makes folders");
    fs::write(at("c.json"), lines([5])).expect("writes");
    fs::write(at("a.json"), lines([1, 2])).expect("writes");
    fs::write(at("b/x.json.gz"), [gz(&lines([3])), gz(&lines([4]))].concat()).expect("writes");
    fs::write(at(".hidden.json"), "no JSON").expect("writes");
    fs::write(at("_SUCCESS"), "no JSON").expect("writes");
    fs::write(at("b/_tmp/y.json"), "no JSON").expect("writes");
    assert_eq!(
        read_all(folder.path(), &[]).await.expect("reads"),
        [1, 2, 3, 4, 5]
    );
    let url = format!("file://{}", folder.path().display());
    let matching = read_all(
        Path::new(&url),
        &[("source.path.regex-pattern", ".*/[ac]\\.json")],
    )
    .await;
    assert_eq!(matching.expect("reads"), [1, 2, 5]);
}

#[tokio::test]
async fn a_bad_line_fails_the_job_and_names_its_place() {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("in.json");
    let check = async |bytes: &[u8], line: &str, reason: &str| {
        fs::write(&path, bytes).expect("writes");
        let error = read_all(&path, &[]).await.expect_err("fails");
        assert_eq!(
            error.place,
            Some(format!("{}:{line}", path.display())),
            "{}",
            error.message
        );
        assert_eq!(error.message, reason);
        assert_eq!(error.class, weir_model::FailureClass::User);
    };
    let good = lines(1..=7);
    check(
        format!("{good}\n{{\"n\":8").as_bytes(),
        "9",
        "the line is not JSON: expected ',' or '}' at column 7",
    )
    .await;
    check(b"hello\n", "1", "the line is not a JSON object").await;
    check(b"{}\n{\"n\":\"x\"}\n", "2", "field 'n': 'x' is not a BIGINT").await;
    check(
        b"{}\n{\"word\":\"\xff\"}\n",
        "2",
        "the line is not UTF-8 at column 10",
    )
    .await;
    let long = vec![b'x'; 18 << 20];
    check(
        &[b"{}\n", long.as_slice()].concat(),
        "2",
        "a record is longer than 16 MiB",
    )
    .await;
}

#[tokio::test]
async fn bad_lines_are_skipped_and_counted_when_the_table_says_so() {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("in.json");
    fs::write(
        &path,
        b"{\"n\":1}\nhello\n{\"n\":2\n{\"word\":\"\xff\"}\n[3]\n{\"n\":4}\n",
    )
    .expect("writes");
    let factory = factory(&path, &[("json.ignore-parse-errors", "true")]);
    let context = source_context(100);
    let counters = Arc::clone(&context.counters);
    let splits = factory.splits(1).await.expect("splits");
    assert_eq!(read(&factory, splits, context).await.expect("reads"), [1, 4]);
    assert_eq!(counters.skipped_records(), 4);
}

#[tokio::test]
async fn a_damaged_gz_file_fails_the_job() {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("in.json.gz");
    let packed = gz(&lines(1..1000));
    for damaged in [&packed[..packed.len() / 2], b"not packed at all"] {
        fs::write(&path, damaged).expect("writes");
        let error = read_all(&path, &[]).await.expect_err("fails");
        assert_eq!(error.class, weir_model::FailureClass::User);
        assert!(error.message.contains("cannot be unpacked"), "{}", error.message);
    }
}

#[tokio::test]
async fn reading_on_from_any_position_yields_just_the_rest() {
    let folder = TempDir::new().expect("a folder");
    fs::write(
        folder.path().join("a.json"),
        format!("\u{feff}{}", lines(0..20).replace("7\"}\n", "7\"}\r\n\n")),
    )
    .expect("writes");
    fs::write(folder.path().join("b.json.gz"), gz(&lines(20..40))).expect("writes");
    fs::write(folder.path().join("c.json"), lines(40..60)).expect("writes");
    let mut factory = factory(folder.path(), &[]);
    factory.least_range_bytes = 100;
    let splits = factory.splits(3).await.expect("splits");
    assert_eq!(splits.len(), 7, "two files in three ranges each, and one packed");
    let mut source = factory.open(splits, source_context(4)).await.expect("opens");
    let mut before = Vec::new();
    let mut positions = 0;
    loop {
        let rest = read(&factory, source.positions(), source_context(3))
            .await
            .expect("reads");
        let whole: Vec<_> = before.iter().copied().chain(rest).collect();
        assert_eq!(whole, (0..60).collect::<Vec<_>>(), "after {} rows", before.len());
        positions += 1;
        match source.next().await.expect("reads") {
            SourceEvent::Rows { batch, .. } => before.extend(numbers(&batch)),
            SourceEvent::SplitEnd { .. } | SourceEvent::SplitAdded { .. } => {}
            SourceEvent::End => break,
        }
    }
    assert!(positions > 15, "{positions} positions");
    assert_eq!(source.positions(), []);
}

#[tokio::test]
async fn a_file_of_blocks_is_read_on_from_any_of_them() {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("in.avro");
    let avro = [("format", "avro")];
    let (format, _) = crate::format::Format::of_table("filesystem", OPTIONS, &table(&path, &avro).options)
        .expect("a format");
    let mut file = Vec::new();
    format.encoder().write_header(&schema(), &mut file);
    for block in 0..5 {
        let numbers: Int64Array = (block * 4..block * 4 + 4).collect();
        let words = StringArray::from(vec!["w"; 4]);
        let batch =
            RecordBatch::try_new(schema(), vec![Arc::new(numbers), Arc::new(words)]).expect("a batch");
        format.encoder().write(&batch, &mut file);
    }
    fs::write(&path, &file).expect("writes");
    let factory = factory(&path, &avro);
    let splits = factory.splits(3).await.expect("splits");
    let mut source = factory.open(splits, source_context(3)).await.expect("opens");
    let mut before = Vec::new();
    while let SourceEvent::Rows { batch, .. } = source.next().await.expect("reads") {
        before.extend(numbers(&batch));
        let rest = read(&factory, source.positions(), source_context(3))
            .await
            .expect("reads");
        let whole: Vec<_> = before.iter().copied().chain(rest).collect();
        assert_eq!(whole, (0..20).collect::<Vec<_>>(), "after {} rows", before.len());
    }
    assert_eq!(before.len(), 20);
    file.truncate(file.len() - 3);
    fs::write(&path, &file).expect("writes");
    let error = read_all(&path, &avro).await.expect_err("fails");
    let place = error.place.unwrap_or_default();
    assert!(place.contains("in.avro:byte "), "{place}");
    assert_eq!(error.message, "the file ends within a block");
}

#[tokio::test]
async fn errors_name_the_line_after_a_restore_and_the_byte_within_a_range() {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("in.json");
    let good = lines(1..=9);
    fs::write(&path, format!("{good}oops\n")).expect("writes");
    let mut factory = factory(&path, &[]);
    let mut source = factory
        .open(factory.splits(1).await.expect("splits"), source_context(4))
        .await
        .expect("opens");
    source.next().await.expect("reads four rows");
    let error = read(&factory, source.positions(), source_context(4))
        .await
        .expect_err("fails");
    assert_eq!(error.place, Some(format!("{}:10", path.display())));
    factory.least_range_bytes = 50;
    let splits = factory.splits(2).await.expect("splits");
    let error = read(&factory, splits[1..].to_vec(), source_context(4))
        .await
        .expect_err("fails");
    assert_eq!(
        error.place,
        Some(format!("{}:byte {}", path.display(), good.len()))
    );
}

#[test]
fn dropping_a_read_halfway_loses_no_rows() {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("in.json");
    fs::write(&path, lines(0..100_000)).expect("writes");
    let factory = factory(&path, &[]);
    // The only thread that can read is held up, so that the first read surely waits.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .max_blocking_threads(1)
        .build()
        .expect("a runtime");
    let numbers = runtime.block_on(async {
        let splits = factory.splits(1).await.expect("splits");
        let mut source = factory.open(splits, source_context(1000)).await.expect("opens");
        let (release, held_up) = std::sync::mpsc::channel::<()>();
        tokio::task::spawn_blocking(move || held_up.recv());
        assert!(
            unless_it_waits(source.as_mut()).await.is_none(),
            "the first read has to wait"
        );
        drop(release);
        let mut read = Vec::new();
        loop {
            match unless_it_waits(source.as_mut()).await {
                None => tokio::task::yield_now().await,
                Some(SourceEvent::Rows { batch, .. }) => read.extend(numbers(&batch)),
                Some(SourceEvent::SplitEnd { .. } | SourceEvent::SplitAdded { .. }) => {}
                Some(SourceEvent::End) => return read,
            }
        }
    });
    assert_eq!(numbers, (0..100_000).collect::<Vec<_>>());
}

/// The next event; the read is dropped if it is not there at once.
async fn unless_it_waits(source: &mut dyn Source) -> Option<SourceEvent> {
    tokio::select! {
        biased;
        event = source.next() => Some(event.expect("reads")),
        () = std::future::ready(()) => None,
    }
}

#[tokio::test]
async fn what_is_not_there_is_refused_at_submission() {
    let folder = TempDir::new().expect("a folder");
    let missing = folder.path().join("missing.json");
    let error = factory(&missing, &[]).check().await.expect_err("refused");
    assert_eq!(
        error.to_string(),
        format!("there is no file or folder '{}'", missing.display())
    );
    let error = factory(Path::new("missing.json"), &[])
        .check()
        .await
        .expect_err("refused");
    assert!(error.to_string().contains(", looked for in '/"), "{error}");
    assert!(factory(folder.path(), &[]).check().await.is_ok());
    let file = folder.path().join("file");
    fs::write(&file, "").expect("writes");
    for path in [&file, &file.join("below")] {
        let sink = Filesystem.sink(&table(path, &[])).expect("valid");
        assert!(sink.check().await.is_err(), "{}", path.display());
    }
    assert!(
        Filesystem
            .sink(&table(&missing, &[]))
            .expect("valid")
            .check()
            .await
            .is_ok()
    );
    assert!(!missing.exists(), "a check creates nothing");
}

#[test]
fn wrong_tables_are_refused() {
    let check = |options: &[(&str, &str)], expected: &str| {
        let error = Filesystem
            .source(&table(Path::new("x"), options))
            .expect_err("refused");
        assert_eq!(error.to_string(), expected);
    };
    check(
        &[("format", "jsn")],
        "option 'format': 'jsn' is not one of 'avro', 'canal-json', 'csv', 'debezium-json', 'json', 'maxwell-json', 'protobuf', 'raw', \
         'parquet'",
    );
    check(
        &[("csv.header", "true")],
        "connector 'filesystem' has no option 'csv.header'",
    );
    check(
        &[("path", " ")],
        "option 'path': is empty: name a file or a folder",
    );
    check(
        &[("path", "gs://bucket/x")],
        "option 'path': 'gs://' is not supported: give a local path, a file:// URL or an s3:// URL",
    );
    check(
        &[("path", "s3:///x")],
        "option 'path': names no bucket, as s3://bucket/folder does",
    );
    check(
        &[("format", "parquet"), ("compression", "gzip")],
        "option 'compression': Parquet packs its pages itself: use 'parquet.compression'",
    );
    check(
        &[("source.monitor-interval", "0 s")],
        "option 'source.monitor-interval': it must be more than nothing",
    );
    check(
        &[("source.path.regex-pattern", "(")],
        "option 'source.path.regex-pattern': '(' is not a regular expression",
    );
    check(
        &[
            ("json.ignore-parse-errors", "true"),
            ("json.fail-on-missing-field", "true"),
        ],
        "option 'json.fail-on-missing-field': contradicts 'json.ignore-parse-errors': only one of them can be true",
    );
    let mut unnamed = table(Path::new("x"), &[]);
    unnamed.options.remove("format");
    let error = Filesystem.source(&unnamed).expect_err("refused");
    assert!(
        error
            .to_string()
            .starts_with("connector 'filesystem' needs the option 'format'"),
        "{error}"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn ranges_of_a_file_yield_each_line_exactly_once(
        words in proptest::collection::vec("[a-z]{0,30}\r?", 0..40),
        least_range_bytes in 1..200_u64,
        parallelism in 1..12_u32,
        ends_with_line_feed: bool,
    ) {
        let folder = TempDir::new().expect("a folder");
        let path = folder.path().join("in.json");
        let records: Vec<_> = words
            .iter()
            .enumerate()
            .map(|(n, word)| format!("{{\"n\":{n},\"word\":\"{}\"}}{}", word.trim_end(), if word.ends_with('\r') { "\r" } else { "" }))
            .collect();
        let end = if ends_with_line_feed { "\n" } else { "" };
        fs::write(&path, records.join("\n") + end).expect("writes");
        let mut factory = factory(&path, &[]);
        factory.least_range_bytes = least_range_bytes;
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let numbers = runtime.block_on(async {
            let splits = factory.splits(parallelism).await.expect("splits");
            read(&factory, splits, source_context(3)).await.expect("reads")
        });
        prop_assert_eq!(numbers, (0..words.len() as i64).collect::<Vec<_>>());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn ranges_of_files_are_read_on_from_their_positions(
        runs in crate::source::tests::runs(),
        parallelism in 1..4_u32,
        rows in 0..60_i64,
        least_range_bytes in 20..200_u64,
    ) {
        let folder = TempDir::new().expect("a folder");
        fs::write(folder.path().join("a.json"), lines(0..rows)).expect("writes");
        fs::write(folder.path().join("b.json"), lines(0..rows)).expect("writes");
        let mut factory = factory(folder.path(), &[]);
        factory.least_range_bytes = least_range_bytes;
        crate::source::tests::check(&factory, &schema(), parallelism, &runs, rows as usize * 2);
    }
}

#[derive(Debug)]
struct NoOutput;

impl RowOutput for NoOutput {
    fn print(&self, _table: &str, _subtask: u32, _lines: &[u8], _rows: usize) {}
}

pub(super) fn sink_context(generation: u64, subtask: u32) -> SinkContext {
    SinkContext {
        job: "job-1".into(),
        generation,
        restored: None,
        takes_checkpoints: true,
        operator: 4,
        uid: "sink".into(),
        subtask,
        parallelism: 2,
        clock: Arc::new(ManualClock::new()),
        output: Arc::new(NoOutput),
    }
}

fn batch(numbers: std::ops::Range<i64>) -> RecordBatch {
    let words: Vec<_> = numbers.clone().map(|n| format!("w{n}")).collect();
    let columns: Vec<arrow_array::ArrayRef> = vec![
        Arc::new(arrow_array::Int64Array::from_iter_values(numbers)),
        Arc::new(arrow_array::StringArray::from(words)),
    ];
    RecordBatch::try_new(schema(), columns).expect("a batch")
}

fn names(folder: &Path) -> Vec<String> {
    let name = |entry: std::io::Result<fs::DirEntry>| {
        entry.expect("an entry").file_name().into_string().expect("text")
    };
    let mut names: Vec<_> = fs::read_dir(folder).expect("a folder").map(name).collect();
    names.sort();
    names
}

#[tokio::test]
async fn rows_become_visible_when_all_were_written() {
    let folder = TempDir::new().expect("a folder");
    let out = folder.path().join("a/out");
    let sink = Filesystem.sink(&table(&out, &[])).expect("valid");
    let mut first = sink.open(sink_context(7, 0)).await.expect("opens");
    let mut idle = sink.open(sink_context(7, 1)).await.expect("opens");
    first.write(batch(0..3)).await.expect("writes");
    first.write(batch(3..5)).await.expect("writes");
    first.flush().await.expect("flushes");
    assert_eq!(names(&out), [".part-job-1-7-4-0-1-0.json.inprogress"]);
    assert!(read_all(&out, &[]).await.expect("reads").is_empty());
    let commits = first.finish().await.expect("finishes");
    assert_eq!(names(&out), [".part-job-1-7-4-0-1-0.json.inprogress"]);
    sink.commit(&commits).await.expect("commits");
    assert!(idle.finish().await.expect("finishes").is_empty());
    assert_eq!(names(&out), ["part-job-1-7-4-0-1-0.json"], "no file for no rows");
    assert_eq!(read_all(&out, &[]).await.expect("reads"), [0, 1, 2, 3, 4]);
}

#[tokio::test]
async fn files_roll_at_their_size_and_begin_with_their_header() {
    let folder = TempDir::new().expect("a folder");
    let options = [
        ("format", "csv"),
        ("csv.header", "true"),
        ("sink.rolling-policy.file-size", "20b"),
    ];
    let sink = Filesystem.sink(&table(folder.path(), &options)).expect("valid");
    let mut writer = sink.open(sink_context(1, 0)).await.expect("opens");
    for start in 0..3 {
        writer
            .write(batch(start * 4..start * 4 + 4))
            .await
            .expect("writes");
    }
    let commits = writer.finish().await.expect("finishes");
    sink.commit(&commits).await.expect("commits");
    let files = names(folder.path());
    assert_eq!(files.len(), 3, "{files:?}");
    let text = fs::read_to_string(folder.path().join(&files[1])).expect("reads");
    assert_eq!(text, "n,word\n4,w4\n5,w5\n6,w6\n7,w7\n");
    let rows = read_all(folder.path(), &options[..2]).await.expect("reads");
    assert_eq!(rows, (0..12).collect::<Vec<_>>());
}

#[tokio::test]
async fn files_are_packed_as_the_table_says_and_unpacked_by_their_ending() {
    let folder = TempDir::new().expect("a folder");
    for (generation, (name, ending, magic)) in [
        ("gzip", "json.gz", &b"\x1f\x8b"[..]),
        ("zstd", "json.zst", &b"\x28\xb5\x2f\xfd"[..]),
        ("none", "json", &b"{"[..]),
    ]
    .into_iter()
    .enumerate()
    {
        let sink = Filesystem
            .sink(&table(folder.path(), &[("compression", name)]))
            .expect("valid");
        let mut writer = sink
            .open(sink_context(generation as u64, 0))
            .await
            .expect("opens");
        let start = generation as i64 * 10;
        writer.write(batch(start..start + 4)).await.expect("writes");
        writer.write(batch(start + 4..start + 10)).await.expect("writes");
        let commits = writer.finish().await.expect("finishes");
        sink.commit(&commits).await.expect("commits");
        let file = folder
            .path()
            .join(format!("part-job-1-{generation}-4-0-1-0.{ending}"));
        assert!(fs::read(&file).expect("is there").starts_with(magic), "{name}");
    }
    let mut all = read_all(folder.path(), &[]).await.expect("reads");
    all.sort_unstable();
    assert_eq!(all, (0..30).collect::<Vec<_>>());
    let damaged = folder.path().join("x.json.zst");
    let packed = fs::read(folder.path().join("part-job-1-1-4-0-1-0.json.zst")).expect("is there");
    for damage in [&packed[..packed.len() / 2], b"not packed at all"] {
        fs::write(&damaged, damage).expect("writes");
        let error = read_all(&damaged, &[]).await.expect_err("fails");
        assert_eq!(error.class, weir_model::FailureClass::User);
        assert!(error.message.contains("cannot be unpacked"), "{}", error.message);
    }
}

#[tokio::test]
async fn files_roll_when_they_are_old_or_silent() {
    let folder = TempDir::new().expect("a folder");
    let clock = Arc::new(ManualClock::new());
    let options = [
        ("sink.rolling-policy.rollover-interval", "10 s"),
        ("sink.rolling-policy.inactivity-interval", "4 s"),
    ];
    let sink = Filesystem.sink(&table(folder.path(), &options)).expect("valid");
    let context = SinkContext {
        clock: clock.clone(),
        ..sink_context(1, 0)
    };
    let mut writer = sink.open(context).await.expect("opens");
    let mut files = Vec::new();
    // Rows each three seconds, until the file is ten seconds old; then silence.
    for row in 0..5 {
        writer.write(batch(row..row + 1)).await.expect("writes");
        files.push(names(folder.path()).len());
        clock.advance(std::time::Duration::from_secs(3));
    }
    assert_eq!(files, [1, 1, 1, 1, 2]);
    clock.advance(std::time::Duration::from_secs(3));
    writer.flush().await.expect("flushes");
    writer.write(batch(5..6)).await.expect("writes");
    let commits = writer.finish().await.expect("finishes");
    assert_eq!(commits.len(), 3, "{commits:?}");
    sink.commit(&commits).await.expect("commits");
    assert_eq!(
        read_all(folder.path(), &[]).await.expect("reads"),
        [0, 1, 2, 3, 4, 5]
    );
}

mod commit;
mod dead_letters;
mod watch;
