//! The connectors of Kafka on a broker of their own.

use std::{
    future::Future,
    sync::{
        Arc, Weak,
        atomic::{AtomicU32, Ordering},
    },
};

use tempfile::TempDir;
use tokio::sync::Mutex;
use weir_tests::{cluster, kafka::Kafka};

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
    let folder = cluster::folder().expect("a folder");
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
}
