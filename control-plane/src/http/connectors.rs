//! Routes about connectors and connections.

use std::{sync::Arc, time::Duration};

use axum::{Json, extract::State};
use weir_connector::{
    ConnectorError, OptionError, Role, Table, connector, describe, infer as inference, sample,
};
use weir_model::{
    ErrorCode, Problem,
    api::{ConnectionTests, ConnectorList, InferTable, InferredTable, RoleTest, TableTest, TestConnections},
};
use weir_planner::DefinedTable;

use super::{App, extract::JsonBody, problem::ApiError};

/// How many rows a sample may have.
const MAX_SAMPLE_ROWS: u32 = 100;
const DEFAULT_SAMPLE_ROWS: u32 = 5;
/// How long rows of a sample are waited for.
const SAMPLE_WAIT: Duration = Duration::from_secs(5);
/// How many records may be looked at to find out columns.
const MAX_RECORDS: u32 = 10_000;
const DEFAULT_RECORDS: u32 = 500;

/// List connectors
///
/// What tables can be made of, with all options, from the definitions that validate them; and the formats of rows.
#[utoipa::path(
    get, path = "/connectors", tag = "sql",
    responses((status = 200, description = "connectors and formats", body = ConnectorList))
)]
pub async fn list() -> Json<ConnectorList> {
    Json(describe::all())
}

/// Test connections
///
/// Whether the tables of a script can be read, written and asked now: their systems are reached, let Weir in, and have what the tables
/// name. The answer is 200 also when they cannot. Creates nothing, and leaves nothing behind.
#[utoipa::path(
    post, path = "/connections/test", tag = "sql", request_body = TestConnections,
    responses(
        (status = 200, description = "what came of it, by table", body = ConnectionTests),
        (status = 400, description = "what is wrong with the script", body = Problem, content_type = "application/problem+json"),
        (status = "default", description = "an error", body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn test(
    State(app): State<App>,
    JsonBody(request): JsonBody<TestConnections>,
) -> Result<Json<ConnectionTests>, ApiError> {
    let TestConnections { sql, sample_rows } = request;
    let limit = sample_rows.unwrap_or(DEFAULT_SAMPLE_ROWS);
    if limit > MAX_SAMPLE_ROWS {
        return Err(ApiError::new(
            ErrorCode::InvalidRequest,
            format!("sample_rows is {limit}: it must be from 0 to {MAX_SAMPLE_ROWS}"),
        ));
    }
    let mut tests = Vec::new();
    for table in app.planner.tables(&sql, app.secrets().await?).await? {
        tests.push(test_table(&app, &table, limit as usize).await?);
    }
    if tests.is_empty() {
        return Err(ApiError::new(
            ErrorCode::InvalidRequest,
            "the script defines no table: give CREATE TABLE ... WITH (...)",
        ));
    }
    Ok(Json(ConnectionTests { tables: tests }))
}

/// Infer a table
///
/// `CREATE TABLE` for what a topic, a file or the like has: columns out of the schema that it has (Avro, Protobuf, Parquet), or out of a
/// sample of its records (JSON, CSV). Creates nothing, and leaves nothing behind.
#[utoipa::path(
    post, path = "/connections/infer", tag = "sql", request_body = InferTable,
    responses(
        (status = 200, description = "the definition", body = InferredTable),
        (status = 400, description = "what cannot be read, and why", body = Problem, content_type = "application/problem+json"),
        (status = "default", description = "an error", body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn infer(
    State(app): State<App>,
    JsonBody(request): JsonBody<InferTable>,
) -> Result<Json<InferredTable>, ApiError> {
    let InferTable {
        connector,
        mut options,
        table: name,
        records,
    } = request;
    let limit = records.unwrap_or(DEFAULT_RECORDS);
    if !(1..=MAX_RECORDS).contains(&limit) {
        return Err(ApiError::new(
            ErrorCode::InvalidRequest,
            format!("records is {limit}: it must be from 1 to {MAX_RECORDS}"),
        ));
    }
    let refused = |error: OptionError| ApiError(error.problem());
    let name = name.unwrap_or_else(|| "t".to_owned());
    let table = Table::without_columns(name, connector, options.clone());
    let resolved = app.secrets().await?.resolve(&table).map_err(refused)?;
    let clock = Arc::clone(&app.context.clock);
    let proposal = inference::infer(&resolved, clock, limit as usize, SAMPLE_WAIT)
        .await
        .map_err(refused)?;
    // What is written are the names of secrets, as they were given.
    options.extend(proposal.options);
    Ok(Json(InferredTable {
        sql: inference::create_table(&table.name, &table.connector, &options, &proposal.columns),
        records: proposal.records as u64,
    }))
}

async fn test_table(app: &App, defined: &DefinedTable, limit: usize) -> Result<TableTest, ApiError> {
    let resolved = defined.resolved().map_err(ApiError)?;
    let table = &resolved;
    let connector = connector(&table.connector).map_err(|error| ApiError(defined.problem(error)))?;
    let mut test = TableTest {
        table: table.name.clone(),
        connector: table.connector.clone(),
        read: None,
        write: None,
        look_up: None,
        sample: Vec::new(),
    };
    let came_of = |result: Result<(), OptionError>| RoleTest {
        ok: result.is_ok(),
        problem: result.err().map(|error| defined.problem(error)),
    };
    for role in connector.roles() {
        match role {
            Role::Source => {
                let result = async {
                    let source = connector.source(table)?;
                    source.check().await?;
                    let clock = Arc::clone(&app.context.clock);
                    if limit > 0 {
                        let rows = sample::rows(table, source.as_ref(), clock, limit, SAMPLE_WAIT).await;
                        test.sample = rows.map_err(unreadable)?;
                    }
                    Ok(())
                };
                test.read = Some(came_of(result.await));
            }
            Role::Sink => {
                let result = async { connector.sink(table)?.check().await };
                test.write = Some(came_of(result.await));
            }
            Role::Lookup => {
                let result = async { connector.lookup(table)?.check().await };
                test.look_up = Some(came_of(result.await));
            }
        }
    }
    Ok(test)
}

/// Rows that cannot be read, as what is wrong with the table.
fn unreadable(error: ConnectorError) -> OptionError {
    let ConnectorError { message, place, .. } = error;
    OptionError::Unavailable {
        reason: match place {
            Some(place) => format!("{place}: {message}"),
            None => message,
        },
    }
}
