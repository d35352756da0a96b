//! Exactly-once: rows wait for their checkpoint and are seen once, whatever fails at whichever step.

use std::time::Duration;

use weir_env::{Clock as _, SystemClock};
use weir_tests::{
    cluster,
    kafka::{Kafka, Record},
    wait::{Seen, until},
};

use crate::{
    with_broker,
    writer::{Job, context, rows, seen},
};

const ALONE: (u32, u32) = (0, 1);

#[test]
fn rows_are_seen_once_when_their_checkpoint_is_committed_however_often() {
    with_broker(async |broker| {
        let (kafka, topic) = (broker.kafka(), broker.topic.as_str());
        kafka.create_topic(topic, 2, &[]).await.expect("a topic");
        let job = Job::new(kafka, topic, &[]);
        let mut writer = job.first().await;
        writer.write(0..5).await;
        let first = writer.prepare(1).await;
        assert_eq!(first.len(), 1);
        assert!(writer.prepare(2).await.is_empty(), "no new rows");
        writer.write(5..6).await;
        writer.sink.flush().await.expect("flushes");
        assert!(
            seen(kafka, topic).await.is_empty(),
            "nobody sees what no checkpoint has"
        );
        for _ in 0..2 {
            writer.commit(&first).await;
            assert_eq!(seen(kafka, topic).await, [0, 1, 2, 3, 4]);
        }
        let last = writer.finish().await;
        for _ in 0..2 {
            // By another process, which also does again what was done.
            job.commit(&[first.clone(), last.clone()].concat())
                .await
                .expect("commits");
            assert_eq!(seen(kafka, topic).await, [0, 1, 2, 3, 4, 5]);
        }
    });
}

#[test]
fn a_commit_is_known_again_when_its_id_has_been_used_since() {
    with_broker(async |broker| {
        let (kafka, topic) = (broker.kafka(), broker.topic.as_str());
        kafka.create_topic(topic, 3, &[]).await.expect("a topic");
        let job = Job::new(kafka, topic, &[]);
        let mut writer = job.first().await;
        let mut all = Vec::new();
        let clock = SystemClock::new();
        for checkpoint in 1..=8 {
            let from = checkpoint as i64 * 10;
            writer.write(from..from + 10).await;
            let commits = writer.prepare(checkpoint).await;
            writer.commit(&commits).await;
            all.extend(commits);
        }
        println!("8 checkpoints with commits took {:?}", clock.elapsed());
        writer.write(1000..1010).await;
        writer.sink.flush().await.expect("flushes");
        // The open one, which has the id of one of them, stays open.
        job.commit(&all).await.expect("they were committed");
        assert_eq!(seen(kafka, topic).await, (10..90).collect::<Vec<_>>());
        let last = writer.finish().await;
        job.commit(&last).await.expect("commits");
        job.commit(&all).await.expect("they were committed");
        assert_eq!(seen(kafka, topic).await.len(), 90);
    });
}

#[test]
fn a_crash_before_the_manifest_leaves_nothing_and_one_after_it_loses_nothing() {
    with_broker(async |broker| {
        let (kafka, topic) = (broker.kafka(), broker.topic.as_str());
        kafka.create_topic(topic, 2, &[]).await.expect("a topic");
        let job = Job::new(kafka, topic, &[]);
        // Before anything is prepared.
        let mut writer = job.first().await;
        writer.write(0..10).await;
        writer.sink.flush().await.expect("flushes");
        drop(writer);
        // Prepared, but the checkpoint never came to be.
        let mut writer = job.begin(2, ALONE, None).await;
        writer.write(0..10).await;
        let never = writer.prepare(1).await;
        drop(writer);
        let mut writer = job.begin(3, ALONE, None).await;
        writer.write(0..10).await;
        let first = writer.prepare(2).await;
        writer.write(10..20).await;
        let second = writer.prepare(3).await;
        writer.write(20..30).await;
        writer.prepare(4).await;
        drop(writer);
        // The manifest of the third is there, of the fourth is not; and the same once more before anything new is there.
        let pending = [first, second].concat();
        for generation in 4..6 {
            let mut writer = job.begin(generation, ALONE, Some((3, &pending))).await;
            assert_eq!(seen(kafka, topic).await, (0..20).collect::<Vec<_>>());
            writer.write(20..30).await;
        }
        let mut writer = job.begin(6, ALONE, Some((3, &pending))).await;
        writer.write(20..30).await;
        let last = writer.finish().await;
        writer.commit(&last).await;
        assert_eq!(seen(kafka, topic).await, (0..30).collect::<Vec<_>>());
        let error = job.commit(&never).await.expect_err("it was aborted");
        assert!(error.message.contains("rows of checkpoint 1"), "{error}");
        assert!(error.message.contains("may be missing"), "{error}");
    });
}

#[test]
fn a_writer_that_is_dropped_hides_nothing_from_readers() {
    with_broker(async |broker| {
        let (kafka, topic) = (broker.kafka(), broker.topic.as_str());
        kafka.create_topic(topic, 1, &[]).await.expect("a topic");
        let job = Job::new(kafka, topic, &[]);
        let mut cancelled = job.first().await;
        cancelled.write(0..10).await;
        let prepared = cancelled.prepare(1).await;
        cancelled.write(10..20).await;
        cancelled.sink.flush().await.expect("flushes");
        drop(cancelled);
        kafka
            .produce(topic, &[Record::value(0, r#"{"k":100}"#)])
            .await
            .expect("produced");
        // What a checkpoint may have stays.
        job.commit(&prepared).await.expect("commits");
        let expected: Vec<_> = (0..10).chain([100]).collect();
        until(
            "what is behind the open rows",
            Duration::from_secs(10),
            async || {
                let seen = seen(kafka, topic).await;
                Ok(if seen == expected {
                    Seen::Done(())
                } else {
                    Seen::NotYet(format!("{seen:?}"))
                })
            },
        )
        .await
        .expect("they are taken back");
    });
}

#[test]
fn a_rescale_commits_what_is_pending_and_aborts_what_is_open_of_all_subtasks() {
    with_broker(async |broker| {
        let (kafka, topic) = (broker.kafka(), broker.topic.as_str());
        kafka.create_topic(topic, 1, &[]).await.expect("a topic");
        let job = Job::new(kafka, topic, &[]);
        let mut commits = Vec::new();
        let mut old = Vec::new();
        for subtask in 0..3 {
            let mut writer = job.begin(1, (subtask, 3), None).await;
            let from = i64::from(subtask) * 100;
            writer.write(from..from + 10).await;
            commits.push(writer.prepare(1).await);
            writer.write(from + 50..from + 60).await;
            writer.sink.flush().await.expect("flushes");
            old.push(writer);
        }
        // 3 to 2: the second must neither wait for nor harm what the first has to commit.
        let (even, odd) = (
            [commits[0].clone(), commits[2].clone()].concat(),
            commits[1].clone(),
        );
        let mut second = job.begin(2, (1, 2), Some((1, &odd))).await;
        let mut first = job.begin(2, (0, 2), Some((1, &even))).await;
        let expected: Vec<i64> = (0..10).chain(100..110).chain(200..210).collect();
        until("readers to see all", Duration::from_secs(10), async || {
            let seen = seen(kafka, topic).await;
            Ok(if seen == expected {
                Seen::Done(())
            } else {
                Seen::NotYet(format!("{seen:?}"))
            })
        })
        .await
        .expect("nothing that is open hides rows");
        first.write(300..301).await;
        second.write(301..302).await;
        let mut last = first.prepare(2).await;
        last.extend(second.prepare(2).await);
        // 2 to 1.
        job.begin(3, ALONE, Some((2, &last))).await;
        assert_eq!(seen(kafka, topic).await, [expected, vec![300, 301]].concat());
    });
}

#[test]
fn a_writer_of_before_gets_no_more_rows_in() {
    with_broker(async |broker| {
        let (kafka, topic) = (broker.kafka(), broker.topic.as_str());
        kafka.create_topic(topic, 1, &[]).await.expect("a topic");
        let job = Job::new(kafka, topic, &[]);
        let mut idle = job.first().await;
        let mut busy = job.begin(2, (0, 1), None).await;
        busy.write(0..10).await;
        busy.sink.flush().await.expect("flushes");
        let mut new = job.begin(3, ALONE, None).await;
        for zombie in [&mut idle, &mut busy] {
            // It may be told only when it wants to have them delivered.
            let written = zombie.sink.write(rows(10..20)).await;
            let prepared = zombie.sink.prepare(1).await;
            assert!(written.is_err() || prepared.is_err(), "it is shut out");
        }
        new.write(20..30).await;
        let commits = new.finish().await;
        new.commit(&commits).await;
        assert_eq!(seen(kafka, topic).await, (20..30).collect::<Vec<_>>());
    });
}

#[test]
fn a_broker_that_restarts_between_prepare_and_commit_still_has_the_rows() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime starts");
    runtime.block_on(async {
        let folder = cluster::folder().expect("a folder");
        let Some(mut kafka) = Kafka::start(folder.path()).await.expect("Kafka starts") else {
            return;
        };
        kafka.create_topic("t", 2, &[]).await.expect("a topic");
        let job = Job::new(&kafka, "t", &[]);
        let mut writer = job.first().await;
        writer.write(0..100).await;
        let commits = writer.prepare(1).await;
        writer.write(100..110).await;
        kafka.kill().expect("it runs");
        let committing = job.commit(&commits);
        let restarting = async {
            tokio::task::yield_now().await;
            kafka.start_again().await.expect("it starts");
        };
        let (committed, ()) = tokio::join!(committing, restarting);
        committed.expect("commits");
        let last = writer.finish().await;
        writer.commit(&last).await;
        assert_eq!(seen(&kafka, "t").await, (0..110).collect::<Vec<_>>());
    });
}

#[test]
fn a_transaction_that_timed_out_is_never_taken_for_committed() {
    with_broker(async |broker| {
        let (kafka, topic) = (broker.kafka(), broker.topic.as_str());
        kafka.create_topic(topic, 1, &[]).await.expect("a topic");
        let job = Job::new(kafka, topic, &[("properties.transaction.timeout.ms", "1000")]);
        let mut writer = job.first().await;
        writer.write(0..10).await;
        let commits = writer.prepare(1).await;
        // The broker looks for such transactions every ten seconds.
        let mut waits = job.begin(1, (7, 8), None).await;
        waits.write(10..20).await;
        until(
            "the transaction to time out",
            Duration::from_secs(40),
            async || {
                Ok(match waits.sink.prepare(2).await {
                    Err(error) => Seen::Done(error),
                    Ok(_) => Seen::NotYet("it is still open".into()),
                })
            },
        )
        .await
        .expect("it times out");
        let error = until("it to be lost", Duration::from_secs(20), async || {
            Ok(match job.commit(&commits).await {
                Err(error) => Seen::Done(error),
                Ok(()) => Seen::NotYet("committed".into()),
            })
        })
        .await
        .expect("it is lost");
        assert!(error.message.contains("rows of checkpoint 1"), "{error}");
        assert!(error.message.contains("may be missing"), "{error}");
        assert!(seen(kafka, topic).await.is_empty());
        let error = writer
            .sink
            .prepare(3)
            .await
            .expect_err("said before a checkpoint has it");
        assert!(error.message.contains("transaction.timeout.ms"), "{error}");
    });
}

#[test]
fn a_timeout_that_brokers_do_not_allow_is_said() {
    with_broker(async |broker| {
        let (kafka, topic) = (broker.kafka(), broker.topic.as_str());
        kafka.create_topic(topic, 1, &[]).await.expect("a topic");
        let job = Job::new(kafka, topic, &[("properties.transaction.timeout.ms", "3600000")]);
        let opened = job.factory().open(context(1, ALONE, None)).await;
        let error = opened.err().expect("too long");
        assert!(error.message.contains("transaction.max.timeout.ms"), "{error}");
        assert_eq!(error.class, weir_model::FailureClass::User);
    });
}
