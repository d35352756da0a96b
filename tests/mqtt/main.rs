//! The `mqtt` connector on a broker of its own: nothing lost at quality 1, whoever is away.

use std::{future::Future, sync::Arc, time::Duration};

use arrow_schema::Field;
use rumqttc::v5::{
    AsyncClient, Event, MqttOptions,
    mqttbytes::{
        QoS,
        v5::{Packet, Publish, PublishProperties},
    },
};
use tempfile::TempDir;
use tokio::{
    sync::{Mutex, mpsc},
    task::JoinSet,
};
use weir_connector::Table;
use weir_env::{Clock, SystemClock};
use weir_tests::{cluster, connectors, mqtt, process::Process};

mod faults;
mod sink;
mod source;
mod submission;

/// A test's broker.
struct Broker {
    process: Mutex<Process>,
    url: String,
    port: u16,
    _folder: TempDir,
}

/// A client of the test's own.
struct Client {
    client: AsyncClient,
    events: mpsc::UnboundedReceiver<Event>,
    _driver: JoinSet<()>,
}

impl Broker {
    /// Connects a client, with a session that lasts if it is told to.
    async fn client(&self, id: &str, lasts: bool) -> Client {
        let mut options = MqttOptions::new(id, "127.0.0.1", self.port);
        options
            .set_clean_start(!lasts)
            .set_session_expiry_interval(Some(if lasts { 3600 } else { 0 }));
        let (client, mut polled) = AsyncClient::new(options, 1000);
        let (told, events) = mpsc::unbounded_channel();
        let mut driver = JoinSet::new();
        driver.spawn(async move {
            while let Ok(event) = polled.poll().await {
                let _ = told.send(event);
            }
        });
        let mut client = Client {
            client,
            events,
            _driver: driver,
        };
        client
            .until(|event| matches!(event, Event::Incoming(Packet::ConnAck(_))))
            .await;
        client
    }

    /// Publishes numbers at quality 1, and returns when the broker has them.
    async fn publish(&self, topic: &str, numbers: impl IntoIterator<Item = i64>) {
        let mut client = self.client("publisher", false).await;
        for n in numbers {
            client.publish(topic, &format!("{{\"n\":{n}}}"), false).await;
        }
    }
}

impl Client {
    async fn until(&mut self, is_it: impl Fn(&Event) -> bool) -> Event {
        let waited = tokio::time::timeout(Duration::from_secs(20), async {
            loop {
                let event = self.events.recv().await.expect("the connection holds");
                if is_it(&event) {
                    return event;
                }
            }
        });
        waited.await.expect("in time")
    }

    async fn publish(&mut self, topic: &str, text: &str, retain: bool) {
        let properties = PublishProperties {
            user_properties: vec![("kind".into(), "k".into())],
            ..PublishProperties::default()
        };
        let sent =
            self.client
                .publish_with_properties(topic, QoS::AtLeastOnce, retain, text.to_owned(), properties);
        sent.await.expect("is sent");
        self.until(|event| matches!(event, Event::Incoming(Packet::PubAck(_))))
            .await;
    }

    async fn subscribe(&mut self, topic: &str) {
        self.client
            .subscribe(topic, QoS::ExactlyOnce)
            .await
            .expect("is sent");
        self.until(|event| matches!(event, Event::Incoming(Packet::SubAck(_))))
            .await;
    }

    /// The next message.
    async fn message(&mut self) -> Publish {
        match self
            .until(|event| matches!(event, Event::Incoming(Packet::Publish(_))))
            .await
        {
            Event::Incoming(Packet::Publish(publish)) => publish,
            other => panic!("{other:?}"),
        }
    }

    /// The numbers of the next messages.
    async fn numbers(&mut self, count: usize) -> Vec<i64> {
        let mut numbers = Vec::new();
        while numbers.len() < count {
            let row: serde_json::Value = serde_json::from_slice(&self.message().await.payload).expect("JSON");
            numbers.push(row["n"].as_i64().expect("a number"));
        }
        numbers
    }
}

/// Runs a test with a broker; with more lines of its configuration.
fn with_broker<F: Future<Output = ()>>(lines: &str, test: impl FnOnce(Arc<Broker>) -> F) {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime starts");
    runtime.block_on(async {
        let folder = cluster::folder().expect("a folder");
        let broker = mqtt::start(folder.path(), lines).await.expect("Mosquitto starts");
        let Some(process) = broker else {
            return;
        };
        let (url, port) = (mqtt::url(&process), process.port());
        test(Arc::new(Broker {
            process: Mutex::new(process),
            url,
            port,
            _folder: folder,
        }))
        .await;
    });
}

/// A table of the broker with these columns.
fn table_of(broker: &Broker, columns: Vec<Field>, options: &[(&str, &str)]) -> Table {
    let mut all = vec![("url", broker.url.as_str()), ("format", "json")];
    all.extend(options);
    connectors::table("mqtt", columns, &all)
}

/// A table with the one column `n`.
fn table(broker: &Broker, options: &[(&str, &str)]) -> Table {
    table_of(broker, vec![connectors::number("n")], options)
}

/// Has the broker do something while something else goes on.
async fn meanwhile(broker: &Arc<Broker>, after: Duration, work: impl AsyncFnOnce(&Broker) + Send) {
    SystemClock::new().sleep(after).await;
    work(broker).await;
}
