//! The `redis` connector on a server of its own: keys as rows say, rows as keys say, and nothing lost when the server is away.

use std::{future::Future, sync::Arc};

use redis::{FromRedisValue, aio::MultiplexedConnection};
use tempfile::TempDir;
use tokio::sync::Mutex;
use weir_connector::{ConnectorError, RowOutput, Sink, SinkContext, SinkFactory, Table, connector, origin};
use weir_env::SystemClock;
use weir_tests::{cluster, redis::Redis};

mod faults;
mod lookup;
mod sink;
mod source;
mod submission;

/// A test's server.
struct Server {
    process: Mutex<Redis>,
    url: String,
    _folder: TempDir,
}

impl Server {
    async fn connection(&self) -> MultiplexedConnection {
        let client = redis::Client::open(self.url.as_str()).expect("a URL");
        let connection = client.get_multiplexed_async_connection().await;
        connection.expect("connects")
    }

    /// Does a command, its words with spaces between.
    async fn run<T: FromRedisValue>(&self, command: &str) -> T {
        let mut words = command.split(' ');
        let mut cmd = redis::cmd(words.next().unwrap_or_default());
        words.for_each(|word| _ = cmd.arg(word));
        let answer = cmd.query_async(&mut self.connection().await).await;
        answer.unwrap_or_else(|error| panic!("{command}: {error}"))
    }

    /// A hash as `field=value`, ordered.
    async fn hash(&self, key: &str) -> Vec<String> {
        let fields: std::collections::BTreeMap<String, String> = self.run(&format!("HGETALL {key}")).await;
        fields
            .into_iter()
            .map(|(field, value)| format!("{field}={value}"))
            .collect()
    }

    /// All keys, ordered.
    async fn keys(&self) -> Vec<String> {
        let mut keys: Vec<String> = self.run("KEYS *").await;
        keys.sort_unstable();
        keys
    }
}

/// Runs a test with an empty server; with more arguments, one that is started so.
fn with_server<F: Future<Output = ()>>(arguments: &[&str], test: impl FnOnce(Arc<Server>) -> F) {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime starts");
    runtime.block_on(async {
        let folder = cluster::folder().expect("a folder");
        let server = Redis::start_with(folder.path(), arguments)
            .await
            .expect("Redis starts");
        let Some(process) = server else {
            return;
        };
        let url = process.url();
        test(Arc::new(Server {
            process: Mutex::new(process),
            url,
            _folder: folder,
        }))
        .await;
    });
}

/// A table of the server: its columns, those of the key first, and its options.
fn table(
    server: &Server,
    keys: usize,
    columns: &[(&str, arrow_schema::DataType)],
    options: &[(&str, &str)],
) -> Table {
    let field = |(nth, (name, data_type)): (usize, &(&str, arrow_schema::DataType))| {
        let field = arrow_schema::Field::new(*name, data_type.clone(), nth >= keys);
        if nth < keys { origin::key(field) } else { field }
    };
    let mut all = std::collections::BTreeMap::from([("url".to_owned(), server.url.clone())]);
    all.extend(
        options
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned())),
    );
    Table {
        name: "t".into(),
        connector: "redis".into(),
        options: all,
        schema: Arc::new(arrow_schema::Schema::new(
            columns.iter().enumerate().map(field).collect::<Vec<_>>(),
        )),
    }
}

fn sink(table: &Table) -> Box<dyn SinkFactory> {
    connector("redis")
        .and_then(|redis| redis.sink(table))
        .expect("valid")
}

async fn writer(table: &Table) -> Box<dyn Sink> {
    let context = SinkContext {
        job: "job-1".into(),
        generation: 1,
        restored: None,
        takes_checkpoints: true,
        operator: 4,
        uid: "sink".into(),
        subtask: 0,
        parallelism: 1,
        clock: Arc::new(SystemClock::new()),
        output: Arc::new(NoOutput),
    };
    sink(table).open(context).await.expect("opens")
}

#[derive(Debug)]
struct NoOutput;

impl RowOutput for NoOutput {
    fn print(&self, _table: &str, _subtask: u32, _lines: &[u8], _rows: usize) {}
}

/// Runs a bounded script; what it printed in `out`.
async fn printed(sql: &str, parallelism: u32) -> Vec<String> {
    let (mut printed, _) = weir_tests::local::run(sql, Some(parallelism))
        .await
        .unwrap_or_else(|refused| panic!("{refused:?}"));
    printed.remove("out").unwrap_or_default()
}

fn sorted(mut rows: Vec<String>) -> Vec<String> {
    rows.sort_unstable();
    rows
}

/// What a script failed with, as far as it came.
async fn failure(sql: &str) -> String {
    match weir_tests::local::run(sql, Some(1)).await {
        Ok(_) => panic!("it does not fail"),
        Err(weir_tests::local::Refused::Planning(problem)) => problem.detail,
        Err(weir_tests::local::Refused::Running(failure)) => failure.message,
    }
}

fn class(error: &ConnectorError) -> weir_model::FailureClass {
    error.class
}
