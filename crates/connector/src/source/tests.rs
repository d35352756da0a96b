//! Positions: what was read, closed and opened anew any number of times is what is read at once.

use std::{collections::BTreeMap, fs, io::Write as _, path::Path};

use arrow_array::{ArrayRef, Int64Array, StringArray};
use arrow_schema::{DataType, Field, Schema};
use arrow_select::concat::concat_batches;
use flate2::{Compression, write::GzEncoder};
use proptest::prelude::*;
use tempfile::TempDir;
use weir_env::SystemClock;

use super::*;
use crate::{Connector as _, Table, connector, nexmark, values};

/// Readers that share the splits, and how many events each reads before it is closed.
pub(crate) type Runs = Vec<(usize, usize)>;

/// Some runs, of which none is likely to reach the end.
pub(crate) fn runs() -> impl Strategy<Value = Runs> {
    proptest::collection::vec((1..4_usize, 0..6_usize), 0..6)
}

fn context(schema: &SchemaRef, batch_rows: usize) -> SourceContext {
    SourceContext {
        schema: Arc::clone(schema),
        batch_rows,
        known_splits: std::sync::Arc::default(),
        subtask: 0,
        parallelism: 1,
        takes_checkpoints: false,
        clock: Arc::new(SystemClock::new()),
        counters: Arc::default(),
        dead_letters: None,
    }
}

/// The rows of each split that has any.
async fn read(
    factory: &dyn SourceFactory,
    schema: &SchemaRef,
    parallelism: u32,
    runs: &[(usize, usize)],
) -> BTreeMap<String, RecordBatch> {
    let mut splits = factory.splits(parallelism).await.expect("splits");
    let mut batches: BTreeMap<String, Vec<RecordBatch>> = BTreeMap::new();
    for (readers, events) in runs.iter().copied().chain([(1, usize::MAX)]) {
        let mut next = Vec::new();
        for reader in 0..readers {
            let own: Vec<_> = splits.iter().skip(reader).step_by(readers).cloned().collect();
            let context = context(schema, 3);
            let mut source = factory.open(own.clone(), context).await.expect("opens");
            for _ in 0..events {
                match source.next().await.expect("reads") {
                    SourceEvent::Rows { split, batch } => {
                        assert!(batch.num_rows() > 0, "no rows at all");
                        batches.entry(own[split].id.clone()).or_default().push(batch);
                    }
                    SourceEvent::SplitEnd { .. } | SourceEvent::SplitAdded { .. } => {}
                    SourceEvent::End => break,
                }
            }
            next.extend(source.positions());
        }
        splits = next;
    }
    let whole = |batches: Vec<RecordBatch>| concat_batches(schema, &batches).expect("one schema");
    batches.into_iter().map(|(id, rows)| (id, whole(rows))).collect()
}

/// Asserts that readers that are opened from positions read just the rest of `rows` rows.
pub(crate) fn check(
    factory: &dyn SourceFactory,
    schema: &SchemaRef,
    parallelism: u32,
    runs: &Runs,
    rows: usize,
) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build();
    runtime.expect("a runtime").block_on(async {
        let at_once = read(factory, schema, parallelism, &[]).await;
        assert_eq!(at_once.values().map(RecordBatch::num_rows).sum::<usize>(), rows);
        let ended = read(factory, schema, parallelism, &[(1, usize::MAX)]).await;
        assert_eq!(ended, at_once, "nothing follows the end");
        let in_parts = read(factory, schema, parallelism, runs).await;
        assert_eq!(in_parts, at_once);
    });
}

fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("n", DataType::Int64, true),
        Field::new("word", DataType::Utf8, true),
    ]))
}

fn table(connector: &str, schema: SchemaRef, options: &[(&str, &str)]) -> Table {
    let options = options
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    Table {
        name: "t".into(),
        connector: connector.into(),
        options: options.collect(),
        schema,
    }
}

fn factory(table: &Table) -> Box<dyn SourceFactory> {
    connector(&table.connector)
        .and_then(|c| c.source(table))
        .expect("valid")
}

fn write(folder: &Path, name: &str, text: &str) {
    let path = folder.join(name);
    if Path::new(name).extension().is_some_and(|ending| ending == "gz") {
        let mut packed = GzEncoder::new(fs::File::create(path).expect("a file"), Compression::fast());
        packed.write_all(text.as_bytes()).expect("packs");
        packed.finish().expect("packs");
    } else {
        fs::write(path, text).expect("writes");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn json_files_are_read_on_from_their_positions(runs in runs(), parallelism in 1..4_u32, rows in 0..40_usize) {
        let folder = TempDir::new().expect("a folder");
        // Lines that are blank, skipped, and ended in other ways, too.
        let line = |n: usize| match n % 5 {
            0 => format!("{{\"n\":{n},\"word\":\"w{n}\"}}\r\n\n"),
            1 => format!("{{\"n\":{n}}}\noops\n"),
            _ => format!("{{\"word\":\"{}\",\"n\":{n}}}\n", "x".repeat(n)),
        };
        let text: String = (0..rows).map(line).collect();
        write(folder.path(), "a.json", &format!("\u{feff}{text}"));
        write(folder.path(), "b.json.gz", &text);
        write(folder.path(), "c.json", text.trim_end());
        write(folder.path(), "d.json", "");
        let path = folder.path().display().to_string();
        let options = [("path", path.as_str()), ("format", "json"), ("json.ignore-parse-errors", "true")];
        check(&*factory(&table("filesystem", schema(), &options)), &schema(), parallelism, &runs, rows * 3);
    }

    #[test]
    fn csv_files_are_read_on_from_their_positions(runs in runs(), parallelism in 1..4_u32, rows in 0..40_usize) {
        let folder = TempDir::new().expect("a folder");
        let record = |n: usize| match n % 4 {
            0 => format!("{n},\"two\nlines, \"\"{n}\"\"\"\n"),
            1 => format!("{n},\r\n"),
            _ => format!("{n},w{n}\n"),
        };
        let text: String = std::iter::once("n,word\n".to_owned()).chain((0..rows).map(record)).collect();
        write(folder.path(), "a.csv", &text);
        write(folder.path(), "b.csv.gz", &text);
        write(folder.path(), "c.csv", text.trim_end());
        let path = folder.path().display().to_string();
        let options = [("path", path.as_str()), ("format", "csv"), ("csv.header", "true")];
        check(&*factory(&table("filesystem", schema(), &options)), &schema(), parallelism, &runs, rows * 3);
    }

    #[test]
    fn made_up_rows_are_read_on_from_their_positions(runs in runs(), parallelism in 1..5_u32, rows in 0..60_usize) {
        let number = rows.to_string();
        let options = [
            ("rows-per-second", "1000000000"), ("number-of-rows", number.as_str()), ("seed", "7"),
            ("fields.n.kind", "sequence"), ("fields.n.start", "5"), ("fields.n.end", "1000000"),
            ("fields.word.length", "9"), ("fields.word.null-rate", "0.3"),
        ];
        check(&*factory(&table("datagen", schema(), &options)), &schema(), parallelism, &runs, rows);
    }

    #[test]
    fn nexmark_is_read_on_from_its_positions(runs in runs(), parallelism in 1..5_u32, events in 0..700_usize) {
        let schema = nexmark::Nexmark.default_schema().expect("fixed columns");
        let number = events.to_string();
        let options = [("events.num", number.as_str()), ("seed", "3")];
        // No number of events means that there is no end.
        prop_assume!(events > 0);
        check(&*factory(&table("nexmark", Arc::clone(&schema), &options)), &schema, parallelism, &runs, events);
    }

    #[test]
    fn rows_of_a_query_are_read_on_from_their_positions(runs in runs(), parallelism in 1..4_u32, rows in 0..20_i64) {
        let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(0..rows));
        let words: ArrayRef = Arc::new((0..rows).map(|n| (n % 3 > 0).then(|| n.to_string())).collect::<StringArray>());
        let batch = RecordBatch::try_new(schema(), vec![numbers, words]).expect("rows");
        let table = values::table("VALUES".into(), &batch).expect("encodes");
        check(&*factory(&table), &schema(), parallelism, &runs, rows as usize);
    }
}
