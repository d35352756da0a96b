//! A table as a connector sees it.

use std::{collections::BTreeMap, sync::Arc};

use arrow_schema::{Schema, SchemaRef};

/// A table's definition without what only SQL knows (computed columns, watermarks, keys).
#[derive(Clone, Debug)]
pub struct Table {
    /// Its name.
    pub name: String,
    /// The connector's name.
    pub connector: String,
    /// All WITH options but `connector`.
    pub options: BTreeMap<String, String>,
    /// Physical columns in DDL order. ROWs are structs, STRING is `Utf8`, TIMESTAMP(3) is `Timestamp(Millisecond, None)`.
    pub schema: SchemaRef,
}

impl Table {
    /// A table whose columns are not known yet.
    pub fn without_columns(name: String, connector: String, options: BTreeMap<String, String>) -> Self {
        Self {
            name,
            connector,
            options,
            schema: Arc::new(Schema::empty()),
        }
    }
}
