//! Reading on: from positions, after a broker was away, and where messages are gone.

use std::{sync::Arc, time::Duration};

use arrow_array::{Int64Array, cast::AsArray as _};
use arrow_schema::{DataType, Field, Schema};
use weir_connector::{
    ConnectorError, Source, SourceContext, SourceEvent, SourceFactory, Split,
    dead_letter::{DeadLetter, DeadLetters},
    source::SourceCounters,
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

const PATIENCE: Duration = Duration::from_mins(1);
const EARLIEST: (&str, &str) = ("scan.startup.mode", "earliest-offset");

fn numbered(partition: i32, n: i64) -> Record {
    Record::value(partition, format!("{{\"n\": {n}}}"))
}

/// A source as a subtask has it.
struct Reading {
    source: Box<dyn Source>,
    counters: Arc<SourceCounters>,
    dead_letters: Arc<DeadLetters>,
    clock: SystemClock,
    /// The splits that it has found.
    added: Vec<Split>,
}

impl Reading {
    async fn open(factory: &dyn SourceFactory, splits: Vec<Split>) -> Self {
        let known = splits.iter().map(|split| split.id.clone()).collect();
        Self::open_one(factory, splits, known, (0, 1)).await
    }

    /// One of several readers, which all know of these splits.
    async fn open_one(
        factory: &dyn SourceFactory,
        splits: Vec<Split>,
        known_splits: Arc<[String]>,
        (subtask, parallelism): (u32, u32),
    ) -> Self {
        let counters = Arc::new(SourceCounters::default());
        let dead_letters = Arc::new(DeadLetters::default());
        let context = SourceContext {
            schema: Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, true)])),
            batch_rows: 3,
            known_splits,
            subtask,
            parallelism,
            takes_checkpoints: true,
            clock: Arc::new(SystemClock::new()),
            counters: Arc::clone(&counters),
            dead_letters: Some(Arc::clone(&dead_letters)),
        };
        let source = factory.open(splits, context).await.expect("it opens");
        Self {
            source,
            counters,
            dead_letters,
            clock: SystemClock::new(),
            added: Vec::new(),
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
                SourceEvent::SplitAdded { split } => self.added.push(split),
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
fn a_position_has_the_dead_letters_before_it_and_none_behind() {
    with_broker(async |broker| {
        let (kafka, topic) = (broker.kafka(), broker.topic.as_str());
        kafka.create_topic(topic, 2, &[]).await.expect("a topic");
        let record = |n: i64| match n % 3 {
            0 => Record::value((n % 2) as i32, format!("bad {n}")),
            _ => numbered((n % 2) as i32, n),
        };
        let records: Vec<_> = (0..60).map(record).collect();
        kafka.produce(topic, &records).await.expect("produced");
        let factory = broker.factory(&[EARLIEST, ("scan.bounded.mode", "latest-offset")]);
        let mut splits = factory.splits(1).await.expect("splits");
        let (mut rows, mut letters) = (Vec::new(), Vec::new());
        for events in [1, 2, 3, 4, usize::MAX] {
            let mut reading = Reading::open(factory.as_ref(), splits).await;
            for _ in 0..events {
                let event = reading.source.next().await.expect("no message fails it");
                if let SourceEvent::Rows { batch, .. } = &event {
                    let column: &Int64Array = batch.column(0).as_primitive();
                    rows.extend(column.values().to_vec());
                }
                letters.extend(reading.dead_letters.take());
                if matches!(event, SourceEvent::End) {
                    break;
                }
            }
            splits = reading.source.positions();
        }
        rows.sort_unstable();
        assert_eq!(rows, (0..60).filter(|n| n % 3 != 0).collect::<Vec<_>>());
        let of = |letter: &DeadLetter| (letter.place.clone(), letter.record.clone());
        let mut letters: Vec<_> = letters.iter().map(of).collect();
        letters.sort_unstable();
        let bad = (0..60).step_by(3);
        let place = |n: i64| format!("{topic}/{}@{}", n % 2, n / 2);
        let mut expected: Vec<_> = bad.map(|n| (place(n), format!("bad {n}").into_bytes())).collect();
        expected.sort_unstable();
        assert_eq!(letters, expected);
    });
}

#[test]
fn partitions_that_come_to_be_are_read_by_one_reader_each() {
    with_broker(async |broker| {
        let (kafka, topic) = (broker.kafka(), broker.topic.as_str());
        kafka.create_topic(topic, 1, &[]).await.expect("a topic");
        let factory = broker.factory(&[
            ("scan.startup.mode", "latest-offset"),
            ("scan.topic-partition-discovery.interval", "1 s"),
        ]);
        assert!(factory.discovers());
        let splits = factory.splits(2).await.expect("splits");
        let known: Arc<[String]> = splits.iter().map(|split| split.id.clone()).collect();
        let mut readers = [
            Reading::open_one(factory.as_ref(), splits, Arc::clone(&known), (0, 2)).await,
            Reading::open_one(factory.as_ref(), Vec::new(), known, (1, 2)).await,
        ];
        kafka.grow_topic(topic, 5).await.expect("it grows");
        let records: Vec<_> = (0..50).map(|n| numbered((n % 5) as i32, n)).collect();
        until("the partitions to take messages", PATIENCE, async || {
            Ok(match kafka.produce(topic, &records).await {
                Ok(()) => Seen::Done(()),
                Err(error) => Seen::NotYet(format!("{error:#}")),
            })
        })
        .await
        .expect("produced");
        let (mut all, clock) = (Vec::new(), SystemClock::new());
        until("all partitions to be read", PATIENCE, async || {
            for reader in &mut readers {
                let some = tokio::select! {
                    some = reader.numbers(1) => some?,
                    () = clock.sleep(Duration::from_millis(300)) => continue,
                };
                all.extend(some);
            }
            Ok(match all.len() {
                50.. => Seen::Done(()),
                _ => Seen::NotYet(format!("{all:?}")),
            })
        })
        .await
        .expect("they are found");
        all.sort_unstable();
        assert_eq!(all, (0..50).collect::<Vec<_>>());
        let mut added: Vec<_> = readers
            .iter()
            .flat_map(|reader| reader.added.iter().map(|split| split.id.clone()))
            .collect();
        added.sort_unstable();
        let expected: Vec<_> = (1..5).map(|partition| format!("{topic}/{partition}")).collect();
        assert_eq!(added, expected);
        for reader in &readers {
            let positions = reader.source.positions();
            let is_known = |split: &Split| positions.iter().any(|position| position.id == split.id);
            assert!(reader.added.iter().all(is_known), "{positions:?}");
        }
    });
}

#[test]
fn offsets_of_complete_checkpoints_are_committed_to_the_group() {
    with_broker(async |broker| {
        let (kafka, topic) = (broker.kafka(), broker.topic.as_str());
        kafka.create_topic(topic, 2, &[]).await.expect("a topic");
        let records: Vec<_> = (0..6).map(|n| numbered(0, n)).collect();
        kafka.produce(topic, &records).await.expect("produced");
        for (group, told) in [(Some("told"), true), (None, true), (Some("silent"), false)] {
            let group_option = group.map(|group| ("properties.group.id", group));
            let options: Vec<_> = [EARLIEST].into_iter().chain(group_option).collect();
            let factory = broker.factory(&options);
            let splits = factory.splits(1).await.expect("splits");
            let mut reading = Reading::open(factory.as_ref(), splits).await;
            reading.numbers(6).await.expect("numbers");
            let positions = reading.source.positions();
            if told {
                reading.source.on_checkpoint_complete(&positions).await;
            }
            let Some(group) = group else { continue };
            let expected = if told { Some(6) } else { None };
            until("the offsets to be committed", PATIENCE, async || {
                let next = tokio::select! {
                    next = reading.source.next() => Some(next),
                    () = reading.clock.sleep(Duration::from_millis(100)) => None,
                };
                anyhow::ensure!(next.is_none(), "{next:?}");
                let committed = kafka.committed(group, topic).await?;
                Ok(if committed.get(&0).copied() == expected {
                    Seen::Done(())
                } else {
                    Seen::NotYet(format!("{committed:?}"))
                })
            })
            .await
            .expect("as the checkpoint says");
        }
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
            memory_is_short_every: None,
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
        let Some(kafka) = Kafka::start(folder.path()).await.expect("Kafka starts") else {
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
