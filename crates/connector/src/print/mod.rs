//! `print`: rows as JSON lines on the standard output of a local run, or in the console of a cluster.

use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field, Schema};
use async_trait::async_trait;

use crate::{
    ChangelogMode, Connector, ConnectorError, OptionError, Role, RowOutput, Sink, SinkContext, SinkFactory,
    SourceFactory, Table,
    changelog::{self, OP_COLUMN},
    format::json,
    options::{Checked, OptionDef, OptionKind},
};

const IDENTIFIER: &str = "print-identifier";

const OPTIONS: &[OptionDef] = &[OptionDef {
    key: IDENTIFIER,
    kind: OptionKind::Text,
    required: false,
    default: None,
    doc: "what the rows are labelled with instead of the table's name",
}];

/// The `print` connector.
#[derive(Clone, Copy, Debug)]
pub struct Print;

impl Connector for Print {
    fn name(&self) -> &'static str {
        "print"
    }

    fn summary(&self) -> &'static str {
        "shows rows as JSON lines, of a changing result with what each row does: on the standard output of a local run, in the console of a cluster"
    }

    fn roles(&self) -> &'static [Role] {
        &[Role::Sink]
    }

    fn options(&self) -> &'static [OptionDef] {
        OPTIONS
    }

    fn source(&self, _table: &Table) -> Result<Box<dyn SourceFactory>, OptionError> {
        Err(OptionError::Unsupported {
            reason: "a 'print' table can only be written: it keeps no rows".into(),
        })
    }

    fn sink(&self, table: &Table) -> Result<Box<dyn SinkFactory>, OptionError> {
        let options = Checked::new(self.name(), OPTIONS, &table.options)?;
        let label = options
            .text(IDENTIFIER)
            .filter(|text| !text.is_empty())
            .unwrap_or(&table.name);
        Ok(Box::new(Factory {
            label: label.to_owned(),
        }))
    }
}

#[derive(Debug)]
struct Factory {
    label: String,
}

#[async_trait]
impl SinkFactory for Factory {
    fn changelog_mode(&self) -> ChangelogMode {
        ChangelogMode::All
    }

    async fn check(&self) -> Result<(), OptionError> {
        Ok(())
    }

    async fn open(&self, context: SinkContext) -> Result<Box<dyn Sink>, ConnectorError> {
        Ok(Box::new(Writer {
            label: self.label.clone(),
            subtask: context.subtask,
            output: context.output,
            lines: Vec::new(),
        }))
    }
}

/// Changes with what they do in words and in front of the row.
fn with_texts(batch: &RecordBatch, kinds: ArrayRef) -> Result<RecordBatch, ConnectorError> {
    let last = batch.num_columns() - 1;
    let mut fields = vec![Arc::new(Field::new(OP_COLUMN, DataType::Utf8, false))];
    fields.extend(batch.schema_ref().fields()[..last].iter().cloned());
    let mut columns = vec![kinds];
    columns.extend_from_slice(&batch.columns()[..last]);
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)
        .map_err(|e| ConnectorError::internal(format!("changes cannot be printed: {e}")))
}

struct Writer {
    label: String,
    subtask: u32,
    output: Arc<dyn RowOutput>,
    /// Reused from batch to batch.
    lines: Vec<u8>,
}

#[async_trait]
impl Sink for Writer {
    async fn write(&mut self, batch: RecordBatch) -> Result<(), ConnectorError> {
        self.lines.clear();
        match changelog::ops(&batch) {
            None => json::write_lines(&batch, &mut self.lines),
            Some(ops) => json::write_lines(&with_texts(&batch, changelog::texts(ops))?, &mut self.lines),
        }
        self.output
            .print(&self.label, self.subtask, &self.lines, batch.num_rows());
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), ConnectorError> {
        Ok(())
    }

    async fn prepare(&mut self, checkpoint: u64) -> Result<Vec<String>, ConnectorError> {
        self.output.on_barrier(checkpoint);
        Ok(Vec::new())
    }

    async fn finish(&mut self) -> Result<Vec<String>, ConnectorError> {
        Ok(Vec::new())
    }
}

#[cfg(test)]
mod tests {
    use arrow_array::Int64Array;
    use parking_lot::Mutex;
    use weir_env::ManualClock;

    use super::*;

    #[derive(Debug, Default)]
    struct Printed(Mutex<Vec<(String, u32, String, usize)>>);

    impl RowOutput for Printed {
        fn print(&self, table: &str, subtask: u32, lines: &[u8], rows: usize) {
            let lines = String::from_utf8(lines.to_vec()).expect("text");
            self.0.lock().push((table.to_owned(), subtask, lines, rows));
        }
    }

    async fn printed(options: &[(&str, &str)]) -> (String, u32, String, usize) {
        printed_batch(options, None).await
    }

    async fn printed_batch(options: &[(&str, &str)], kinds: Option<Vec<i8>>) -> (String, u32, String, usize) {
        let schema = Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, true)]));
        let table = Table {
            name: "results".into(),
            connector: "print".into(),
            options: options
                .iter()
                .map(|(key, value)| ((*key).into(), (*value).into()))
                .collect(),
            schema: Arc::clone(&schema),
        };
        let output = Arc::new(Printed::default());
        let context = SinkContext {
            job: "local".into(),
            generation: 1,
            restored: None,
            takes_checkpoints: true,
            operator: 0,
            uid: "sink".into(),
            subtask: 3,
            parallelism: 4,
            clock: Arc::new(ManualClock::new()),
            output: Arc::clone(&output) as Arc<dyn RowOutput>,
        };
        let mut sink = Print
            .sink(&table)
            .expect("valid")
            .open(context)
            .await
            .expect("opens");
        let mut columns: Vec<ArrayRef> = vec![Arc::new(Int64Array::from(vec![Some(1), None]))];
        let mut fields = vec![Field::new("n", DataType::Int64, true)];
        if let Some(kinds) = kinds {
            columns.push(changelog::column(kinds));
            fields.push(changelog::op_field());
        }
        let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns);
        sink.write(batch.expect("a batch")).await.expect("prints");
        output.0.lock().pop().expect("printed at once")
    }

    #[tokio::test]
    async fn changes_say_what_they_do_before_the_row() {
        let lines = "{\"$op\":\"+U\",\"n\":1}\n{\"$op\":\"-D\",\"n\":null}\n".to_owned();
        assert_eq!(
            printed_batch(&[], Some(vec![2, 3])).await,
            ("results".into(), 3, lines, 2)
        );
    }

    #[tokio::test]
    async fn rows_are_printed_as_json_lines_with_a_label() {
        let lines = "{\"n\":1}\n{\"n\":null}\n".to_owned();
        assert_eq!(printed(&[]).await, ("results".into(), 3, lines.clone(), 2));
        assert_eq!(
            printed(&[("print-identifier", "out")]).await,
            ("out".into(), 3, lines, 2)
        );
    }
}
