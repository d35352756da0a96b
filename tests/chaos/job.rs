//! The job: its script for a cluster, and what has to come out of it.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, anyhow, ensure};
use sqlx::{AssertSqlSafe, PgPool};
use weir_tests::{changes, kafka::Kafka, local};

use crate::check::Found;

/// What the source makes: event n is a function of the seed and n.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Events {
    /// How many.
    pub(crate) count: u64,
    /// How many a second.
    pub(crate) rate: u64,
    pub(crate) seed: u64,
}

/// A table that the job writes.
pub(crate) struct Output {
    pub(crate) name: &'static str,
    /// Its columns in DDL.
    columns: &'static str,
    /// The columns by which a row is replaced; none: rows are only added.
    pub(crate) keys: &'static [&'static str],
    /// The columns by which rows are compared, if others.
    compared: &'static [&'static str],
    query: &'static str,
    to: To,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum To {
    Files,
    Database,
    /// A message for each row.
    Topic,
    /// The last message of a key is its row.
    Upserts,
}

/// Where outputs are.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    pub(crate) files: PathBuf,
    /// The database's URL.
    pub(crate) database: String,
    /// Kafka's brokers.
    pub(crate) brokers: String,
    /// Where the topic of events ends, by partition; none: events are made by the source itself.
    pub(crate) ends: Vec<usize>,
}

/// The topic that a job reads its events from, if it does.
pub(crate) const EVENTS: &str = "events";
/// How many partitions the topics have.
pub(crate) const PARTITIONS: usize = 3;

/// Every row, keyed windows, a join, the best of each key, and aggregates that change.
pub(crate) const OUTPUTS: &[Output] = &[
    Output {
        name: "bids",
        columns: "auction BIGINT, bidder BIGINT, price BIGINT, moment STRING",
        keys: &[],
        compared: &[],
        query: "SELECT auction, bidder, price, CAST(dateTime AS STRING) FROM bid",
        to: To::Files,
    },
    Output {
        name: "per_second",
        columns: "auction BIGINT, slot STRING, bids BIGINT, highest BIGINT, total BIGINT",
        keys: &[],
        compared: &["auction", "slot"],
        query: "SELECT auction, CAST(window_start AS STRING), COUNT(*), MAX(price), SUM(price) \
                FROM TABLE(TUMBLE(TABLE bid, DESCRIPTOR(dateTime), INTERVAL '1' SECOND)) \
                GROUP BY auction, window_start, window_end",
        to: To::Files,
    },
    Output {
        name: "matched",
        columns: "auction BIGINT, bidder BIGINT, price BIGINT, seller BIGINT, category BIGINT",
        keys: &[],
        compared: &[],
        query: "SELECT b.auction, b.bidder, b.price, a.seller, a.category FROM bid AS b JOIN auction AS a ON b.auction = a.id",
        to: To::Database,
    },
    Output {
        name: "best",
        columns: "auction BIGINT, place BIGINT, bidder BIGINT, price BIGINT",
        keys: &["auction", "place"],
        compared: &[],
        query: "SELECT auction, place, bidder, price FROM (SELECT auction, bidder, price, \
                ROW_NUMBER() OVER (PARTITION BY auction ORDER BY price DESC, bidder, dateTime) AS place FROM bid) AS ranked \
                WHERE place <= 3",
        to: To::Database,
    },
    Output {
        name: "per_bidder",
        columns: "bidder BIGINT, bids BIGINT, total BIGINT, highest BIGINT",
        keys: &["bidder"],
        compared: &[],
        query: "SELECT bidder, COUNT(*), SUM(price), MAX(price) FROM bid GROUP BY bidder",
        to: To::Database,
    },
];

/// Every row, and results that change, as messages.
pub(crate) const TOPICS: &[Output] = &[
    Output {
        name: "bids",
        columns: "auction BIGINT, bidder BIGINT, price BIGINT, moment STRING",
        keys: &[],
        compared: &[],
        query: "SELECT auction, bidder, price, CAST(dateTime AS STRING) FROM bid",
        to: To::Topic,
    },
    Output {
        name: "per_bidder",
        columns: "bidder BIGINT, bids BIGINT, total BIGINT, highest BIGINT",
        keys: &["bidder"],
        compared: &[],
        query: "SELECT bidder, COUNT(*), SUM(price), MAX(price) FROM bid GROUP BY bidder",
        to: To::Upserts,
    },
];

/// Those in which a row that comes again replaces itself.
pub(crate) fn keyed() -> &'static [Output] {
    let added = OUTPUTS.iter().take_while(|output| output.keys.is_empty());
    &OUTPUTS[added.count()..]
}

impl Output {
    /// The columns by which rows are compared.
    pub(crate) fn compared(&self) -> &'static [&'static str] {
        if self.compared.is_empty() {
            self.keys
        } else {
            self.compared
        }
    }

    fn ddl(&self, options: &str) -> String {
        let Self {
            name,
            columns,
            keys,
            query,
            ..
        } = self;
        let key = match keys {
            [] => String::new(),
            keys => format!(", PRIMARY KEY ({}) NOT ENFORCED", keys.join(", ")),
        };
        format!("CREATE TABLE {name} ({columns}{key}) WITH ({options});\nINSERT INTO {name} {query};\n")
    }
}

const SOURCE: &str = "CREATE TABLE nexmark (
    event_type INT,
    person ROW<dateTime TIMESTAMP(3)>,
    auction ROW<id BIGINT, dateTime TIMESTAMP(3), seller BIGINT, category BIGINT>,
    bid ROW<auction BIGINT, bidder BIGINT, price BIGINT, dateTime TIMESTAMP(3)>,
    dateTime AS CASE WHEN event_type = 0 THEN person.dateTime WHEN event_type = 1 THEN auction.dateTime ELSE bid.dateTime END,
    WATERMARK FOR dateTime AS dateTime - INTERVAL '1' SECOND
) WITH ('connector' = 'nexmark'";

const VIEWS: &str = "CREATE VIEW auction AS SELECT auction.id, auction.seller, auction.category FROM nexmark WHERE event_type = 1;
CREATE VIEW bid AS SELECT bid.auction, bid.bidder, bid.price, dateTime FROM nexmark WHERE event_type = 2;
";

fn source(events: Events, limited: bool) -> String {
    let Events { count, rate, seed } = events;
    format!(
        "{SOURCE}, 'events.num' = '{count}', 'first-event.rate' = '{rate}', 'rate.limited' = '{limited}', 'seed' = '{seed}');\n{VIEWS}"
    )
}

/// How a job keeps its state and takes checkpoints: by the seed, so that any two settings meet in some run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Variant {
    /// Barriers overtake rows.
    pub(crate) unaligned: bool,
    /// Files of the last checkpoint are kept on workers.
    pub(crate) local_recovery: bool,
    pub(crate) backend: &'static str,
}

impl Variant {
    pub(crate) fn of(seed: u64) -> Self {
        Self {
            unaligned: seed.is_multiple_of(2),
            local_recovery: seed % 5 != 4,
            backend: if seed % 3 == 2 { "memory" } else { "rocksdb" },
        }
    }

    fn settings(self) -> String {
        let Self {
            unaligned,
            local_recovery,
            backend,
        } = self;
        format!(
            "SET 'execution.checkpointing.unaligned.enabled' = '{unaligned}';
SET 'execution.state-recovery.from-local' = '{local_recovery}';
SET 'state.backend.type' = '{backend}';
"
        )
    }
}

/// Checkpoints that come to nothing are tried again by the next, soon; so are executions.
const SETTINGS: &str = "SET 'execution.checkpointing.interval' = '500 ms';
SET 'execution.checkpointing.timeout' = '5 s';
SET 'execution.checkpointing.tolerable-failed-checkpoints' = '1000000';
SET 'execution.checkpointing.num-retained' = '3';
SET 'restart-strategy.type' = 'exponential-delay';
SET 'restart-strategy.exponential-delay.max-backoff' = '2 s';
";

/// The script that a cluster runs.
pub(crate) fn script(events: Events, outputs: &[Output], places: &Places) -> String {
    let mut sql = SETTINGS.to_owned();
    sql += &Variant::of(events.seed).settings();
    sql += &if places.ends.is_empty() {
        source(events, true)
    } else {
        places.source()
    };
    for output in outputs {
        sql += &output.ddl(&places.options(output));
    }
    sql
}

/// Writes the bids among the events to their topic, in turn to each partition, as fast as the events come.
pub(crate) async fn feed(events: Events, brokers: String) -> Result<()> {
    let sql = format!(
        "{}CREATE TABLE {EVENTS} ({EVENT_COLUMNS}) WITH ('connector' = 'kafka', 'topic' = '{EVENTS}', 'format' = 'json',
             'properties.bootstrap.servers' = '{brokers}', 'sink.partitioner' = 'round-robin');
         INSERT INTO {EVENTS} SELECT auction, bidder, price, dateTime FROM bid;",
        source(events, true)
    );
    let fed = local::run(&sql, Some(1)).await;
    fed.map(drop)
        .map_err(|refused| anyhow!("feeding the job: {refused:?}"))
}

const EVENT_COLUMNS: &str = "auction BIGINT, bidder BIGINT, price BIGINT, dateTime TIMESTAMP(3)";

/// Where each partition of the topic of events ends when so many are in it.
pub(crate) fn ends(bids: usize) -> Vec<usize> {
    (0..PARTITIONS)
        .map(|partition| (bids + PARTITIONS - 1 - partition) / PARTITIONS)
        .collect()
}

impl Places {
    /// The topic of events as a source that ends.
    fn source(&self) -> String {
        let ends = self.ends.iter().enumerate();
        let ends = ends.map(|(partition, end)| format!("partition:{partition},offset:{end}"));
        format!(
            "CREATE TABLE {EVENTS} ({EVENT_COLUMNS}) WITH ('connector' = 'kafka', 'topic' = '{EVENTS}', 'format' = 'json',
                 'properties.bootstrap.servers' = '{}', 'scan.startup.mode' = 'earliest-offset',
                 'scan.bounded.mode' = 'specific-offsets', 'scan.bounded.specific-offsets' = '{}');
             CREATE VIEW bid AS SELECT * FROM {EVENTS};\n",
            self.brokers,
            ends.collect::<Vec<_>>().join(";")
        )
    }

    /// The options of an output's table.
    fn options(&self, output: &Output) -> String {
        let Self {
            files,
            database,
            brokers,
            ends: _,
        } = self;
        let name = output.name;
        let topic = format!(
            "'topic' = '{name}', 'properties.bootstrap.servers' = '{brokers}', 'sink.delivery-guarantee' = 'exactly-once'"
        );
        match output.to {
            To::Files => format!(
                "'connector' = 'filesystem', 'format' = 'json', 'path' = '{}'",
                files.join(name).display()
            ),
            To::Database => format!("'connector' = 'jdbc', 'url' = '{database}', 'table-name' = '{name}'"),
            To::Topic => format!("'connector' = 'kafka', 'format' = 'json', {topic}"),
            To::Upserts => {
                format!(
                    "'connector' = 'upsert-kafka', 'key.format' = 'json', 'value.format' = 'json', {topic}"
                )
            }
        }
    }
}

/// Creates the tables that the job writes to.
pub(crate) async fn create_tables(database: &PgPool) -> Result<()> {
    for output in OUTPUTS.iter().filter(|output| output.to == To::Database) {
        let columns = output.columns.replace("STRING", "TEXT");
        let key = match output.keys {
            [] => String::new(),
            keys => format!(", PRIMARY KEY ({})", keys.join(", ")),
        };
        let create = format!("CREATE TABLE {} ({columns}{key})", output.name);
        sqlx::raw_sql(AssertSqlSafe(create)).execute(database).await?;
    }
    Ok(())
}

/// What has to come out of each output: the same queries over the same events, run undisturbed in this process.
pub(crate) async fn expected(events: Events, outputs: &[Output]) -> Result<Vec<Vec<String>>> {
    let mut sql = source(events, false);
    for output in outputs {
        sql += &output.ddl("'connector' = 'print'");
    }
    let (mut printed, stats) = local::run(&sql, Some(2))
        .await
        .map_err(|refused| anyhow!("{refused:?}"))?;
    ensure!(stats.late_rows == 0, "{} rows came late", stats.late_rows);
    let mut all = Vec::with_capacity(outputs.len());
    for output in outputs {
        let rows = changes::materialize(printed.remove(output.name).unwrap_or_default())?;
        ensure!(!rows.is_empty(), "nothing has to come out of '{}'", output.name);
        all.push(rows);
    }
    Ok(all)
}

/// What readers see of an output.
pub(crate) async fn found(
    output: &Output,
    files: &Path,
    database: &PgPool,
    kafka: Option<&Kafka>,
) -> Result<Vec<Found>> {
    match output.to {
        To::Files => in_files(&files.join(output.name)),
        To::Database => in_table(output.name, database).await,
        To::Topic | To::Upserts => {
            let kafka = kafka.context("there is no Kafka")?;
            let mut records = kafka.read_committed(output.name).await?;
            if output.to == To::Upserts {
                // The order of those of one key is that of their partition.
                let last: BTreeMap<_, _> = records
                    .drain(..)
                    .map(|record| (record.key.clone(), record))
                    .collect();
                records.extend(last.into_values().filter(|record| record.value.is_some()));
            }
            let found = records.into_iter().map(|record| Found {
                row: record.text(),
                place: format!("partition {:?}, offset {:?}", record.partition, record.offset),
            });
            Ok(found.collect())
        }
    }
}

fn in_files(folder: &Path) -> Result<Vec<Found>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))? {
        let path = entry?.path();
        let place = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if place.starts_with('.') {
            continue;
        }
        let text = fs::read_to_string(&path)?;
        found.extend(text.lines().map(|line| Found {
            row: line.to_owned(),
            place: place.clone(),
        }));
    }
    Ok(found)
}

async fn in_table(name: &str, database: &PgPool) -> Result<Vec<Found>> {
    let select = format!("SELECT row_to_json(t)::text FROM {name} AS t");
    let rows: Vec<(String,)> = sqlx::query_as(AssertSqlSafe(select)).fetch_all(database).await?;
    let found = rows.into_iter().map(|(row,)| Found {
        row,
        place: format!("table {name}"),
    });
    Ok(found.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_make_every_variant() {
        let all: Vec<_> = (0..30).map(Variant::of).collect();
        for nth in 0..8 {
            let wanted = Variant {
                unaligned: nth & 1 == 1,
                local_recovery: nth & 2 == 2,
                backend: if nth & 4 == 4 { "memory" } else { "rocksdb" },
            };
            assert!(all.contains(&wanted), "{wanted:?}");
        }
    }
}
