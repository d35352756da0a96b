//! Rows that stand in the query itself: `VALUES (1, 'a'), (2, 'b')`. Not a connector that DDL can name.

use std::{io::Cursor, sync::Arc};

use arrow_array::{Array, ArrayRef, RecordBatch, StructArray, cast::AsArray};
use arrow_ipc::{reader::StreamReader, writer::StreamWriter};
use arrow_schema::{ArrowError, Schema};
use async_trait::async_trait;
use base64::{Engine, prelude::BASE64_STANDARD};
use serde::{Deserialize, Serialize};

use crate::{
    Connector, ConnectorError, OptionError, Role, SinkFactory, Source, SourceContext, SourceEvent,
    SourceFactory, Split, Table,
    options::{OptionDef, invalid},
};

/// The connector's name, which no DDL can use.
pub const NAME: &str = "$values";

/// The option that holds the rows: an Arrow IPC stream as base64.
const ROWS: &str = "rows";

/// The table whose rows these are.
///
/// # Errors
/// Rows of types that Arrow IPC does not know.
pub fn table(name: String, rows: &RecordBatch) -> Result<Table, ArrowError> {
    let mut bytes = Vec::new();
    let mut writer = StreamWriter::try_new(&mut bytes, rows.schema_ref())?;
    writer.write(rows)?;
    writer.finish()?;
    drop(writer);
    Ok(Table {
        name,
        connector: NAME.to_owned(),
        options: [(ROWS.to_owned(), BASE64_STANDARD.encode(bytes))].into(),
        schema: rows.schema(),
    })
}

/// Reads the rows of a query.
#[derive(Clone, Copy, Debug)]
pub struct Values;

impl Connector for Values {
    fn name(&self) -> &'static str {
        NAME
    }

    fn summary(&self) -> &'static str {
        "reads the rows that stand in a query"
    }

    fn roles(&self) -> &'static [Role] {
        &[Role::Source]
    }

    fn options(&self) -> &'static [OptionDef] {
        &[]
    }

    fn source(&self, table: &Table) -> Result<Box<dyn SourceFactory>, OptionError> {
        let rows = table.options.get(ROWS).map(String::as_str).unwrap_or_default();
        let rows = decode(rows).map_err(|reason| invalid(ROWS, reason))?;
        Ok(Box::new(Factory { rows }))
    }

    fn sink(&self, _table: &Table) -> Result<Box<dyn SinkFactory>, OptionError> {
        Err(OptionError::Unsupported {
            reason: "rows of a query can only be read".into(),
        })
    }
}

fn decode(text: &str) -> Result<RecordBatch, String> {
    let bytes = BASE64_STANDARD.decode(text).map_err(|e| e.to_string())?;
    let mut reader = StreamReader::try_new(Cursor::new(bytes), None).map_err(|e| e.to_string())?;
    match reader.next() {
        Some(rows) => rows.map_err(|e| e.to_string()),
        None => Err("no rows".to_owned()),
    }
}

#[derive(Debug)]
struct Factory {
    rows: RecordBatch,
}

/// Where the one split is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Position {
    /// The next row.
    row: usize,
}

impl Position {
    fn split(self) -> Split {
        Split {
            id: "rows".to_owned(),
            state: format!("{{\"row\":{}}}", self.row).into_bytes(),
        }
    }
}

#[async_trait]
impl SourceFactory for Factory {
    fn is_bounded(&self) -> bool {
        true
    }

    async fn check(&self) -> Result<(), OptionError> {
        Ok(())
    }

    async fn splits(&self, _parallelism: u32) -> Result<Vec<Split>, ConnectorError> {
        Ok(vec![Position::default().split()])
    }

    async fn open(
        &self,
        splits: Vec<Split>,
        context: SourceContext,
    ) -> Result<Box<dyn Source>, ConnectorError> {
        let read = |split: &Split| {
            serde_json::from_slice(&split.state).map_err(|e| {
                ConnectorError::internal(format!("a position in the rows of a query cannot be read: {e}"))
            })
        };
        let rows = project(&self.rows, &context.schema)
            .map_err(|e| ConnectorError::internal(format!("the rows of a query lack a column: {e}")))?;
        Ok(Box::new(Reader {
            rows,
            batch_rows: context.batch_rows.max(1),
            position: splits.first().map(read).transpose()?,
            ended: splits.is_empty(),
        }))
    }
}

/// The columns, and fields of them, that are read.
fn project(rows: &RecordBatch, schema: &Arc<Schema>) -> Result<RecordBatch, ArrowError> {
    let columns = schema.fields().iter().map(|field| {
        let column = rows
            .column_by_name(field.name())
            .ok_or_else(|| ArrowError::SchemaError(field.name().clone()))?;
        match field.data_type() {
            arrow_schema::DataType::Struct(fields) if column.data_type() != field.data_type() => {
                let row = column.as_struct();
                let kept = fields.iter().map(|f| {
                    row.column_by_name(f.name())
                        .cloned()
                        .ok_or_else(|| ArrowError::SchemaError(f.name().clone()))
                });
                let kept = kept.collect::<Result<Vec<_>, _>>()?;
                let pruned = StructArray::try_new(fields.clone(), kept, row.nulls().cloned())?;
                Ok(Arc::new(pruned) as ArrayRef)
            }
            _ => Ok(column.clone()),
        }
    });
    RecordBatch::try_new(schema.clone(), columns.collect::<Result<_, ArrowError>>()?)
}

struct Reader {
    rows: RecordBatch,
    batch_rows: usize,
    /// None: another subtask has the split.
    position: Option<Position>,
    ended: bool,
}

#[async_trait]
impl Source for Reader {
    async fn next(&mut self) -> Result<SourceEvent, ConnectorError> {
        let Some(position) = self.position.as_mut().filter(|_| !self.ended) else {
            return Ok(SourceEvent::End);
        };
        let rows = self
            .batch_rows
            .min(self.rows.num_rows() - position.row.min(self.rows.num_rows()));
        if rows == 0 {
            self.ended = true;
            return Ok(SourceEvent::SplitEnd { split: 0 });
        }
        let batch = self.rows.slice(position.row, rows);
        position.row += rows;
        Ok(SourceEvent::Rows { split: 0, batch })
    }

    fn positions(&self) -> Vec<Split> {
        self.position.iter().map(|position| position.split()).collect()
    }
}

#[cfg(test)]
mod tests {
    use arrow_array::{Int32Array, StringArray};
    use weir_env::ManualClock;

    use super::*;

    async fn read(source: &mut dyn Source) -> Vec<RecordBatch> {
        let mut batches = Vec::new();
        loop {
            match source.next().await.expect("reads") {
                SourceEvent::Rows { batch, .. } => batches.push(batch),
                SourceEvent::SplitEnd { .. } | SourceEvent::SplitAdded { .. } => {}
                SourceEvent::End => return batches,
            }
        }
    }

    #[tokio::test]
    async fn the_rows_are_read_in_batches_and_on_from_a_position() {
        let ids: ArrayRef = Arc::new(Int32Array::from(vec![1, 2, 3]));
        let names: ArrayRef = Arc::new(StringArray::from(vec![Some("a"), None, Some("c")]));
        let rows = RecordBatch::try_from_iter_with_nullable([("id", ids, true), ("name", names, true)])
            .expect("rows");
        let table = table("VALUES".into(), &rows).expect("encodes");
        let factory = Values.source(&table).expect("valid");
        let context = SourceContext {
            schema: Arc::new(rows.schema().project(&[1]).expect("a column")),
            batch_rows: 2,
            known_splits: Arc::default(),
            subtask: 0,
            parallelism: 1,
            takes_checkpoints: false,
            clock: Arc::new(ManualClock::new()),
            counters: Arc::default(),
            dead_letters: None,
        };
        let splits = factory.splits(4).await.expect("one");
        let mut source = factory.open(splits, context.clone()).await.expect("opens");
        source.next().await.expect("two rows");
        let middle = source.positions();
        assert_eq!(
            read(source.as_mut()).await,
            [rows.slice(2, 1).project(&[1]).expect("a column")]
        );
        let mut again = factory.open(middle, context.clone()).await.expect("opens");
        assert_eq!(read(again.as_mut()).await.len(), 1);
        let mut idle = factory.open(Vec::new(), context).await.expect("opens");
        assert!(read(idle.as_mut()).await.is_empty());
    }
}
