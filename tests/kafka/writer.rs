//! The sink of a table `t (k BIGINT, v STRING)`, driven as the runtime does.

use std::{collections::BTreeMap, ops::Range, sync::Arc};

use arrow_array::{ArrayRef, Int8Array, Int64Array, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema};
use weir_connector::{
    ConnectorError, RowOutput, Sink, SinkContext, SinkFactory, Table, changelog, connector, origin,
};
use weir_env::SystemClock;
use weir_tests::kafka::Kafka;

#[derive(Debug)]
struct NoOutput;

impl RowOutput for NoOutput {
    fn print(&self, _table: &str, _subtask: u32, _lines: &[u8], _rows: usize) {}
}

/// Rows with these keys.
pub(crate) fn rows(keys: Range<i64>) -> RecordBatch {
    let texts: Vec<_> = keys.clone().map(|k| format!("v{k}")).collect();
    let columns: [(&str, ArrayRef); 2] = [
        ("k", Arc::new(Int64Array::from_iter_values(keys))),
        ("v", Arc::new(StringArray::from(texts))),
    ];
    RecordBatch::try_from_iter(columns).expect("rows")
}

/// The keys that readers of committed rows see, in order.
pub(crate) async fn seen(kafka: &Kafka, topic: &str) -> Vec<i64> {
    let records = kafka.read_committed(topic).await.expect("reads");
    let key = |text: String| {
        let value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        value["k"].as_i64().expect("a key")
    };
    let mut keys: Vec<_> = records.iter().map(|record| key(record.text())).collect();
    keys.sort_unstable();
    keys
}

/// Options of a table of the topic: these, and what they don't say.
pub(crate) fn options(kafka: &Kafka, topic: &str, given: &[(&str, &str)]) -> BTreeMap<String, String> {
    let bootstrap = kafka.bootstrap();
    let default = [
        ("properties.bootstrap.servers", bootstrap.as_str()),
        ("topic", topic),
        ("format", "json"),
    ];
    let all = default.iter().chain(given);
    all.map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect()
}

/// The table as a sink.
pub(crate) fn factory(kafka: &Kafka, topic: &str, given: &[(&str, &str)]) -> Box<dyn SinkFactory> {
    sink("kafka", options(kafka, topic, given), false)
}

/// The table of a connector, `k` its primary key or not.
pub(crate) fn sink(
    connected: &str,
    options: BTreeMap<String, String>,
    has_key: bool,
) -> Box<dyn SinkFactory> {
    let k = Field::new("k", DataType::Int64, !has_key);
    let table = Table {
        name: "t".into(),
        connector: connected.into(),
        options,
        schema: Arc::new(Schema::new(vec![
            if has_key { origin::key(k) } else { k },
            Field::new("v", DataType::Utf8, true),
        ])),
    };
    connector(connected).and_then(|c| c.sink(&table)).expect("valid")
}

/// Changes `(kind, k, v)`.
pub(crate) fn changes(changes: &[(&str, i64, &str)]) -> RecordBatch {
    let kinds = ["+I", "-U", "+U", "-D"];
    let kind = |text: &str| kinds.iter().position(|k| *k == text).expect("a kind") as i8;
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

/// A sink in an execution of a job. Each subtask has a factory of its own, as in the runtime.
pub(crate) struct Job {
    topic: String,
    options: BTreeMap<String, String>,
}

pub(crate) struct Writer {
    pub(crate) factory: Box<dyn SinkFactory>,
    pub(crate) sink: Box<dyn Sink>,
}

impl Job {
    /// With exactly-once.
    pub(crate) fn new(kafka: &Kafka, topic: &str, given: &[(&str, &str)]) -> Self {
        let exactly = [("sink.delivery-guarantee", "exactly-once")];
        let all: Vec<_> = exactly.iter().chain(given).copied().collect();
        Self {
            topic: topic.to_owned(),
            options: options(kafka, topic, &all),
        }
    }

    /// The sink as yet another process makes it.
    pub(crate) fn factory(&self) -> Box<dyn SinkFactory> {
        sink("kafka", self.options.clone(), false)
    }

    pub(crate) async fn commit(&self, commits: &[String]) -> Result<(), ConnectorError> {
        self.factory().commit(commits).await
    }

    /// A subtask of an execution that begins with what a checkpoint has to commit for it.
    pub(crate) async fn begin(
        &self,
        generation: u64,
        (subtask, parallelism): (u32, u32),
        restored: Option<(u64, &[String])>,
    ) -> Writer {
        let factory = self.factory();
        let (restored, commits) = restored.unzip();
        factory
            .commit(commits.unwrap_or_default())
            .await
            .expect("commits");
        let sink = factory
            .open(self.context(generation, (subtask, parallelism), restored))
            .await;
        Writer {
            sink: sink.expect("opens"),
            factory,
        }
    }

    /// A job of its own for each topic: transactional ids are one cluster's.
    fn context(&self, generation: u64, subtask: (u32, u32), restored: Option<u64>) -> SinkContext {
        SinkContext {
            job: format!("job-of-{}", self.topic),
            ..context(generation, subtask, restored)
        }
    }

    /// The first execution, of one subtask.
    pub(crate) async fn first(&self) -> Writer {
        self.begin(1, (0, 1), None).await
    }
}

impl Writer {
    pub(crate) async fn write(&mut self, keys: Range<i64>) {
        self.sink.write(rows(keys)).await.expect("writes");
    }

    pub(crate) async fn prepare(&mut self, checkpoint: u64) -> Vec<String> {
        self.sink.prepare(checkpoint).await.expect("prepares")
    }

    pub(crate) async fn finish(&mut self) -> Vec<String> {
        self.sink.finish().await.expect("finishes")
    }

    /// As the runtime does when the checkpoint is there.
    pub(crate) async fn commit(&self, commits: &[String]) {
        self.factory.commit(commits).await.expect("commits");
    }
}

pub(crate) fn context(
    generation: u64,
    (subtask, parallelism): (u32, u32),
    restored: Option<u64>,
) -> SinkContext {
    SinkContext {
        job: "job-1".into(),
        generation,
        restored,
        takes_checkpoints: true,
        operator: 4,
        uid: "sink-t".into(),
        subtask,
        parallelism,
        clock: Arc::new(SystemClock::new()),
        output: Arc::new(NoOutput),
    }
}
