//! A connector that a test drives itself, without a cluster.

use std::{sync::Arc, time::Duration};

use arrow_array::{RecordBatch, cast::AsArray, types::Int64Type};
use arrow_schema::{DataType, Field, Schema};
use weir_connector::{
    ConnectorError, RowOutput, Sink, SinkContext, SinkFactory, Source, SourceContext, SourceEvent,
    SourceFactory, Split, Table, connector, origin,
};
use weir_env::SystemClock;

/// How long an event of a source is waited for.
const PATIENCE: Duration = Duration::from_secs(30);

/// A table with these columns and options.
pub fn table(connector: &str, columns: Vec<Field>, options: &[(&str, &str)]) -> Table {
    Table {
        name: "t".into(),
        connector: connector.into(),
        options: options
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect(),
        schema: Arc::new(Schema::new(columns)),
    }
}

/// A BIGINT column.
pub fn number(name: &str) -> Field {
    Field::new(name, DataType::Int64, true)
}

/// A STRING column that is metadata, and can be written if the connector takes it.
pub fn said(name: &str) -> Field {
    origin::metadata(Field::new(name, DataType::Utf8, true), name, false)
}

/// The table as a source.
pub fn source(table: &Table) -> Box<dyn SourceFactory> {
    connector(&table.connector)
        .and_then(|connector| connector.source(table))
        .unwrap_or_else(|error| panic!("{error}"))
}

/// The table as a sink.
pub fn sink(table: &Table) -> Box<dyn SinkFactory> {
    connector(&table.connector)
        .and_then(|connector| connector.sink(table))
        .unwrap_or_else(|error| panic!("{error}"))
}

/// What a reader of a table is opened with, in a job that takes checkpoints.
pub fn source_context(table: &Table) -> SourceContext {
    SourceContext {
        schema: Arc::clone(&table.schema),
        batch_rows: 100,
        known_splits: Arc::default(),
        subtask: 0,
        parallelism: 1,
        takes_checkpoints: true,
        clock: Arc::new(SystemClock::new()),
        counters: Arc::default(),
        dead_letters: None,
    }
}

/// A reader of splits.
pub async fn open(table: &Table, splits: Vec<Split>) -> Box<dyn Source> {
    let opened = source(table).open(splits, source_context(table)).await;
    opened.unwrap_or_else(|error| panic!("{error}"))
}

/// A reader of all splits.
pub async fn open_all(table: &Table) -> Box<dyn Source> {
    let splits = source(table).splits(1).await;
    open(table, splits.unwrap_or_else(|error| panic!("{error}"))).await
}

/// A writer.
pub async fn writer(table: &Table) -> Box<dyn Sink> {
    let context = SinkContext {
        job: "job-1".into(),
        generation: 1,
        restored: None,
        takes_checkpoints: true,
        operator: 4,
        uid: "sink".into(),
        subtask: 0,
        parallelism: 1,
        clock: Arc::new(SystemClock::new()),
        output: Arc::new(NoOutput),
    };
    let opened = sink(table).open(context).await;
    opened.unwrap_or_else(|error| panic!("{error}"))
}

#[derive(Debug)]
struct NoOutput;

impl RowOutput for NoOutput {
    fn print(&self, _table: &str, _subtask: u32, _lines: &[u8], _rows: usize) {}
}

/// The next batch; none: a split or all have ended. Panics if nothing comes.
pub async fn next(source: &mut dyn Source) -> Result<Option<RecordBatch>, ConnectorError> {
    let event = tokio::time::timeout(PATIENCE, source.next()).await;
    match event.expect("an event in time")? {
        SourceEvent::Rows { batch, .. } => Ok(Some(batch)),
        SourceEvent::SplitEnd { .. } | SourceEvent::SplitAdded { .. } | SourceEvent::End => Ok(None),
    }
}

/// The first column of as many rows as asked for, or of all that there are.
pub async fn numbers(source: &mut dyn Source, count: usize) -> Vec<i64> {
    let mut numbers = Vec::new();
    while numbers.len() < count {
        match next(source).await {
            Ok(Some(batch)) => numbers.extend(batch.column(0).as_primitive::<Int64Type>().values()),
            Ok(None) => break,
            Err(error) => panic!("{error} at {:?}, after {numbers:?}", error.place),
        }
    }
    numbers
}

/// Whether nothing comes for a while.
pub async fn is_silent(source: &mut dyn Source, within: Duration) -> bool {
    tokio::time::timeout(within, source.next()).await.is_err()
}

/// A batch with one column of numbers.
pub fn rows(name: &str, numbers: impl IntoIterator<Item = i64>) -> RecordBatch {
    let column: arrow_array::Int64Array = numbers.into_iter().map(Some).collect();
    RecordBatch::try_new(Arc::new(Schema::new(vec![number(name)])), vec![Arc::new(column)]).expect("a batch")
}
