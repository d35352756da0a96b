//! The sink of a table `t (k, v)`, driven as the runtime does.

use std::{collections::BTreeMap, sync::Arc};

use arrow_array::{ArrayRef, Int8Array, Int64Array, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema};
use weir_connector::{RowOutput, Sink, SinkContext, SinkFactory, Table, changelog, connector, origin};
use weir_env::SystemClock;

use crate::Database;

#[derive(Debug)]
struct NoOutput;

impl RowOutput for NoOutput {
    fn print(&self, _table: &str, _subtask: u32, _lines: &[u8], _rows: usize) {}
}

/// Changes `(kind, k, v)`.
pub(crate) fn rows(changes: &[(&str, i64, &str)]) -> RecordBatch {
    let kind = |text: &str| {
        ["+I", "-U", "+U", "-D"]
            .iter()
            .position(|k| *k == text)
            .expect("a kind") as i8
    };
    let columns: [(&str, ArrayRef); 3] = [
        ("k", Arc::new(changes.iter().map(|c| c.1).collect::<Int64Array>())),
        (
            "v",
            Arc::new(changes.iter().map(|c| Some(c.2)).collect::<StringArray>()),
        ),
        (
            changelog::OP_COLUMN,
            Arc::new(changes.iter().map(|c| kind(c.0)).collect::<Int8Array>()),
        ),
    ];
    RecordBatch::try_from_iter(columns).expect("changes")
}

/// Rows that are added, without kinds.
pub(crate) fn added(keys: std::ops::Range<i64>) -> RecordBatch {
    let texts: Vec<_> = keys.clone().map(|k| format!("v{k}")).collect();
    let columns: [(&str, ArrayRef); 2] = [
        ("k", Arc::new(Int64Array::from_iter_values(keys))),
        ("v", Arc::new(StringArray::from(texts))),
    ];
    RecordBatch::try_from_iter(columns).expect("rows")
}

pub(crate) struct Writer {
    pub(crate) sink: Box<dyn Sink>,
}

/// A sink that is about to be opened.
pub(crate) struct Opening {
    factory: Box<dyn SinkFactory>,
}

impl Writer {
    pub(crate) fn factory(
        database: &Database,
        keyed: bool,
        options: &BTreeMap<String, String>,
    ) -> Box<dyn SinkFactory> {
        let k = Field::new("k", DataType::Int64, !keyed);
        let k = if keyed { origin::key(k) } else { k };
        let mut all = options.clone();
        all.insert("url".into(), database.url.clone());
        all.insert("table-name".into(), "t".into());
        let table = Table {
            name: "t".into(),
            connector: "jdbc".into(),
            options: all,
            schema: Arc::new(Schema::new(vec![k, Field::new("v", DataType::Utf8, true)])),
        };
        connector("jdbc").and_then(|c| c.sink(&table)).expect("valid")
    }

    pub(crate) fn open(database: &Database, keyed: bool, options: &[(&str, &str)]) -> Opening {
        let options = options
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        Opening {
            factory: Self::factory(database, keyed, &options.collect()),
        }
    }

    pub(crate) async fn write(&mut self, batch: RecordBatch) {
        self.sink.write(batch).await.expect("writes");
    }

    pub(crate) async fn flush(&mut self) {
        self.sink.flush().await.expect("flushes");
    }

    pub(crate) async fn prepare(&mut self, checkpoint: u64) -> Vec<String> {
        self.sink.prepare(checkpoint).await.expect("prepares")
    }

    pub(crate) async fn finish(&mut self) -> Vec<String> {
        self.sink.finish().await.expect("finishes")
    }
}

impl Opening {
    /// In a job without checkpoints.
    pub(crate) async fn at_once(&self) -> Writer {
        self.with(SinkContext {
            takes_checkpoints: false,
            ..context(1, None)
        })
        .await
    }

    /// In an execution of a job with checkpoints.
    pub(crate) async fn execution(&self, generation: u64, restored: Option<u64>) -> Writer {
        self.with(context(generation, restored)).await
    }

    async fn with(&self, context: SinkContext) -> Writer {
        Writer {
            sink: self.factory.open(context).await.expect("opens"),
        }
    }

    pub(crate) async fn commit(&self, commits: &[String]) -> Result<(), weir_connector::ConnectorError> {
        self.factory.commit(commits).await
    }
}

fn context(generation: u64, restored: Option<u64>) -> SinkContext {
    SinkContext {
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
    }
}
