//! Exactly-once: rows wait for their checkpoint, and move to the table once.

use proptest::{
    prelude::*,
    strategy::ValueTree as _,
    test_runner::{Config, TestRunner},
};

use crate::{
    Database, with_database,
    writer::{Writer, added, rows},
};

const SEEN: &str = "SELECT k || v FROM t";

async fn prepare_table(database: &Database, key: &str) {
    database
        .execute(&format!("CREATE TABLE t (k bigint {key}, v text)"))
        .await;
}

#[test]
fn rows_of_a_checkpoint_move_to_the_table_once_however_often_they_are_committed() {
    with_database(async |database| {
        prepare_table(&database, "").await;
        let sink = Writer::open(&database, false, &[("sink.buffer-flush.max-rows", "2")]);
        let mut writer = sink.execution(1, None).await;
        writer.write(added(0..5)).await;
        writer.flush().await;
        let first = writer.prepare(1).await;
        assert_eq!(first.len(), 1);
        assert!(writer.prepare(2).await.is_empty(), "no new rows");
        writer.write(added(5..6)).await;
        let last = writer.finish().await;
        assert!(
            database.texts(SEEN).await.is_empty(),
            "nobody sees what is staged"
        );
        sink.commit(&first).await.expect("commits");
        for _ in 0..2 {
            sink.commit(&[first.clone(), last.clone()].concat())
                .await
                .expect("commits");
            assert_eq!(
                database.texts(SEEN).await,
                ["0v0", "1v1", "2v2", "3v3", "4v4", "5v5"]
            );
        }
        assert_eq!(database.texts("SELECT count(*) FROM weir_staged").await, ["0"]);
        // The second before the first, as after a commit that nobody waited for.
        let mut writer = sink.execution(2, Some(3)).await;
        writer.write(added(6..7)).await;
        let fourth = writer.prepare(4).await;
        writer.write(added(7..8)).await;
        let fifth = writer.prepare(5).await;
        sink.commit(&fifth).await.expect("commits");
        sink.commit(&fourth).await.expect("commits");
        assert_eq!(database.texts("SELECT count(*) FROM t").await, ["8"]);
    });
}

#[test]
fn changes_are_applied_in_their_order_across_chunks_and_checkpoints() {
    with_database(async |database| {
        prepare_table(&database, "PRIMARY KEY").await;
        let sink = Writer::open(&database, true, &[("sink.buffer-flush.max-rows", "1")]);
        let mut writer = sink.execution(1, None).await;
        writer
            .write(rows(&[
                ("+I", 1, "a"),
                ("+I", 2, "b"),
                ("-U", 1, "a"),
                ("+U", 1, "x"),
            ]))
            .await;
        let first = writer.prepare(1).await;
        writer
            .write(rows(&[
                ("-D", 2, "b"),
                ("+I", 3, "c"),
                ("-U", 1, "x"),
                ("+U", 1, "y"),
            ]))
            .await;
        let second = writer.finish().await;
        sink.commit(&first).await.expect("commits");
        assert_eq!(database.texts(SEEN).await, ["1x", "2b"]);
        sink.commit(&second).await.expect("commits");
        sink.commit(&first).await.expect("commits again");
        assert_eq!(database.texts(SEEN).await, ["1y", "3c"]);
    });
}

#[test]
fn a_commit_is_whole_or_not_at_all_and_says_what_is_lost() {
    with_database(async |database| {
        prepare_table(&database, "").await;
        let sink = Writer::open(&database, false, &[("sink.buffer-flush.max-rows", "2")]);
        let mut writer = sink.execution(1, None).await;
        writer.write(added(0..2)).await;
        let first = writer.prepare(1).await;
        writer.write(added(2..6)).await;
        let second = writer.prepare(2).await;
        database
            .execute("DELETE FROM weir_staged WHERE checkpoint = 2 AND chunk = 1")
            .await;
        let error = sink
            .commit(&[first.clone(), second.clone()].concat())
            .await
            .expect_err("rows are lost");
        assert!(
            error
                .message
                .contains("rows of a checkpoint for \"t\" are lost: 2 chunks"),
            "{error}"
        );
        assert!(error.message.contains("1 are there"), "{error}");
        assert!(
            database.texts(SEEN).await.is_empty(),
            "nothing of it was committed"
        );
        sink.commit(&first).await.expect("commits");
        database.execute("DELETE FROM weir_staged").await;
        let error = sink.commit(&second).await.expect_err("rows are lost");
        assert!(error.message.contains("0 are there"), "{error}");
    });
}

#[test]
fn leftovers_go_and_what_the_restored_checkpoint_has_stays() {
    with_database(async |database| {
        prepare_table(&database, "").await;
        let sink = Writer::open(&database, false, &[]);
        let mut failed = sink.execution(1, None).await;
        failed.write(added(0..1)).await;
        let complete = failed.prepare(1).await;
        failed.write(added(1..2)).await;
        failed.prepare(2).await;
        let staged = "SELECT generation || ' ' || checkpoint FROM weir_staged";
        assert_eq!(database.texts(staged).await, ["1 1", "1 2"]);
        let mut writer = sink.execution(2, Some(1)).await;
        assert_eq!(database.texts(staged).await, ["1 1"]);
        writer.write(added(1..2)).await;
        let last = writer.finish().await;
        sink.commit(&complete).await.expect("commits");
        sink.commit(&last).await.expect("commits");
        assert_eq!(database.texts(SEEN).await, ["0v0", "1v1"]);
        sink.execution(3, None).await;
        assert!(database.texts(staged).await.is_empty());
    });
}

#[test]
fn two_that_commit_the_same_at_once_commit_it_once() {
    with_database(async |database| {
        prepare_table(&database, "").await;
        let sink = Writer::open(&database, false, &[]);
        let mut writer = sink.execution(1, None).await;
        for checkpoint in 1..=10 {
            writer.write(added(0..50)).await;
            let commits = writer.prepare(checkpoint).await;
            let (one, two, three) = tokio::join!(
                sink.commit(&commits),
                sink.commit(&commits),
                sink.commit(&commits)
            );
            one.and(two).and(three).expect("commits");
        }
        assert_eq!(database.texts("SELECT count(*) FROM t").await, ["500"]);
    });
}

/// What happens to a job.
#[derive(Clone, Debug)]
enum Step {
    Write(i64),
    /// The barrier came; perhaps the checkpoint is complete, and perhaps it was committed before the next step.
    Checkpoint {
        complete: bool,
        committed: bool,
    },
    Crash,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (1..5_i64).prop_map(Step::Write),
        2 => any::<(bool, bool)>().prop_map(|(complete, committed)| Step::Checkpoint { complete, committed }),
        1 => Just(Step::Crash),
    ]
}

/// Runs a job through these steps; returns how many rows it has written.
async fn live(database: &Database, generation: &mut u64, steps: Vec<Step>) -> i64 {
    let sink = Writer::open(database, false, &[("sink.buffer-flush.max-rows", "2")]);
    let mut writer = sink.execution(*generation, None).await;
    let (mut checkpoint, mut row) = (0, 0);
    let mut pending = Vec::new();
    let mut last: Option<(u64, i64, Vec<String>)> = None;
    for step in steps {
        match step {
            Step::Write(rows) => {
                writer.write(added(row..row + rows)).await;
                row += rows;
            }
            Step::Checkpoint { complete, committed } => {
                checkpoint += 1;
                pending.extend(writer.prepare(checkpoint).await);
                if complete {
                    if let Some((_, _, commits)) = &last {
                        sink.commit(commits).await.expect("commits");
                    }
                    if committed {
                        sink.commit(&pending).await.expect("commits");
                    }
                    last = Some((checkpoint, row, std::mem::take(&mut pending)));
                }
            }
            Step::Crash => {
                *generation += 1;
                pending.clear();
                row = last.as_ref().map_or(0, |(_, row, _)| *row);
                writer = sink
                    .execution(*generation, last.as_ref().map(|last| last.0))
                    .await;
                if let Some((_, _, commits)) = &last {
                    sink.commit(commits).await.expect("commits");
                }
            }
        }
    }
    pending.extend(writer.finish().await);
    if let Some((_, _, commits)) = &last {
        sink.commit(commits).await.expect("commits");
    }
    sink.commit(&pending).await.expect("commits");
    row
}

#[test]
fn every_row_is_there_once_whenever_the_job_crashes() {
    with_database(async |database| {
        prepare_table(&database, "").await;
        let mut runner = TestRunner::new(Config::with_cases(12));
        let steps = proptest::collection::vec(step(), 1..20);
        let mut generation = 1;
        for _ in 0..12 {
            let steps = steps.new_tree(&mut runner).expect("steps").current();
            database.execute("TRUNCATE t").await;
            let rows = live(&database, &mut generation, steps.clone()).await;
            let seen: Vec<i64> = sqlx::query_scalar("SELECT k FROM t ORDER BY k")
                .fetch_all(&database.pool)
                .await
                .expect("rows");
            assert_eq!(seen, (0..rows).collect::<Vec<_>>(), "{steps:?}");
            assert_eq!(
                database.texts("SELECT count(*) FROM weir_staged").await,
                ["0"],
                "{steps:?}"
            );
            generation += 1;
        }
    });
}
