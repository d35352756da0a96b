//! The `postgres-cdc` connector on a PostgreSQL server of its own that logs changes of rows: each change is there once, wherever a reader
//! was broken off.

use std::{
    future::Future,
    sync::{
        Arc, Weak,
        atomic::{AtomicU32, Ordering},
    },
};

use sqlx::{AssertSqlSafe, PgPool};
use tempfile::TempDir;
use tokio::sync::Mutex;
use weir_tests::{cluster, postgres::Logging};

mod reader;
mod source;

struct Server {
    postgres: Logging,
    _folder: TempDir,
}

/// The server that tests share while any of them runs.
async fn server() -> Arc<Server> {
    static SHARED: Mutex<Weak<Server>> = Mutex::const_new(Weak::new());
    let mut shared = SHARED.lock().await;
    if let Some(server) = shared.upgrade() {
        return server;
    }
    let folder = cluster::folder().expect("a folder");
    let server = Arc::new(Server {
        postgres: Logging::start(folder.path()).await.expect("PostgreSQL starts"),
        _folder: folder,
    });
    *shared = Arc::downgrade(&server);
    server
}

/// A database of a test.
struct Database {
    name: String,
    /// The folder of the server's socket.
    socket: String,
    pool: PgPool,
}

impl Database {
    async fn execute(&self, sql: &str) {
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
            .execute(&self.pool)
            .await
            .unwrap_or_else(|error| panic!("{sql}: {error}"));
    }

    /// The options of a table of it.
    fn options(&self, table: &str) -> Vec<(String, String)> {
        [
            ("hostname", self.socket.as_str()),
            ("username", "weir"),
            ("password", ""),
            ("database-name", &self.name),
            ("table-name", table),
            // Slots are the server's, not the database's.
            ("slot.name", &format!("{}_{table}", self.name)),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .to_vec()
    }

    /// The same as SQL writes it.
    fn with(&self, table: &str) -> String {
        let options = self.options(table);
        let written = options.iter().map(|(key, value)| format!("'{key}' = '{value}'"));
        written.collect::<Vec<_>>().join(", ")
    }
}

/// Runs a test with an empty database.
fn with_database<F: Future<Output = ()>>(test: impl FnOnce(Arc<Database>) -> F) {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime starts");
    runtime.block_on(async {
        let server = server().await;
        let name = format!("test_{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let database = Database {
            socket: server.postgres.socket().to_owned(),
            pool: server.postgres.database(&name).await.expect("a database"),
            name,
        };
        test(Arc::new(database)).await;
    });
}
