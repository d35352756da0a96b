//! Reading on: from positions, after a broker was away, and where messages are gone.

use std::{sync::Arc, time::Duration};

use arrow_array::{Int64Array, cast::AsArray as _};
use arrow_schema::{DataType, Field, Schema};
use weir_connector::{
    ConnectorError, Source, SourceContext, SourceEvent, SourceFactory, Split, source::SourceCounters,
};
use weir_env::{Clock as _, SystemClock};
use weir_tests::{
    checkpointed::{self, End, Run},
    cluster,
    kafka::{Kafka, Record},
    wait::{Seen, until},
};
use weir_worker::{runtime::align::Patience, state::backend::Kind};

use crate::{Broker, Server, with_broker};

const PATIENCE: Duration = Duration::from_secs(60);
const EARLIEST: (&str, &str) = ("scan.startup.mode", "earliest-offset");

fn numbered(partition: i32, n: i64) -> Record {
    Record::value(partition, format!("{{\"n\": {n}}}"))
}

/// A source as a subtask has it.
struct Reading {
    source: Box<dyn Source>,
    counters: Arc<SourceCounters>,
    clock: SystemClock,
}

impl Reading {
    async fn open(factory: &dyn SourceFactory, splits: Vec<Split>) -> Self {
        let counters = Arc::new(SourceCounters::default());
        let context = SourceContext {
            schema: Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, true)])),
            batch_rows: 3,
            subtask: 0,
            parallelism: 1,
            clock: Arc::new(SystemClock::new()),
            counters: Arc::clone(&counters),
        };
        let source = factory.open(splits, context).await.expect("it opens");
        Self {
            source,
            counters,
            clock: SystemClock::new(),
        }
    }

    /// The numbers read until there are so many; each call of `next` may be dropped before it has an answer.
    async fn numbers(&mut self, count: usize) -> Result<Vec<i64>, ConnectorError> {
        let (mut numbers, deadline) = (Vec::new(), self.clock.elapsed() + PATIENCE);
        while numbers.len() < count {
            assert!(
                self.clock.elapsed() < deadline,
                "{numbers:?} of {count} came in time"
            );
            let event = tokio::select! {
                event = self.source.next() => event?,
                () = self.clock.sleep(Duration::from_millis(3)) => continue,
            };
            match event {
                SourceEvent::Rows { batch, .. } => {
                    let column: &Int64Array = batch.column(0).as_primitive();
                    numbers.extend(column.values());
                }
                other => panic!("an unbounded source has rows: {other:?}"),
            }
        }
        Ok(numbers)
    }
}

#[test]
fn a_reader_goes_on_behind_what_was_handed_out() {
    with_broker(async |broker| {
        let (kafka, topic) = (broker.kafka(), broker.topic.as_str());
        kafka.create_topic(topic, 1, &[]).await.expect("a topic");
        let records: Vec<_> = (0..100).map(|n| numbered(0, n)).collect();
        kafka.produce(topic, &records).await.expect("produced");
        let factory = broker.factory(&[EARLIEST]);
        let mut splits = factory.splits(1).await.expect("splits");
        assert_eq!(splits[0].id, format!("{topic}/0"));
        let mut all = Vec::new();
        for count in [1, 30, 7, 50] {
            let mut reading = Reading::open(factory.as_ref(), splits).await;
            all.extend(reading.numbers(count).await.expect("numbers"));
            splits = reading.source.positions();
        }
        assert!(all.len() >= 88, "{all:?}");
        let expected: Vec<_> = (0..).take(all.len()).collect();
        assert_eq!(all, expected);
    });
}

#[test]
fn a_job_that_is_stopped_and_rescaled_reads_each_message_once() {
    with_broker(async |broker| {
        let (kafka, topic) = (broker.kafka(), broker.topic.as_str());
        kafka.create_topic(topic, 5, &[]).await.expect("a topic");
        let records: Vec<_> = (0..60).map(|n| numbered((n % 5) as i32, n)).collect();
        kafka.produce(topic, &records).await.expect("produced");
        let table = broker.table("n BIGINT", &[EARLIEST, ("scan.bounded.mode", "latest-offset")]);
        let sql = format!("{table} CREATE TABLE shown WITH ('connector' = 'print') AS SELECT n FROM t;");
        let run = |parallelism, end| Run {
            parallelism,
            backend: Kind::Memory,
            patience: Patience::Endless,
            memory_is_short: false,
            end,
        };
        let runs = [
            run(2, Some(End::Checkpoint)),
            run(3, Some(End::Savepoint)),
            run(7, Some(End::Checkpoint)),
            run(1, None),
        ];
        let (mut printed, _) = checkpointed::run(&sql, &runs).await.expect("it runs");
        let mut found = printed.remove("shown").unwrap_or_default();
        found.sort_unstable();
        let mut expected: Vec<_> = (0..60).map(|n| format!("{{\"n\":{n}}}")).collect();
        expected.sort_unstable();
        assert_eq!(found, expected);
    });
}

#[test]
fn messages_that_were_deleted_before_they_were_read_are_not_passed_over_in_silence() {
    with_broker(async |broker| {
        let (kafka, topic) = (broker.kafka(), broker.topic.as_str());
        kafka.create_topic(topic, 1, &[]).await.expect("a topic");
        let records: Vec<_> = (0..10).map(|n| numbered(0, n)).collect();
        kafka.produce(topic, &records).await.expect("produced");
        let splits = {
            let factory = broker.factory(&[EARLIEST]);
            let splits = factory.splits(1).await.expect("splits");
            let mut reading = Reading::open(factory.as_ref(), splits).await;
            reading.numbers(1).await.expect("numbers");
            reading.source.positions()
        };
        kafka.delete_before(topic, 0, 8).await.expect("deleted");
        let strict = broker.factory(&[EARLIEST]);
        let mut reading = Reading::open(strict.as_ref(), splits.clone()).await;
        let error = reading.numbers(1).await.expect_err("they are gone");
        assert!(
            error.message.contains("from 8 up to 10") && error.message.contains("auto.offset.reset"),
            "{error}"
        );
        let earliest = broker.factory(&[EARLIEST, ("properties.auto.offset.reset", "earliest")]);
        let mut reading = Reading::open(earliest.as_ref(), splits.clone()).await;
        assert_eq!(reading.numbers(2).await.expect("numbers"), [8, 9]);
        let latest = broker.factory(&[EARLIEST, ("properties.auto.offset.reset", "latest")]);
        let mut reading = Reading::open(latest.as_ref(), splits).await;
        let (read, ()) = tokio::join!(reading.numbers(1), async {
            // Whatever comes first: it is behind the end that there was.
            let clock = SystemClock::new();
            clock.sleep(Duration::from_secs(2)).await;
            kafka.produce(topic, &[numbered(0, 10)]).await.expect("produced");
        });
        assert_eq!(read.expect("numbers"), [10]);
    });
}

#[test]
fn a_reader_waits_for_a_broker_that_is_away_and_says_how_much_waits_for_it() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime starts");
    runtime.block_on(async {
        let folder = cluster::folder().expect("a folder");
        let Some(mut kafka) = Kafka::start(folder.path()).await.expect("Kafka starts") else {
            return;
        };
        kafka.create_topic("away", 1, &[]).await.expect("a topic");
        let records: Vec<_> = (0..10).map(|n| numbered(0, n)).collect();
        kafka.produce("away", &records).await.expect("produced");
        let broker = Broker {
            server: Arc::new(Server {
                kafka,
                _folder: folder,
            }),
            topic: "away".into(),
        };
        let factory = broker.factory(&[EARLIEST]);
        let splits = factory.splits(1).await.expect("splits");
        let mut reading = Reading::open(factory.as_ref(), splits).await;
        let mut all = reading.numbers(10).await.expect("numbers");
        let Broker { server, .. } = broker;
        let mut server = Arc::into_inner(server).expect("nobody else has it");
        server.kafka.kill().expect("killed");
        for _ in 0..20 {
            // Nothing comes, and nothing fails.
            let next = tokio::select! {
                next = reading.source.next() => Some(next),
                () = reading.clock.sleep(Duration::from_millis(100)) => None,
            };
            assert!(next.is_none(), "{next:?}");
        }
        server.kafka.start_again().await.expect("Kafka starts again");
        let records: Vec<_> = (10..20).map(|n| numbered(0, n)).collect();
        server.kafka.produce("away", &records).await.expect("produced");
        all.extend(reading.numbers(10).await.expect("numbers"));
        assert_eq!(all, (0..20).collect::<Vec<_>>());
        until("the lag to be nothing", PATIENCE, async || {
            let next = tokio::select! {
                next = reading.source.next() => Some(next),
                () = reading.clock.sleep(Duration::from_millis(100)) => None,
            };
            anyhow::ensure!(next.is_none(), "{next:?}");
            Ok(match reading.counters.lag() {
                Some(0) => Seen::Done(()),
                other => Seen::NotYet(format!("{other:?}")),
            })
        })
        .await
        .expect("it reads all");
    });
}
