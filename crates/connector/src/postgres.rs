//! What connectors to PostgreSQL share: names and texts in SQL, and values of answers.

use sqlx::{Row as _, ValueRef as _, postgres::PgRow};

/// A name in SQL.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A text in SQL.
pub(crate) fn literal(text: &str) -> String {
    // Backslashes mean themselves in standard strings.
    format!("'{}'", text.replace('\'', "''"))
}

/// A value of an answer, as PostgreSQL writes it.
pub(crate) fn text(row: &PgRow, column: usize) -> Result<Option<&[u8]>, sqlx::Error> {
    let value = row.try_get_raw(column)?;
    if value.is_null() {
        return Ok(None);
    }
    value.as_bytes().map(Some).map_err(sqlx::Error::Decode)
}
