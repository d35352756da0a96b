//! The source: all rows of a table as they are, in an order in which they can be read on.

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use async_trait::async_trait;
use futures::TryStreamExt as _;
use serde::{Deserialize, Serialize};
use sqlx::{
    AssertSqlSafe, Connection as _, PgConnection,
    postgres::{PgConnectOptions, PgRow},
};
use tokio::{sync::mpsc, task::JoinHandle};

use super::{
    database::{connect, failed},
    select::{self, Rows, of_table},
    target::Target,
};
use crate::{
    ConnectorError, OptionError, Source, SourceContext, SourceEvent, SourceFactory, Split,
    postgres::{literal, text},
};

/// What there is to know of reading.
pub(super) const GUIDE: &str = "\
## Reading

A table that is read has an end: its rows as they are when they are read, in the order of the `PRIMARY KEY` that the table here declares. A
job that goes on after a failure reads on behind the last key; rows that change meanwhile are read as they are then. Without a key the order is
that of all columns as texts, and what was read is counted: that costs a sort, and is right only for a table that nobody changes.

With `scan.partition.column` several readers share the table: each reads a range of that column's values. Rows outside of the bounds are not
read.

## Looking up

A lookup join asks for all keys of a batch in one query; an index on the columns of the join makes it quick. `'lookup.cache' = 'PARTIAL'` keeps
answers, `'FULL'` reads the table once and again.
";

/// Batches that wait to be taken.
const WAITING_BATCHES: usize = 2;

/// A checked table to read.
#[derive(Clone, Debug)]
pub(super) struct Factory {
    pub(super) server: PgConnectOptions,
    pub(super) target: Target,
    pub(super) schema: SchemaRef,
    /// How readers share it; none: one reads all.
    pub(super) ranges: Option<Ranges>,
}

/// Ranges of a column's values.
#[derive(Clone, Debug)]
pub(super) struct Ranges {
    pub(super) column: String,
    pub(super) count: i64,
    pub(super) lower: i64,
    pub(super) upper: i64,
}

/// A range of the table, and how far it is read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Part {
    /// The least and the greatest value of the column.
    #[serde(skip_serializing_if = "Option::is_none")]
    range: Option<(i64, i64)>,
    /// The key of the last row.
    #[serde(skip_serializing_if = "Option::is_none")]
    after: Option<Vec<String>>,
    /// Rows read, where there are no keys.
    #[serde(default)]
    rows: u64,
}

impl Ranges {
    /// Ranges that together have all values once.
    fn split(&self) -> Vec<(i64, i64)> {
        let values = i128::from(self.upper) - i128::from(self.lower) + 1;
        let count = i128::from(self.count).min(values);
        let bound = |range: i128| (i128::from(self.lower) + values * range / count) as i64;
        let last = |range: i128| (i128::from(self.lower) + values * (range + 1) / count - 1) as i64;
        (0..count).map(|range| (bound(range), last(range))).collect()
    }
}

impl Factory {
    fn query(&self, columns: &SchemaRef, part: &Part) -> String {
        let keys = &self.target.keys;
        let mut conditions = Vec::new();
        if let (Some((least, greatest)), Some(ranges)) = (part.range, &self.ranges) {
            conditions.push(format!(
                "{} BETWEEN {least} AND {greatest}",
                of_table(&ranges.column)
            ));
        }
        let list = |columns: &[String]| columns.iter().map(|c| of_table(c)).collect::<Vec<_>>().join(", ");
        if let Some(after) = &part.after {
            let after: Vec<_> = after.iter().map(|value| literal(value)).collect();
            conditions.push(format!("({}) > ({})", list(keys), after.join(", ")));
        }
        let conditions = match conditions.as_slice() {
            [] => String::new(),
            conditions => format!(" WHERE {}", conditions.join(" AND ")),
        };
        let order = if keys.is_empty() {
            let all = self
                .target
                .columns
                .iter()
                .map(|column| format!("{}::text", of_table(column)));
            format!("{} OFFSET {}", all.collect::<Vec<_>>().join(", "), part.rows)
        } else {
            list(keys)
        };
        select::query(
            &self.target,
            columns,
            keys,
            &format!("{conditions} ORDER BY {order}"),
        )
    }
}

#[async_trait]
impl SourceFactory for Factory {
    fn is_bounded(&self) -> bool {
        true
    }

    async fn check(&self) -> Result<(), OptionError> {
        check(&self.server, &self.target, &self.schema).await
    }

    async fn splits(&self, _parallelism: u32) -> Result<Vec<Split>, ConnectorError> {
        let parts = match &self.ranges {
            None => vec![Part::default()],
            Some(ranges) => {
                let part = |range| Part {
                    range: Some(range),
                    ..Part::default()
                };
                ranges.split().into_iter().map(part).collect()
            }
        };
        parts
            .iter()
            .enumerate()
            .map(|(number, part)| part.to_split(number.to_string()))
            .collect()
    }

    async fn open(
        &self,
        splits: Vec<Split>,
        context: SourceContext,
    ) -> Result<Box<dyn Source>, ConnectorError> {
        let part = |split: &Split| Ok((split.id.clone(), Part::from_split(split)?));
        Ok(Box::new(Reader {
            factory: self.clone(),
            parts: splits.iter().map(part).collect::<Result<_, ConnectorError>>()?,
            current: 0,
            reading: None,
            context,
        }))
    }
}

/// Whether a table with these columns can be read. Reads nothing.
pub(super) async fn check(
    server: &PgConnectOptions,
    target: &Target,
    columns: &SchemaRef,
) -> Result<(), OptionError> {
    let sql = select::query(target, columns, &target.keys, " LIMIT 0");
    let asked = sqlx::raw_sql(AssertSqlSafe(sql)).execute(&connect(server)).await;
    asked.map(drop).map_err(|error| OptionError::Unavailable {
        reason: failed(&format!("read table {}", target.name()), &error).to_string(),
    })
}

impl Part {
    fn to_split(&self, id: String) -> Result<Split, ConnectorError> {
        let state = serde_json::to_vec(self)
            .map_err(|error| ConnectorError::internal(format!("a position cannot be written: {error}")))?;
        Ok(Split { id, state })
    }

    fn from_split(split: &Split) -> Result<Self, ConnectorError> {
        serde_json::from_slice(&split.state).map_err(|error| {
            ConnectorError::internal(format!("the position '{}' cannot be read: {error}", split.id))
        })
    }
}

/// Rows, and the key of the last one.
type Said = Result<(RecordBatch, Vec<String>), ConnectorError>;

/// A query on its way.
struct Reading {
    said: mpsc::Receiver<Said>,
    task: JoinHandle<()>,
}

impl Reading {
    fn begin(server: PgConnectOptions, sql: String, keys: usize, context: &SourceContext) -> Self {
        let (say, said) = mpsc::channel(WAITING_BATCHES);
        let (schema, batch_rows) = (SchemaRef::clone(&context.schema), context.batch_rows.max(1));
        let task = tokio::spawn(async move {
            if let Err(error) = read(server, sql, (keys, batch_rows), &schema, &say).await {
                let _ = say.send(Err(error)).await;
            }
        });
        Self { said, task }
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn read(
    server: PgConnectOptions,
    sql: String,
    (keys, batch_rows): (usize, usize),
    schema: &SchemaRef,
    say: &mpsc::Sender<Said>,
) -> Result<(), ConnectorError> {
    let failed = |error: sqlx::Error| failed("read the table", &error);
    let mut connection = PgConnection::connect_with(&server).await.map_err(failed)?;
    let key = |row: &PgRow| {
        let value = |column| Ok(String::from_utf8_lossy(text(row, column)?.unwrap_or_default()).into_owned());
        let values: Result<Vec<String>, sqlx::Error> = (1..=keys).map(value).collect();
        values.map_err(failed)
    };
    let mut rows = Rows::new(schema)?;
    // The last row that waits: only its key counts.
    let mut last = None;
    let mut found = sqlx::raw_sql(AssertSqlSafe(sql)).fetch(&mut connection);
    while let Some(row) = found.try_next().await.map_err(failed)? {
        rows.add(&row)?;
        if rows.len() < batch_rows {
            last = Some(row);
            continue;
        }
        last = None;
        if say.send(Ok((rows.take()?, key(&row)?))).await.is_err() {
            return Ok(());
        }
    }
    if let Some(row) = last {
        let _ = say.send(Ok((rows.take()?, key(&row)?))).await;
    }
    Ok(())
}

/// Reads its parts one after the other.
struct Reader {
    factory: Factory,
    /// With their ids, each behind the last rows that were handed out.
    parts: Vec<(String, Part)>,
    current: usize,
    reading: Option<Reading>,
    context: SourceContext,
}

#[async_trait]
impl Source for Reader {
    async fn next(&mut self) -> Result<SourceEvent, ConnectorError> {
        let split = self.current;
        let Some((_, part)) = self.parts.get_mut(split) else {
            return Ok(SourceEvent::End);
        };
        let keys = self.factory.target.keys.len();
        let reading = self.reading.get_or_insert_with(|| {
            let sql = self.factory.query(&self.context.schema, part);
            Reading::begin(self.factory.server.clone(), sql, keys, &self.context)
        });
        if let Some(said) = reading.said.recv().await {
            let (batch, last) = said?;
            part.rows += batch.num_rows() as u64;
            part.after = (keys > 0).then_some(last);
            return Ok(SourceEvent::Rows { split, batch });
        }
        self.reading = None;
        self.current += 1;
        Ok(SourceEvent::SplitEnd { split })
    }

    fn positions(&self) -> Vec<Split> {
        let rest = self.parts[self.current..].iter();
        rest.map(|(id, part)| {
            part.to_split(id.clone())
                .expect("a part that was read from its state can be written again")
        })
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_have_each_value_once() {
        let ranges = |count, lower, upper| {
            let column = "c".to_owned();
            Ranges {
                column,
                count,
                lower,
                upper,
            }
            .split()
        };
        assert_eq!(ranges(3, 1, 10), [(1, 3), (4, 6), (7, 10)]);
        assert_eq!(ranges(9, 5, 6), [(5, 5), (6, 6)]);
        let all = ranges(2, i64::MIN, i64::MAX);
        assert_eq!(all, [(i64::MIN, -1), (0, i64::MAX)]);
    }
}
