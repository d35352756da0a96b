//! The `filesystem` connector on an S3 store of its own: objects as files, and rows that are seen once they are committed.

use std::{
    fs,
    future::Future,
    path::{Path, PathBuf},
    sync::Arc,
};

use arrow_array::{
    Array as _, ArrayRef, Int64Array, RecordBatch, StringArray, cast::AsArray, types::Int64Type,
};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use tempfile::TempDir;
use weir_connector::{
    ConnectorError, RowOutput, Sink, SinkContext, SinkFactory, SourceContext, SourceEvent, SourceFactory,
    Split, Table, connector, origin,
};
use weir_env::SystemClock;
use weir_tests::{
    cluster,
    s3::{BUCKET, S3},
};

mod query;
mod sink;
mod source;

/// A test's store.
struct Store {
    process: S3,
    folder: TempDir,
}

impl Store {
    /// The file that the store keeps an object in.
    fn object(&self, path: &str) -> PathBuf {
        self.folder.path().join("s3/objects").join(BUCKET).join(path)
    }

    /// Puts an object there as others would.
    fn put(&self, path: &str, bytes: &[u8]) {
        let file = self.object(path);
        fs::create_dir_all(file.parent().expect("in a folder")).expect("makes a folder");
        fs::write(file, bytes).expect("writes");
    }

    /// A table in a folder of the bucket.
    fn table(&self, path: &str, options: &[(&str, &str)]) -> Table {
        let mut all: std::collections::BTreeMap<_, _> = self.process.settings().into_iter().collect();
        all.insert("path".to_owned(), format!("s3://{BUCKET}/{path}"));
        all.insert("format".to_owned(), "json".to_owned());
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

    /// The names of all objects below a folder, hidden ones too.
    fn names(&self, path: &str) -> Vec<String> {
        fn add(folder: &Path, root: &Path, names: &mut Vec<String>) {
            for entry in fs::read_dir(folder).into_iter().flatten() {
                let path = entry.expect("an entry").path();
                if path.is_dir() {
                    add(&path, root, names);
                } else {
                    let name = path.strip_prefix(root).expect("below it");
                    names.push(name.display().to_string());
                }
            }
        }
        let mut names = Vec::new();
        add(&self.object(path), &self.object(path), &mut names);
        names.sort();
        names
    }
}

/// Runs a test with an empty store.
fn with_store<F: Future<Output = ()>>(test: impl FnOnce(Arc<Store>) -> F) {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime starts");
    runtime.block_on(async {
        let folder = cluster::folder().expect("a folder");
        let process = S3::start(folder.path()).await.expect("a store starts");
        let Some(process) = process else { return };
        test(Arc::new(Store { process, folder })).await;
    });
}

fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("n", DataType::Int64, true),
        Field::new("word", DataType::Utf8, true),
    ]))
}

fn source(table: &Table) -> Box<dyn SourceFactory> {
    connector("filesystem")
        .and_then(|files| files.source(table))
        .expect("valid")
}

fn sink(table: &Table) -> Box<dyn SinkFactory> {
    connector("filesystem")
        .and_then(|files| files.sink(table))
        .expect("valid")
}

/// The numbers in these splits.
async fn read(source: &dyn SourceFactory, splits: Vec<Split>) -> Result<Vec<i64>, ConnectorError> {
    let context = SourceContext {
        schema: schema(),
        batch_rows: 1000,
        known_splits: Arc::default(),
        subtask: 0,
        parallelism: 1,
        takes_checkpoints: true,
        clock: Arc::new(SystemClock::new()),
        counters: Arc::default(),
        dead_letters: None,
    };
    let mut reader = source.open(splits, context).await?;
    let mut numbers = Vec::new();
    loop {
        match reader.next().await? {
            SourceEvent::Rows { batch, .. } => {
                numbers.extend(batch.column(0).as_primitive::<Int64Type>().values());
            }
            SourceEvent::SplitEnd { .. } | SourceEvent::SplitAdded { .. } => {}
            SourceEvent::End => return Ok(numbers),
        }
    }
}

/// The numbers that a table has, ordered; none before there is an object.
async fn visible(table: &Table) -> Vec<i64> {
    let source = source(table);
    if source.check().await.is_err() {
        return Vec::new();
    }
    let splits = source.splits(2).await.expect("splits");
    let mut numbers = read(&*source, splits).await.expect("reads");
    numbers.sort_unstable();
    numbers
}

fn batch(numbers: std::ops::Range<i64>) -> RecordBatch {
    let words: StringArray = numbers.clone().map(|n| Some(format!("w{n}"))).collect();
    let columns: Vec<ArrayRef> = vec![Arc::new(Int64Array::from_iter_values(numbers)), Arc::new(words)];
    RecordBatch::try_new(schema(), columns).expect("a batch")
}

async fn writer(sink: &dyn SinkFactory, generation: u64, restored: Option<u64>) -> Box<dyn Sink> {
    let context = SinkContext {
        job: "job-1".into(),
        generation,
        restored,
        takes_checkpoints: true,
        operator: 4,
        uid: "sink".into(),
        subtask: 0,
        parallelism: 1,
        clock: Arc::new(SystemClock::new()),
        output: Arc::new(NoOutput),
    };
    sink.open(context).await.expect("opens")
}

#[derive(Debug)]
struct NoOutput;

impl RowOutput for NoOutput {
    fn print(&self, _table: &str, _subtask: u32, _lines: &[u8], _rows: usize) {}
}
