//! How fast a topic of small JSON messages is read, beside librdkafka's own consumer in the same process.
//!
//! ```text
//! bench/connectors/run [MESSAGES]
//! ```

use std::{collections::BTreeMap, fs, hint::black_box, sync::Arc};

use anyhow::{Context as _, Result, ensure};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use rdkafka::{
    Message as _, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer as _},
    error::KafkaError,
};
use weir_connector::{SourceContext, SourceEvent, Table, connector};
use weir_env::{Clock as _, SystemClock};
use weir_tests::{
    cluster,
    kafka::{Kafka, Record},
};

const TOPIC: &str = "events";
const PARTITIONS: i32 = 4;
const BATCH_ROWS: usize = 4_096;
/// How often each is measured; the best counts.
const ROUNDS: usize = 3;
/// Messages are produced so many at once.
const CHUNK: u64 = 100_000;

/// What reading all messages once took.
#[derive(Clone, Copy)]
struct Spent {
    seconds: f64,
    cpu_seconds: f64,
}

#[tokio::main]
async fn main() -> Result<()> {
    let messages = std::env::args().nth(1);
    let messages: u64 = messages.map_or(Ok(3_000_000), |messages| messages.parse())?;
    let folder = cluster::folder()?;
    let kafka = Kafka::start(folder.path())
        .await?
        .context("there is no Kafka: script/services kafka fetches it")?;
    kafka.create_topic(TOPIC, PARTITIONS, &[]).await?;
    let mut bytes = 0;
    for start in (0..messages).step_by(CHUNK as usize) {
        let records: Vec<_> = (start..messages.min(start + CHUNK)).map(event).collect();
        bytes += records
            .iter()
            .map(|record| record.value.as_ref().map_or(0, Vec::len) as u64)
            .sum::<u64>();
        kafka.produce(TOPIC, &records).await?;
    }
    println!(
        "{messages} messages of {} bytes in {PARTITIONS} partitions",
        bytes / messages
    );
    let mut best: BTreeMap<&str, Spent> = BTreeMap::new();
    for _ in 0..ROUNDS {
        let limit = librdkafka(&kafka, messages)?;
        let count = source(&kafka, messages, columns(&["id"])).await?;
        let all = source(&kafka, messages, columns(&["id", "name", "price", "at"])).await?;
        for (name, spent) in [
            ("librdkafka's poll", limit),
            ("one column", count),
            ("all columns", all),
        ] {
            let known = best.entry(name).or_insert(spent);
            known.seconds = known.seconds.min(spent.seconds);
            known.cpu_seconds = known.cpu_seconds.min(spent.cpu_seconds);
        }
    }
    let limit = best["librdkafka's poll"];
    for (name, spent) in &best {
        println!(
            "{name:20} {:7.1} MB/s, {:6.2} M messages/s, {:6.2} M per CPU second: {:.2} of librdkafka's",
            bytes as f64 / spent.seconds / 1e6,
            messages as f64 / spent.seconds / 1e6,
            messages as f64 / spent.cpu_seconds / 1e6,
            limit.cpu_seconds / spent.cpu_seconds,
        );
    }
    Ok(())
}

fn event(n: u64) -> Record {
    let value = format!(
        "{{\"id\": {n}, \"name\": \"item {}\", \"price\": {}.5, \"at\": \"2024-01-01 00:00:{:02}.000\"}}",
        n % 1000,
        n % 77,
        n % 60
    );
    Record::value((n % PARTITIONS as u64) as i32, value)
}

fn columns(names: &[&str]) -> SchemaRef {
    let all = [
        Field::new("id", DataType::Int64, true),
        Field::new("name", DataType::Utf8, true),
        Field::new("price", DataType::Float64, true),
        Field::new(
            "at",
            DataType::Timestamp(arrow_schema::TimeUnit::Millisecond, None),
            true,
        ),
    ];
    let named = all
        .into_iter()
        .filter(|field| names.contains(&field.name().as_str()));
    Arc::new(Schema::new(named.collect::<Vec<_>>()))
}

/// All messages through the source, on this thread alone but for librdkafka's.
async fn source(kafka: &Kafka, messages: u64, schema: SchemaRef) -> Result<Spent> {
    let options = [
        ("topic", TOPIC.to_owned()),
        ("properties.bootstrap.servers", kafka.bootstrap()),
        ("format", "json".to_owned()),
        ("scan.startup.mode", "earliest-offset".to_owned()),
        ("scan.bounded.mode", "latest-offset".to_owned()),
    ];
    let factory = connector("kafka")?.source(&Table {
        name: "events".into(),
        connector: "kafka".into(),
        options: options
            .into_iter()
            .map(|(key, value)| (key.to_owned(), value))
            .collect(),
        schema: columns(&["id", "name", "price", "at"]),
    })?;
    let context = SourceContext {
        schema,
        batch_rows: BATCH_ROWS,
        known_splits: Arc::default(),
        subtask: 0,
        parallelism: 1,
        takes_checkpoints: true,
        clock: Arc::new(SystemClock::new()),
        counters: Arc::default(),
        dead_letters: None,
    };
    let splits = factory.splits(1).await?;
    let begun = now()?;
    let mut source = factory.open(splits, context).await?;
    let mut rows = 0;
    loop {
        match source.next().await? {
            SourceEvent::Rows { batch, .. } => rows += black_box(batch).num_rows() as u64,
            SourceEvent::SplitEnd { .. } | SourceEvent::SplitAdded { .. } => {}
            SourceEvent::End => break,
        }
    }
    ensure!(rows == messages, "{rows} of {messages} were read");
    since(begun)
}

/// All messages by librdkafka's consumer, which are looked at and no more.
fn librdkafka(kafka: &Kafka, messages: u64) -> Result<Spent> {
    let begun = now()?;
    let consumer: BaseConsumer = kafka
        .client()
        .set("group.id", "limit")
        .set("enable.auto.commit", "false")
        .set("enable.partition.eof", "true")
        .create()?;
    let mut list = TopicPartitionList::new();
    for partition in 0..PARTITIONS {
        list.add_partition_offset(TOPIC, partition, Offset::Beginning)?;
    }
    consumer.assign(&list)?;
    let (mut count, mut bytes, mut ended) = (0, 0, 0);
    while ended < PARTITIONS {
        match consumer.poll(None) {
            Some(Ok(message)) => {
                count += 1;
                bytes += message.payload().map_or(0, <[u8]>::len);
            }
            Some(Err(KafkaError::PartitionEOF(_))) => ended += 1,
            Some(Err(error)) => return Err(error.into()),
            None => {}
        }
    }
    black_box(bytes);
    ensure!(count == messages, "{count} of {messages} were read");
    since(begun)
}

fn now() -> Result<Spent> {
    Ok(Spent {
        seconds: SystemClock::new().now_ms() as f64 / 1e3,
        cpu_seconds: process_cpu_seconds()?,
    })
}

fn since(begun: Spent) -> Result<Spent> {
    let ended = now()?;
    Ok(Spent {
        seconds: ended.seconds - begun.seconds,
        cpu_seconds: ended.cpu_seconds - begun.cpu_seconds,
    })
}

/// CPU time of all threads so far, in hundredths of a second.
fn process_cpu_seconds() -> Result<f64> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    let (_, fields) = stat.rsplit_once(") ").context("a name in brackets")?;
    let ticks = fields.split(' ').skip(11).take(2).map(str::parse::<u64>);
    let ticks: u64 = ticks.sum::<Result<u64, _>>()?;
    Ok(ticks as f64 / 100.0)
}
