//! The source of a table `t (id BIGINT, v STRING)`, driven as the runtime does.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use arrow_array::{Array, cast::AsArray, types::Int64Type};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use tokio::time::timeout;
use weir_connector::{
    RowKind, Source, SourceContext, SourceEvent, SourceFactory, Split, Table, changelog, connector, origin,
};
use weir_env::SystemClock;

use crate::Database;

/// How long changes may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long nothing must come for there to be nothing.
const SILENCE: Duration = Duration::from_millis(700);

/// A change `(kind, id, v)`.
pub(crate) type Change = (&'static str, i64, Option<String>);

pub(crate) struct Reader {
    source: Box<dyn Source>,
}

fn schema() -> Schema {
    Schema::new(vec![
        origin::key(Field::new("id", DataType::Int64, false)),
        Field::new("v", DataType::Utf8, true),
    ])
}

pub(crate) fn factory(database: &Database, more: &[(&str, &str)]) -> Box<dyn SourceFactory> {
    let mut options = database.options("t");
    options.extend(
        more.iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned())),
    );
    let table = Table {
        name: "t".into(),
        connector: "postgres-cdc".into(),
        options: options.into_iter().collect(),
        schema: Arc::new(schema()),
    };
    connector("postgres-cdc")
        .and_then(|connector| connector.source(&table))
        .expect("a source")
}

impl Reader {
    /// Begins anew.
    pub(crate) async fn begin(database: &Database, more: &[(&str, &str)], batch_rows: usize) -> Self {
        let splits = factory(database, more).splits(1).await.expect("a split");
        Self::go_on(database, more, splits, batch_rows).await
    }

    /// Goes on from positions.
    pub(crate) async fn go_on(
        database: &Database,
        more: &[(&str, &str)],
        splits: Vec<Split>,
        batch_rows: usize,
    ) -> Self {
        let fields = schema()
            .fields()
            .iter()
            .map(|field| field.as_ref().clone())
            .collect::<Vec<_>>();
        let read: SchemaRef = Arc::new(Schema::new(
            fields
                .into_iter()
                .chain([changelog::op_field()])
                .collect::<Vec<_>>(),
        ));
        let context = SourceContext {
            schema: read,
            batch_rows,
            known_splits: Arc::default(),
            subtask: 0,
            parallelism: 1,
            takes_checkpoints: true,
            clock: Arc::new(SystemClock::new()),
            counters: Arc::default(),
            dead_letters: None,
        };
        let source = factory(database, more)
            .open(splits, context)
            .await
            .expect("opens");
        Self { source }
    }

    /// The changes of the next batch; none if the source has ended.
    pub(crate) async fn batch(&mut self) -> Option<Vec<Change>> {
        let event = timeout(PATIENCE, self.source.next())
            .await
            .expect("changes come")
            .expect("no failure");
        match event {
            SourceEvent::Rows { batch, .. } => {
                let ops = changelog::ops(&batch).expect("changes");
                let (ids, texts) = (
                    batch.column(0).as_primitive::<Int64Type>(),
                    batch.column(1).as_string::<i32>(),
                );
                let change = |row| {
                    let kind = RowKind::from_byte(ops.value(row)).expect("a kind");
                    let text = texts.is_valid(row).then(|| texts.value(row).to_owned());
                    (kind.as_str(), ids.value(row), text)
                };
                Some((0..batch.num_rows()).map(change).collect())
            }
            SourceEvent::SplitEnd { .. } | SourceEvent::SplitAdded { .. } => Some(Vec::new()),
            SourceEvent::End => None,
        }
    }

    /// So many changes.
    pub(crate) async fn changes(&mut self, count: usize) -> Vec<Change> {
        let mut changes = Vec::new();
        while changes.len() < count {
            changes.extend(self.batch().await.expect("more changes"));
        }
        assert_eq!(changes.len(), count, "{changes:?}");
        changes
    }

    /// All changes until none come.
    pub(crate) async fn rest(&mut self) -> Vec<Change> {
        let mut changes = Vec::new();
        while let Ok(batch) = timeout(SILENCE, self.batch()).await {
            changes.extend(batch.unwrap_or_default());
        }
        changes
    }

    pub(crate) fn positions(&self) -> Vec<Split> {
        self.source.positions()
    }

    pub(crate) async fn failure(&mut self) -> String {
        loop {
            match timeout(PATIENCE, self.source.next()).await.expect("fails") {
                Ok(_) => {}
                Err(error) => return error.to_string(),
            }
        }
    }
}

/// What is there after changes.
pub(crate) fn apply(changes: &[Change], rows: &mut BTreeMap<i64, String>) {
    for (kind, id, text) in changes {
        match *kind {
            "-D" => {
                rows.remove(id);
            }
            "-U" => {}
            _ => {
                rows.insert(*id, text.clone().unwrap_or_default());
            }
        }
    }
}
