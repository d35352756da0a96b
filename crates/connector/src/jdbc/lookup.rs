//! The lookup: rows of a table by any of its columns, asked for all keys of a question at once.

use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_schema::SchemaRef;
use async_trait::async_trait;
use futures::TryStreamExt as _;
use sqlx::{AssertSqlSafe, PgPool, postgres::PgConnectOptions};

use super::{
    database::{connect, failed},
    read,
    select::{self, Rows, literals, of_table},
    target::Target,
};
use crate::{
    ConnectorError, Found, Lookup, LookupContext, LookupFactory, OptionError,
    lookup::{Index, Settings, Wanted, layered},
};

/// A checked table to ask.
#[derive(Clone, Debug)]
pub(super) struct Factory {
    pub(super) server: PgConnectOptions,
    pub(super) target: Target,
    pub(super) schema: SchemaRef,
    pub(super) settings: Settings,
}

#[async_trait]
impl LookupFactory for Factory {
    async fn check(&self) -> Result<(), OptionError> {
        read::check(&self.server, &self.target, &self.schema).await
    }

    async fn open(&self, context: LookupContext) -> Result<Arc<dyn Lookup>, ConnectorError> {
        let wanted = Wanted::new(&self.schema, &context)?;
        let keys = wanted
            .keys
            .iter()
            .map(|key| of_table(wanted.schema.field(*key).name()));
        let asked = Arc::new(Asked {
            database: connect(&self.server),
            target: self.target.clone(),
            keys: keys.collect::<Vec<_>>().join(", "),
            wanted,
        });
        layered(asked, self.settings, &context)
    }
}

/// A table that is asked.
#[derive(Debug)]
struct Asked {
    database: PgPool,
    target: Target,
    /// The columns of keys, in SQL.
    keys: String,
    wanted: Wanted,
}

impl Asked {
    fn query(&self, keys: &[ArrayRef]) -> String {
        let columns: Vec<Vec<String>> = keys.iter().map(|column| literals(column.as_ref())).collect();
        let rows = columns.first().map_or(0, Vec::len);
        let key = |row: usize| {
            let parts: Vec<_> = columns.iter().map(|column| column[row].as_str()).collect();
            format!("({})", parts.join(", "))
        };
        let all: Vec<_> = (0..rows).map(key).collect();
        let rest = format!(" WHERE ({}) IN ({})", self.keys, all.join(", "));
        select::query(&self.target, &self.wanted.schema, &[], &rest)
    }
}

#[async_trait]
impl Lookup for Asked {
    async fn lookup(&self, keys: &[ArrayRef]) -> Result<Found, ConnectorError> {
        let doing = format!("look up in table {}", self.target.name());
        let failed = |error: sqlx::Error| failed(&doing, &error);
        let mut rows = Rows::new(&self.wanted.schema)?;
        let mut found = sqlx::raw_sql(AssertSqlSafe(self.query(keys))).fetch(&self.database);
        while let Some(row) = found.try_next().await.map_err(failed)? {
            rows.add(&row)?;
        }
        let Wanted {
            schema,
            keys: of_rows,
            produced,
        } = &self.wanted;
        Index::new(schema, &[rows.take()?], of_rows, produced)?.find(keys)
    }
}
