//! The connectors of Kafka on a broker of their own.

use std::{
    collections::BTreeMap,
    future::Future,
    sync::{
        Arc, Weak,
        atomic::{AtomicU32, Ordering},
    },
};

use arrow_schema::{DataType, Field, Schema};
use tempfile::TempDir;
use tokio::sync::Mutex;
use weir_connector::{SourceFactory, Table, connector};
use weir_tests::{
    cluster as processes,
    kafka::Kafka,
    local::{self, Refused},
};

mod binary;
mod cluster;
mod infer;
mod recovery;
mod registry;
mod secured;
mod sink;
mod source;
mod transaction;
mod writer;

struct Server {
    kafka: Kafka,
    _folder: TempDir,
}

/// The broker that tests share while any of them runs; none where there is no Kafka.
async fn server() -> Option<Arc<Server>> {
    static SHARED: Mutex<Weak<Server>> = Mutex::const_new(Weak::new());
    let mut shared = SHARED.lock().await;
    if let Some(server) = shared.upgrade() {
        return Some(server);
    }
    let folder = processes::folder().expect("a folder");
    let (started, kafka) = tokio::sync::oneshot::channel();
    let path = folder.path().to_owned();
    // The broker dies with the thread that has started it: a test's own would take it away from the others.
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime starts");
        let _ = started.send(runtime.block_on(Kafka::start(&path)));
        loop {
            std::thread::park();
        }
    });
    let kafka = kafka.await.expect("an answer").expect("Kafka starts")?;
    let server = Arc::new(Server {
        kafka,
        _folder: folder,
    });
    *shared = Arc::downgrade(&server);
    Some(server)
}

/// Runs a test with the shared broker and the name of a topic that nothing else uses.
fn with_broker<F: Future<Output = ()>>(test: impl FnOnce(Broker) -> F) {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime starts");
    runtime.block_on(async {
        let Some(server) = server().await else { return };
        let topic = format!("topic-{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        test(Broker { server, topic }).await;
    });
}

/// What a test has.
#[derive(Clone)]
struct Broker {
    server: Arc<Server>,
    /// A topic's name of its own; the topic is not made yet.
    topic: String,
}

impl Broker {
    fn kafka(&self) -> &Kafka {
        &self.server.kafka
    }

    /// The options of a table of the topic in JSON: these, and what they don't say.
    fn options(&self, given: &[(&str, &str)]) -> BTreeMap<String, String> {
        let own = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        let mut options: BTreeMap<_, _> = given.iter().map(own).collect();
        let mut default = |key: &str, value: String| {
            options.entry(key.to_owned()).or_insert(value);
        };
        default("properties.bootstrap.servers", self.kafka().bootstrap());
        default("format", "json".into());
        if !given.iter().any(|(key, _)| *key == "topic-pattern") {
            default("topic", self.topic.clone());
        }
        options
    }

    /// `CREATE TABLE t` of the topic.
    fn table(&self, columns: &str, given: &[(&str, &str)]) -> String {
        let options = self.options(given);
        let options = options
            .iter()
            .map(|(key, value)| format!(", '{key}' = '{value}'"));
        format!(
            "CREATE TABLE t ({columns}) WITH ('connector' = 'kafka'{});",
            options.collect::<String>()
        )
    }

    /// The source of a table with the column `n BIGINT`.
    fn factory(&self, given: &[(&str, &str)]) -> Box<dyn SourceFactory> {
        let table = Table {
            name: "t".into(),
            connector: "kafka".into(),
            options: self.options(given),
            schema: Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, true)])),
        };
        connector("kafka").and_then(|c| c.source(&table)).expect("valid")
    }

    /// What a query of `t` gives in a job of one subtask that comes to its end, and how many messages were skipped.
    async fn run(
        &self,
        columns: &str,
        options: &[(&str, &str)],
        query: &str,
    ) -> Result<(Vec<String>, u64), Refused> {
        let sql = format!(
            "{} CREATE TABLE shown WITH ('connector' = 'print') AS {query};",
            self.table(columns, options)
        );
        let (mut printed, stats) = local::run(&sql, Some(1)).await?;
        let skipped = stats.sources.iter().map(|source| source.skipped_records).sum();
        Ok((printed.remove("shown").unwrap_or_default(), skipped))
    }

    async fn query(
        &self,
        columns: &str,
        options: &[(&str, &str)],
        query: &str,
    ) -> Result<Vec<String>, Refused> {
        Ok(self.run(columns, options, query).await?.0)
    }

    async fn rows(&self, columns: &str, options: &[(&str, &str)]) -> Result<Vec<String>, Refused> {
        self.query(columns, options, "SELECT * FROM t").await
    }
}
