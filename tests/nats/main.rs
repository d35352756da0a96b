//! The `nats` connector on a server of its own: streams from any place on, exactly; and nothing lost when the server is away.

use std::{future::Future, sync::Arc, time::Duration};

use arrow_schema::Field;
use async_nats::{Client, HeaderMap};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::Mutex;
use weir_connector::Table;
use weir_env::{Clock, SystemClock};
use weir_tests::{cluster, connectors, nats, process::Process};

mod faults;
mod sink;
mod source;
mod submission;

/// A test's server.
struct Server {
    process: Mutex<Process>,
    url: String,
    _folder: TempDir,
}

impl Server {
    async fn client(&self) -> Client {
        async_nats::connect(&self.url).await.expect("connects")
    }

    /// Asks JetStream something.
    async fn ask(&self, subject: &str, question: Value) -> Value {
        let subject = format!("$JS.API.{subject}");
        let answer = self
            .client()
            .await
            .request(subject.clone(), question.to_string().into())
            .await;
        let answer = answer.unwrap_or_else(|error| panic!("{subject}: {error}"));
        serde_json::from_slice(&answer.payload).expect("JSON")
    }

    /// Makes a stream of these subjects, with more of its configuration.
    async fn stream(&self, name: &str, subjects: &[&str], more: Value) {
        let mut config = json!({ "name": name, "subjects": subjects, "storage": "file" });
        for (key, value) in more.as_object().into_iter().flatten() {
            config[key] = value.clone();
        }
        let made = self.ask(&format!("STREAM.CREATE.{name}"), config).await;
        assert!(made.get("error").is_none(), "{made}");
    }

    /// Has the server store numbers, each once.
    async fn publish(&self, subject: &str, numbers: impl IntoIterator<Item = i64>) {
        let client = self.client().await;
        for n in numbers {
            let stored = client
                .request(subject.to_owned(), json!({ "n": n }).to_string().into())
                .await;
            stored.unwrap_or_else(|error| panic!("{subject}: {error}"));
        }
    }

    /// A stream's messages, as it has them.
    async fn stored(&self, stream: &str) -> Vec<Stored> {
        let info = self.ask(&format!("STREAM.INFO.{stream}"), json!({})).await;
        let (first, last) = (&info["state"]["first_seq"], &info["state"]["last_seq"]);
        let mut stored = Vec::new();
        for seq in first.as_u64().expect("a number")..=last.as_u64().expect("a number") {
            let found = self
                .ask(&format!("STREAM.MSG.GET.{stream}"), json!({ "seq": seq }))
                .await;
            let text = |key: &str| {
                let bytes = decode(found["message"][key].as_str().unwrap_or_default());
                String::from_utf8(bytes).expect("text")
            };
            stored.push(Stored {
                subject: found["message"]["subject"]
                    .as_str()
                    .unwrap_or_default()
                    .to_owned(),
                data: text("data"),
                headers: text("hdrs"),
            });
        }
        stored
    }

    /// The numbers that a stream has, ordered.
    async fn numbers(&self, stream: &str) -> Vec<i64> {
        let stored = self.stored(stream).await;
        let number = |stored: &Stored| {
            let row: Value = serde_json::from_str(&stored.data).expect("JSON");
            row["n"].as_i64().expect("a number")
        };
        let mut numbers: Vec<_> = stored.iter().map(number).collect();
        numbers.sort_unstable();
        numbers
    }
}

/// A message as its stream has it.
struct Stored {
    subject: String,
    data: String,
    headers: String,
}

fn decode(text: &str) -> Vec<u8> {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD
        .decode(text)
        .expect("base64")
}

/// Runs a test with a server; with more arguments, one that is started so.
fn with_server<F: Future<Output = ()>>(arguments: &[&str], test: impl FnOnce(Arc<Server>) -> F) {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime starts");
    runtime.block_on(async {
        let folder = cluster::folder().expect("a folder");
        let server = nats::start(folder.path(), arguments).await.expect("NATS starts");
        let Some(process) = server else {
            return;
        };
        let url = nats::url(&process);
        test(Arc::new(Server {
            process: Mutex::new(process),
            url,
            _folder: folder,
        }))
        .await;
    });
}

/// A table of the server with these columns.
fn table_of(server: &Server, columns: Vec<Field>, options: &[(&str, &str)]) -> Table {
    let mut all = vec![("url", server.url.as_str()), ("format", "json")];
    all.extend(options);
    connectors::table("nats", columns, &all)
}

/// A table with the one column `n`.
fn table(server: &Server, options: &[(&str, &str)]) -> Table {
    table_of(server, vec![connectors::number("n")], options)
}

/// Has the server do something while something else goes on.
async fn meanwhile(server: &Arc<Server>, after: Duration, work: impl AsyncFnOnce(&Server) + Send) {
    SystemClock::new().sleep(after).await;
    work(server).await;
}

/// Headers with one entry.
fn headers(name: &str, value: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(name, value);
    headers
}
