//! Connections to the database, and errors classified.

use std::time::Duration;

use sqlx::{
    PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use weir_model::FailureClass;

use crate::ConnectorError;

/// How long the database may take to let somebody in.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// A connection that is made when it is needed, and again when it broke.
pub(super) fn connect(server: &PgConnectOptions) -> PgPool {
    PgPoolOptions::new()
        .max_connections(1)
        .acquire_timeout(CONNECT_TIMEOUT)
        .connect_lazy_with(server.clone())
}

/// What went wrong while doing something. What no other try can mend is the user's: a value that does not fit, a table that is not there.
pub(super) fn failed(doing: &str, error: &sqlx::Error) -> ConnectorError {
    let code = error
        .as_database_error()
        .and_then(sqlx::error::DatabaseError::code);
    let class = match code.as_deref().and_then(|code| code.get(..2)) {
        Some("0A" | "22" | "23" | "42" | "44") => FailureClass::User,
        _ => FailureClass::External,
    };
    ConnectorError {
        class,
        message: format!("cannot {doing}: {error}"),
        place: None,
    }
}
