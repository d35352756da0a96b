//! The sink of a table: what it says, and its writers.

use std::{fmt, sync::Arc};

use arrow_schema::SchemaRef;
use async_trait::async_trait;
use rdkafka::ClientConfig;

use super::{
    Client, Fields, check,
    fields::Part,
    fold::Gathered,
    metadata, options,
    producer::{Partitioning, Producer, Route},
    records::Records,
    transaction::{self, Transactions},
    write::{Out, Writer, blocking, unreadable},
};
use crate::{
    ChangelogMode, ConnectorError, OptionError, Sink, SinkContext, SinkFactory, Table,
    options::{Checked, Options, invalid},
    origin,
};

/// How sure it is that rows come to the topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Guarantee {
    /// Nobody waits for them.
    None,
    /// They are there when a checkpoint has them.
    AtLeastOnce,
    /// They are seen when a checkpoint has them, once.
    ExactlyOnce,
}

/// How changes become records of their keys.
#[derive(Clone, Debug)]
pub(super) struct Fold {
    /// The columns of the primary key.
    pub(super) keys: Vec<usize>,
    /// How many changes are gathered at most.
    pub(super) max_rows: usize,
}

/// A checked table to write.
#[derive(Clone)]
pub(super) struct Factory {
    pub(super) client: Client,
    pub(super) route: Route,
    pub(super) fields: Fields,
    /// The table's columns.
    pub(super) schema: SchemaRef,
    pub(super) guarantee: Guarantee,
    /// What transactional ids begin with.
    pub(super) prefix: Option<String>,
    /// Changes are folded by their keys, and these are the columns; none: rows are only added.
    pub(super) fold: Option<Fold>,
    /// None: the settings have a login that transactions cannot be committed with, and the table needs none.
    transactions: Option<transaction::Shared>,
}

impl fmt::Debug for Factory {
    /// Without the client, whose settings may have a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Factory")
            .field("route", &self.route)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl SinkFactory for Factory {
    fn changelog_mode(&self) -> ChangelogMode {
        match self.fold {
            Some(_) => ChangelogMode::All,
            None => self.fields.value.format.changelog_mode(),
        }
    }

    async fn check(&self) -> Result<(), OptionError> {
        check::writable(&self.client, &self.route.topic).await?;
        self.fields.check().await
    }

    async fn open(&self, context: SinkContext) -> Result<Box<dyn Sink>, ConnectorError> {
        let out = if self.guarantee == Guarantee::ExactlyOnce && context.takes_checkpoints {
            let make = Arc::new(Transactional {
                factory: self.clone(),
                subtask: context.subtask,
            });
            let (shared, prefix) = (self.transactions()?.clone(), self.prefix.as_deref());
            let transactions = Transactions::begin(shared, prefix, &self.route.topic, make, &context).await?;
            Out::InTransactions(Box::new(transactions))
        } else {
            let (factory, subtask) = (self.clone(), context.subtask);
            Out::AtOnce {
                producer: blocking(move || factory.producer(&factory.config(), subtask)).await?,
                waits: self.guarantee != Guarantee::None,
            }
        };
        let gathered = match &self.fold {
            None => None,
            Some(fold) => {
                let gathered = Gathered::new(&self.schema, &fold.keys).map_err(unreadable)?;
                Some((gathered, fold.max_rows))
            }
        };
        let fields = self
            .fields
            .registered(&self.route.topic, context.clock.as_ref())
            .await?;
        Ok(Box::new(Writer {
            out,
            gathered,
            records: Records::new(fields, &self.schema),
            clock: context.clock,
        }))
    }

    async fn commit(&self, commits: &[String]) -> Result<(), ConnectorError> {
        if commits.is_empty() {
            return Ok(());
        }
        // What a checkpoint of before has to commit is committed, whatever the table says now.
        self.transactions()?.commit(commits).await
    }
}

impl Factory {
    /// As a table of the `kafka` connector says.
    pub(super) fn new(connector: &str, table: &Table) -> Result<Self, OptionError> {
        let (own, formats) = options::parted(&table.options);
        Self::checked(connector, &own, &formats, table)
    }

    /// As the connector's own options say, and those of its formats.
    pub(super) fn checked(
        connector: &str,
        own: &Options,
        formats: &Options,
        table: &Table,
    ) -> Result<Self, OptionError> {
        let given = Checked::new(connector, options::OPTIONS, own)?;
        let client = Client::new(&given)?;
        let guarantee = Guarantee::of(&given);
        let transactions = match transaction::Shared::new(&client) {
            Ok(shared) => Some(shared),
            Err(refused) if guarantee == Guarantee::ExactlyOnce => return Err(refused),
            Err(_) => None,
        };
        let fields = Fields::new(connector, &given, formats, &table.schema)?;
        let says_changes = |key: &Part| key.format.changelog_mode() != ChangelogMode::Append;
        if fields.key.as_ref().is_some_and(says_changes) {
            return Err(invalid(
                options::KEY_FORMAT,
                "says changes of rows: a key has none",
            ));
        }
        Ok(Self {
            transactions,
            client,
            route: route(connector, &given, table)?,
            fields,
            schema: Arc::clone(&table.schema),
            guarantee,
            prefix: given.text(options::TRANSACTIONAL_ID_PREFIX).map(str::to_owned),
            fold: None,
        })
    }

    fn transactions(&self) -> Result<&transaction::Shared, ConnectorError> {
        self.transactions
            .as_ref()
            .ok_or_else(|| ConnectorError::user("transactions cannot be committed with this way to log in"))
    }

    /// librdkafka's settings of a producer without transactions.
    fn config(&self) -> ClientConfig {
        let mut config = self.client.config();
        let mut unless_given = |names: &[&str], value: &str| {
            if names.iter().all(|name| config.get(name).is_none()) {
                config.set(names[0], value);
            }
        };
        // The hash by which Kafka's own clients spread keys: all records of a key meet in one partition, whoever wrote them.
        unless_given(&["partitioner"], "murmur2_random");
        unless_given(&["queue.buffering.max.kbytes"], QUEUE_KBYTES);
        // Records that are sent again come neither twice nor out of order, unless settings stand that do not go with it.
        let unordered = [
            "acks",
            "request.required.acks",
            "retries",
            "message.send.max.retries",
        ];
        let in_flight = ["max.in.flight", "max.in.flight.requests.per.connection"];
        let others: Vec<_> = ["enable.idempotence"]
            .into_iter()
            .chain(unordered)
            .chain(in_flight)
            .collect();
        unless_given(&others, "true");
        config
    }

    /// A producer with these settings. Blocks.
    fn producer(&self, config: &ClientConfig, subtask: u32) -> Result<Producer, ConnectorError> {
        Producer::open(config, &self.route, subtask)
    }
}

impl Guarantee {
    fn of(given: &Checked<'_>) -> Self {
        match given.word(options::GUARANTEE) {
            Some("exactly-once") => Self::ExactlyOnce,
            Some("none") => Self::None,
            _ => Self::AtLeastOnce,
        }
    }
}

/// Where a table's records go.
fn route(connector: &str, given: &Checked<'_>, table: &Table) -> Result<Route, OptionError> {
    let topic = match given.text(options::TOPIC) {
        Some(topic) if !topic.contains(';') => topic.to_owned(),
        Some(_) => {
            return Err(invalid(
                options::TOPIC,
                "names several topics: rows are written to one",
            ));
        }
        None => {
            return Err(OptionError::Missing {
                connector: connector.to_owned(),
                option: options::TOPIC.to_owned(),
                meaning: "the topic that rows are written to".to_owned(),
            });
        }
    };
    let mut columns = table.schema.fields().iter();
    Ok(Route {
        topic,
        says_topics: columns.any(|field| origin::metadata_key(field) == Some(metadata::TOPIC)),
        partitioning: match given.word(options::PARTITIONER) {
            Some("fixed") => Partitioning::Fixed,
            Some("round-robin") => Partitioning::RoundRobin,
            _ => Partitioning::ByKey,
        },
    })
}

/// Makes one subtask's producers of transactions.
struct Transactional {
    factory: Factory,
    subtask: u32,
}

impl transaction::Make for Transactional {
    fn make(&self, transactional_id: &str) -> Result<Producer, ConnectorError> {
        let mut config = self.factory.config();
        if config.get(TRANSACTION_TIMEOUT).is_none() {
            config.set(TRANSACTION_TIMEOUT, TRANSACTION_TIMEOUT_MS);
        }
        config.set("transactional.id", transactional_id);
        let producer = self.factory.producer(&config, self.subtask)?;
        producer.connect()?;
        Ok(producer)
    }
}

const TRANSACTION_TIMEOUT: &str = "transaction.timeout.ms";
/// What brokers allow at most if they are not told otherwise: 15 minutes.
const TRANSACTION_TIMEOUT_MS: &str = "900000";

/// What waits in a producer at most.
const QUEUE_KBYTES: &str = "65536";

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use arrow_schema::{DataType, Field, Schema};

    use super::*;
    use crate::connector;

    /// Why a table with these options cannot be written, with a primary key or without.
    fn refused(name: &str, given: &[(&str, &str)], has_key: bool) -> String {
        let k = Field::new("k", DataType::Int64, false);
        let k = if has_key { origin::key(k) } else { k };
        let brokers = ("properties.bootstrap.servers", "a:1");
        let all = given.iter().chain([&brokers]);
        let table = Table {
            name: "t".into(),
            connector: name.into(),
            options: all
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
                .collect::<BTreeMap<_, _>>(),
            schema: Arc::new(Schema::new(vec![k])),
        };
        let sink = connector(name).and_then(|connector| connector.sink(&table));
        sink.err().map(|error| error.to_string()).unwrap_or_default()
    }

    const TOPIC: (&str, &str) = ("topic", "t");
    const JSON: (&str, &str) = ("format", "json");

    #[test]
    fn a_table_that_cannot_be_written_says_why() {
        let exactly = ("sink.delivery-guarantee", "exactly-once");
        assert_eq!(refused("kafka", &[TOPIC, JSON, exactly], false), "");
        for (given, expected) in [
            (vec![JSON], "needs the option 'topic'"),
            (vec![("topic", "a;b"), JSON], "names several topics"),
            (
                vec![
                    TOPIC,
                    JSON,
                    exactly,
                    ("properties.security.protocol", "SASL_SSL"),
                    ("properties.sasl.mechanism", "OAUTHBEARER"),
                ],
                "'OAUTHBEARER' does not go with 'sink.delivery-guarantee' = 'exactly-once'",
            ),
            (
                vec![TOPIC, JSON, ("key.format", "debezium-json"), ("key.fields", "k")],
                "a key has none",
            ),
            (
                vec![TOPIC, JSON, ("properties.transactional.id", "x")],
                "is set by Weir itself",
            ),
        ] {
            let reason = refused("kafka", &given, false);
            assert!(reason.contains(expected), "{given:?}: {reason}");
        }
    }

    #[test]
    fn a_table_of_upserts_needs_a_key_and_formats_of_rows() {
        let key = ("key.format", "json");
        let whole = [TOPIC, key, ("value.format", "json")];
        assert_eq!(refused("upsert-kafka", &whole, true), "");
        assert!(refused("upsert-kafka", &whole, false).contains("needs a PRIMARY KEY"));
        for (given, expected) in [
            (vec![TOPIC, key], "needs the option 'value.format'"),
            (
                vec![TOPIC, key, ("value.format", "debezium-json")],
                "says changes of rows",
            ),
            (
                vec![TOPIC, key, ("value.format", "json"), ("key.fields", "k")],
                "has no option 'key.fields'",
            ),
        ] {
            let reason = refused("upsert-kafka", &given, true);
            assert!(reason.contains(expected), "{given:?}: {reason}");
        }
    }
}
