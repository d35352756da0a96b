//! The events of a run, by kind, as the views of `bench/nexmark/tables.sql` show them.

use std::{collections::BTreeMap, sync::Arc};

use anyhow::{Context, Result};
use arrow_array::{ArrayRef, RecordBatch, StructArray, cast::AsArray, types::Int32Type};
use arrow_schema::{DataType, Field, Schema};
use weir_connector::{SourceContext, SourceEvent, Table, connector};
use weir_env::SystemClock;

/// Rows of each kind.
#[derive(Debug, Default)]
pub(crate) struct Events {
    pub(crate) persons: Vec<RecordBatch>,
    pub(crate) auctions: Vec<RecordBatch>,
    pub(crate) bids: Vec<RecordBatch>,
}

/// Reads so many events.
pub(crate) async fn read(count: u64) -> Result<Events> {
    let nexmark = connector("nexmark")?;
    let schema = nexmark.default_schema().context("its columns are fixed")?;
    let table = Table {
        name: "nexmark".into(),
        connector: "nexmark".into(),
        options: BTreeMap::from([("events.num".into(), count.to_string())]),
        schema: Arc::clone(&schema),
    };
    let factory = nexmark.source(&table)?;
    let context = SourceContext {
        schema,
        batch_rows: 8192,
        known_splits: Arc::default(),
        subtask: 0,
        parallelism: 1,
        takes_checkpoints: true,
        clock: Arc::new(SystemClock::new()),
        counters: Arc::default(),
        dead_letters: None,
    };
    let mut source = factory.open(factory.splits(1).await?, context).await?;
    let mut events = Events::default();
    loop {
        match source.next().await? {
            SourceEvent::Rows { batch, .. } => {
                events.persons.extend(of_kind(&batch, 0, "person")?);
                events.auctions.extend(of_kind(&batch, 1, "auction")?);
                events.bids.extend(of_kind(&batch, 2, "bid")?);
            }
            SourceEvent::SplitEnd { .. } | SourceEvent::SplitAdded { .. } => {}
            SourceEvent::End => return Ok(events),
        }
    }
}

fn of_kind(batch: &RecordBatch, kind: i32, column: &str) -> Result<Option<RecordBatch>> {
    let kinds = batch.column_by_name("event_type").context("event_type")?;
    let rows = kinds.as_primitive::<Int32Type>().iter().enumerate();
    let rows: arrow_array::UInt32Array = rows
        .filter(|(_, k)| *k == Some(kind))
        .map(|(row, _)| row as u32)
        .collect();
    if rows.is_empty() {
        return Ok(None);
    }
    let column = batch.column_by_name(column).context("a column of the kind")?;
    let taken = datafusion::arrow::compute::take(column, &rows, None)?;
    let rows: &StructArray = taken.as_struct();
    let fields: Vec<Field> = rows.fields().iter().map(|f| named(f)).collect();
    let columns: Vec<ArrayRef> = rows.columns().to_vec();
    Ok(Some(RecordBatch::try_new(
        Arc::new(Schema::new(fields)),
        columns,
    )?))
}

fn named(field: &Field) -> Field {
    debug_assert!(
        !matches!(field.data_type(), DataType::Struct(_)),
        "events are flat"
    );
    field.clone().with_nullable(true)
}
