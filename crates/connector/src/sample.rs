//! Some rows of a table, to look at.

use std::{sync::Arc, time::Duration};

use arrow_array::RecordBatch;
use arrow_schema::Schema;
use serde_json::{Value, value::RawValue};
use weir_env::Clock;

use crate::{
    ChangelogMode, ConnectorError, SourceContext, SourceEvent, SourceFactory, Table,
    changelog::{self, OP_COLUMN},
    format::json,
};

/// At most so many rows of a table that can be read, as JSON objects; those that come within a time.
///
/// Nothing is left behind: no position, no offset, no slot.
pub async fn rows(
    table: &Table,
    factory: &dyn SourceFactory,
    clock: Arc<dyn Clock>,
    limit: usize,
    within: Duration,
) -> Result<Vec<Value>, ConnectorError> {
    let mut sample = Vec::new();
    for batch in batches(table, factory, clock, limit, within).await? {
        sample.extend(objects(&batch)?);
    }
    Ok(sample)
}

/// The same as batches, of one row at least.
pub(crate) async fn batches(
    table: &Table,
    factory: &dyn SourceFactory,
    clock: Arc<dyn Clock>,
    limit: usize,
    within: Duration,
) -> Result<Vec<RecordBatch>, ConnectorError> {
    let mut fields = table.schema.fields().to_vec();
    if factory.changelog_mode() != ChangelogMode::Append {
        fields.push(Arc::new(changelog::op_field()));
    }
    let context = SourceContext {
        schema: Arc::new(Schema::new(fields)),
        batch_rows: limit.max(1),
        known_splits: Arc::default(),
        subtask: 0,
        parallelism: 1,
        takes_checkpoints: false,
        clock: Arc::clone(&clock),
        counters: Arc::default(),
        dead_letters: None,
    };
    let (mut sample, mut count) = (Vec::new(), 0);
    let read = async {
        let mut source = factory.sample(context).await?;
        while count < limit {
            match source.next().await? {
                SourceEvent::Rows { batch, .. } => {
                    let rows = batch.num_rows().min(limit - count);
                    count += rows;
                    sample.push(batch.slice(0, rows));
                }
                SourceEvent::End => break,
                _ => {}
            }
        }
        Ok::<_, ConnectorError>(())
    };
    tokio::select! {
        done = read => done?,
        () = clock.sleep(within) => {}
    }
    Ok(sample)
}

/// The rows of a batch; what each one does as people write it.
fn objects(batch: &RecordBatch) -> Result<Vec<Value>, ConnectorError> {
    let broken =
        |error: &dyn std::fmt::Display| ConnectorError::internal(format!("a row is no JSON: {error}"));
    let batch = match changelog::ops(batch) {
        None => batch.clone(),
        Some(ops) => {
            let last = batch.num_columns() - 1;
            let (fields, columns) = (batch.schema_ref().fields(), batch.columns());
            let kinds = (OP_COLUMN, changelog::texts(ops));
            let others = fields.iter().zip(columns).take(last);
            let others = others.map(|(field, column)| (field.name().as_str(), Arc::clone(column)));
            RecordBatch::try_from_iter_with_nullable(
                std::iter::once(kinds)
                    .chain(others)
                    .map(|(name, column)| (name, column, true)),
            )
            .map_err(|error| broken(&error))?
        }
    };
    let mut text = Vec::new();
    json::write_lines(&batch, &mut text);
    let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    lines
        .map(|line| {
            // Numbers stay as they are written.
            let raw: &RawValue = serde_json::from_slice(line).map_err(|error| broken(&error))?;
            serde_json::from_str(raw.get()).map_err(|error| broken(&error))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use weir_env::SystemClock;

    use super::*;
    use crate::connector;

    fn table(connector: &str, options: &[(&str, &str)]) -> Table {
        let field = arrow_schema::Field::new("n", arrow_schema::DataType::Int64, true);
        Table {
            name: "t".into(),
            connector: connector.into(),
            options: options
                .iter()
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
                .collect(),
            schema: Arc::new(Schema::new(vec![field])),
        }
    }

    async fn sample(table: &Table, within: Duration) -> Vec<Value> {
        let factory = connector(&table.connector)
            .and_then(|connector| connector.source(table))
            .expect("a source");
        rows(table, factory.as_ref(), Arc::new(SystemClock::new()), 3, within)
            .await
            .expect("rows")
    }

    #[tokio::test]
    async fn a_sample_has_rows_as_objects_and_no_more_than_asked_for() {
        let generated = table(
            "datagen",
            &[
                ("fields.n.kind", "sequence"),
                ("fields.n.start", "7"),
                ("fields.n.end", "1000"),
            ],
        );
        let rows = sample(&generated, Duration::from_secs(20)).await;
        let numbers: Vec<_> = rows.iter().map(|row| row["n"].as_i64()).collect();
        assert_eq!(numbers, [Some(7), Some(8), Some(9)]);
    }

    #[tokio::test]
    async fn changes_say_what_they_do() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("changes.json");
        std::fs::write(&path, "{\"op\":\"d\",\"before\":{\"n\":1}}\n").expect("is written");
        let path = path.display().to_string();
        let changes = table("filesystem", &[("path", &path), ("format", "debezium-json")]);
        let rows = sample(&changes, Duration::from_secs(20)).await;
        assert_eq!(rows, [serde_json::json!({"$op": "-D", "n": 1})]);
    }
}
