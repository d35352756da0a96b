//! Two-phase commit of the sink, with a crash at every step.

use super::*;
use crate::{
    CompareOperator::{Eq, Gt, Lt},
    Sink, SinkFactory, origin,
};

const TEXT: &str = "what was prepared can be committed";

fn sink(folder: &Path, options: &[(&str, &str)]) -> Box<dyn SinkFactory> {
    Filesystem.sink(&table(folder, options)).expect("valid")
}

async fn open(sink: &dyn SinkFactory, generation: u64, restored: Option<u64>) -> Box<dyn Sink> {
    let context = SinkContext {
        restored,
        ..sink_context(generation, 0)
    };
    sink.open(context).await.expect("opens")
}

async fn visible(folder: &Path) -> Vec<i64> {
    let mut rows = read_all(folder, &[]).await.expect("reads");
    rows.sort_unstable();
    rows
}

#[tokio::test]
async fn rows_of_a_checkpoint_become_visible_when_it_is_committed_however_often() {
    let folder = TempDir::new().expect("a folder");
    let sink = sink(folder.path(), &[("sink.rolling-policy.file-size", "20b")]);
    let mut writer = open(sink.as_ref(), 3, None).await;
    writer.write(batch(0..2)).await.expect("writes");
    writer.write(batch(2..4)).await.expect("writes");
    let first = writer.prepare(1).await.expect("prepares");
    assert_eq!(first.len(), 2, "a file each: {first:?}");
    assert!(
        writer.prepare(2).await.expect("prepares").is_empty(),
        "no new rows"
    );
    writer.write(batch(4..6)).await.expect("writes");
    assert_eq!(visible(folder.path()).await, Vec::<i64>::new());
    sink.commit(&first).await.expect(TEXT);
    assert_eq!(visible(folder.path()).await, [0, 1, 2, 3]);
    let last = writer.finish().await.expect("finishes");
    for _ in 0..2 {
        sink.commit(&[first.clone(), last.clone()].concat())
            .await
            .expect(TEXT);
        assert_eq!(visible(folder.path()).await, [0, 1, 2, 3, 4, 5]);
    }
    assert_eq!(
        names(folder.path()),
        [
            "part-job-1-3-4-0-1-0.json",
            "part-job-1-3-4-0-1-1.json",
            "part-job-1-3-4-0-3-0.json"
        ]
    );
}

#[tokio::test]
async fn a_commit_that_crashed_halfway_is_completed_by_the_next() {
    let folder = TempDir::new().expect("a folder");
    let sink = sink(folder.path(), &[("sink.rolling-policy.file-size", "1b")]);
    let mut writer = open(sink.as_ref(), 1, None).await;
    for row in 0..3 {
        writer.write(batch(row..row + 1)).await.expect("writes");
    }
    let commits = writer.prepare(1).await.expect("prepares");
    for crashed_after in 0..=3 {
        sink.commit(&commits[..crashed_after]).await.expect(TEXT);
        assert_eq!(visible(folder.path()).await.len(), crashed_after);
    }
    sink.commit(&commits).await.expect(TEXT);
    assert_eq!(visible(folder.path()).await, [0, 1, 2]);
}

#[tokio::test]
async fn what_was_prepared_and_is_gone_or_cut_short_is_said_to_be_lost() {
    let folder = TempDir::new().expect("a folder");
    let sink = sink(folder.path(), &[]);
    let mut writer = open(sink.as_ref(), 1, None).await;
    writer.write(batch(0..3)).await.expect("writes");
    let commits = writer.prepare(1).await.expect("prepares");
    let hidden = folder.path().join(&names(folder.path())[0]);
    let check = async |expected: &str| {
        let error = sink.commit(&commits).await.expect_err("rows are lost");
        assert!(error.message.contains("rows of a checkpoint are lost"), "{error}");
        assert!(error.message.contains(expected), "{error}");
        assert_eq!(error.place.as_deref(), hidden.to_str());
        assert_eq!(visible(folder.path()).await, Vec::<i64>::new());
    };
    let file = fs::OpenOptions::new().write(true).open(&hidden).expect("opens");
    file.set_len(5).expect("cuts");
    check("but it has 5 bytes").await;
    fs::remove_file(&hidden).expect("removes");
    check("but neither it nor").await;
    let error = sink
        .commit(&["{}".to_owned()])
        .await
        .expect_err("no commit of ours");
    assert!(error.message.contains("'{}' is no staged file"), "{error}");
}

#[tokio::test]
async fn leftovers_go_and_what_the_restored_checkpoint_has_stays() {
    let folder = TempDir::new().expect("a folder");
    let sink = sink(folder.path(), &[]);
    let mut failed = open(sink.as_ref(), 9, Some(3)).await;
    failed.write(batch(0..1)).await.expect("writes");
    let complete = failed.prepare(4).await.expect("prepares");
    failed.write(batch(1..2)).await.expect("writes");
    failed.prepare(5).await.expect("prepares");
    failed.write(batch(1..2)).await.expect("writes");
    drop(failed);
    let others = [
        ".part-job-1-10-4-1-4-0.json.inprogress",
        ".part-job-1-8-9-4-0-4-0.json.inprogress",
        ".part-job-10-1-4-0-4-0.json.inprogress",
        "part-job-1-8-4-0-1-0.json",
    ];
    for other in others {
        fs::write(folder.path().join(other), "").expect("writes");
    }
    assert_eq!(names(folder.path()).len(), 7);
    let another = SinkContext {
        restored: Some(4),
        ..sink_context(10, 1)
    };
    sink.open(another).await.expect("opens");
    assert_eq!(names(folder.path()).len(), 7, "one writer removes");
    open(sink.as_ref(), 10, Some(4)).await;
    let mut kept = others.to_vec();
    kept.push(".part-job-1-9-4-0-4-0.json.inprogress");
    kept.sort_unstable();
    assert_eq!(names(folder.path()), kept);
    sink.commit(&complete).await.expect(TEXT);
    assert_eq!(visible(folder.path()).await, [0]);
}

#[tokio::test]
async fn what_a_writer_finished_with_belongs_to_any_checkpoint_after_its_last() {
    for (restored, stays) in [(4, false), (5, true), (6, true)] {
        let folder = TempDir::new().expect("a folder");
        let sink = sink(folder.path(), &[]);
        let mut writer = open(sink.as_ref(), 1, None).await;
        writer.prepare(4).await.expect("prepares");
        writer.write(batch(0..1)).await.expect("writes");
        writer.finish().await.expect("finishes");
        open(sink.as_ref(), 2, Some(restored)).await;
        assert_eq!(
            names(folder.path()).len(),
            usize::from(stays),
            "restored from {restored}"
        );
    }
}

#[tokio::test]
async fn partitions_are_prepared_and_committed_together_and_cleaned() {
    let folder = TempDir::new().expect("a folder");
    let mut table = table(folder.path(), &[]);
    let word = Field::new("word", DataType::Utf8, true);
    table.schema = Arc::new(Schema::new(vec![
        schema().field(0).clone(),
        origin::partition(word),
    ]));
    let sink = Filesystem.sink(&table).expect("valid");
    let rows = |numbers: std::ops::Range<i64>| {
        RecordBatch::try_new(Arc::clone(&table.schema), batch(numbers).columns().to_vec()).expect("a batch")
    };
    let mut writer = open(sink.as_ref(), 1, None).await;
    writer.write(rows(0..2)).await.expect("writes");
    let first = writer.prepare(1).await.expect("prepares");
    writer.write(rows(1..3)).await.expect("writes");
    let second = writer.prepare(2).await.expect("prepares");
    assert_eq!((first.len(), second.len()), (2, 2));
    sink.commit(&first).await.expect(TEXT);
    drop(writer);
    assert_eq!(names(&folder.path().join("word=w1")).len(), 2);
    let mut writer = open(sink.as_ref(), 2, Some(1)).await;
    let one = names(&folder.path().join("word=w1"));
    assert_eq!(one, ["part-job-1-1-4-0-1-0.json"]);
    assert_eq!(names(&folder.path().join("word=w2")), Vec::<String>::new());
    writer.write(rows(2..3)).await.expect("writes");
    let last = writer.finish().await.expect("finishes");
    sink.commit(&last).await.expect(TEXT);
    assert_eq!(
        names(&folder.path().join("word=w2")),
        ["part-job-1-2-4-0-2-0.json"]
    );
    assert_eq!(visible(folder.path()).await, [0, 1, 2]);
}

#[tokio::test]
async fn a_partition_says_that_it_has_rows_when_they_are_visible() {
    let folder = TempDir::new().expect("a folder");
    let policy = ("sink.partition-commit.policy.kind", "success-file");
    let refused = |options: &[(&str, &str)]| {
        let table = table(folder.path(), options);
        Filesystem.sink(&table).expect_err("refused").to_string()
    };
    assert!(refused(&[policy]).ends_with("the table has no partitions"));
    let mut table = table(folder.path(), &[policy]);
    let word = origin::partition(Field::new("word", DataType::Utf8, true));
    table.schema = Arc::new(Schema::new(vec![schema().field(0).clone(), word]));
    let sink = Filesystem.sink(&table).expect("valid");
    let rows = RecordBatch::try_new(Arc::clone(&table.schema), batch(0..1).columns().to_vec());
    let mut writer = open(sink.as_ref(), 1, None).await;
    writer.write(rows.expect("a batch")).await.expect("writes");
    let commits = writer.prepare(1).await.expect("prepares");
    let partition = folder.path().join("word=w0");
    assert_eq!(names(&partition), [".part-job-1-1-4-0-1-0.json.inprogress"]);
    for _ in 0..2 {
        sink.commit(&commits).await.expect(TEXT);
        assert_eq!(names(&partition), ["_SUCCESS", "part-job-1-1-4-0-1-0.json"]);
    }
    assert_eq!(visible(folder.path()).await, [0]);
    table
        .options
        .insert("sink.partition-commit.success-file.name".into(), "done".into());
    let error = Filesystem.sink(&table).expect_err("it would be read as rows");
    assert!(error.to_string().contains("it must begin with . or _"), "{error}");
}

#[tokio::test]
async fn files_of_partitions_that_a_filter_leaves_nothing_of_are_not_opened() {
    let folder = TempDir::new().expect("a folder");
    let mut table = table(folder.path(), &[]);
    let word = origin::partition(Field::new("word", DataType::Utf8, true));
    table.schema = Arc::new(Schema::new(vec![schema().field(0).clone(), word]));
    for (n, text) in [(1, "{\"n\":1}"), (2, "no JSON"), (3, "{\"n\":3}")] {
        let partition = folder.path().join(format!("word=w{n}"));
        fs::create_dir(&partition).expect("makes a folder");
        fs::write(partition.join("a.json"), text).expect("writes");
    }
    let read = async |filter: &[(crate::CompareOperator, &str)]| {
        let mut source = Filesystem.source(&table).expect("valid");
        let comparison = |(operator, value): &(_, &str)| crate::Comparison {
            column: "word".to_owned(),
            operator: *operator,
            value: Arc::new(StringArray::from(vec![*value])),
        };
        source.push_filter(filter.iter().map(comparison).collect());
        let context = SourceContext {
            schema: Arc::clone(&table.schema),
            ..source_context(10)
        };
        let splits = source.splits(1).await.expect("splits");
        let mut reader = source.open(splits, context).await.expect("opens");
        let mut read = Vec::new();
        loop {
            match reader.next().await? {
                SourceEvent::Rows { batch, .. } => read.extend(numbers(&batch)),
                SourceEvent::SplitEnd { .. } | SourceEvent::SplitAdded { .. } => {}
                SourceEvent::End => return Ok::<_, ConnectorError>(read),
            }
        }
    };
    assert_eq!(read(&[(Eq, "w1")]).await.expect("reads"), [1]);
    assert_eq!(read(&[(Gt, "w2")]).await.expect("reads"), [3]);
    assert_eq!(
        read(&[(Lt, "w2"), (Gt, "w1")]).await.expect("reads"),
        Vec::<i64>::new()
    );
    assert!(read(&[(Gt, "w1")]).await.is_err(), "the second is no JSON");
}

/// What happens to a job.
#[derive(Clone, Debug)]
enum Step {
    Write(i64),
    /// The barrier came; perhaps the checkpoint is complete, and so many of its files were committed before the next step.
    Checkpoint {
        complete: bool,
        commits: usize,
    },
    Crash,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (1..5_i64).prop_map(Step::Write),
        2 => (any::<bool>(), 0..4_usize).prop_map(|(complete, commits)| Step::Checkpoint { complete, commits }),
        1 => Just(Step::Crash),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn every_row_is_visible_once_whenever_the_job_crashes(steps in proptest::collection::vec(step(), 1..30)) {
        let folder = TempDir::new().expect("a folder");
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(async {
            let sink = sink(folder.path(), &[("sink.rolling-policy.file-size", "30b")]);
            let mut generation = 1;
            let mut writer = open(sink.as_ref(), generation, None).await;
            let (mut checkpoint, mut row) = (0, 0);
            // What is prepared and in no checkpoint; what the last complete checkpoint says.
            let mut pending = Vec::new();
            let mut last: Option<(u64, i64, Vec<String>)> = None;
            for step in steps {
                match step {
                    Step::Write(rows) => {
                        writer.write(batch(row..row + rows)).await.expect("writes");
                        row += rows;
                    }
                    Step::Checkpoint { complete, commits } => {
                        checkpoint += 1;
                        pending.extend(writer.prepare(checkpoint).await.expect("prepares"));
                        if complete {
                            sink.commit(&pending[..commits.min(pending.len())]).await.expect(TEXT);
                            // The coordinator waits for the commit before the next checkpoint is complete.
                            if let Some((_, _, commits)) = &last {
                                sink.commit(commits).await.expect(TEXT);
                            }
                            last = Some((checkpoint, row, std::mem::take(&mut pending)));
                        }
                    }
                    Step::Crash => {
                        generation += 1;
                        pending.clear();
                        row = last.as_ref().map_or(0, |(_, row, _)| *row);
                        let restored = last.as_ref().map(|(checkpoint, _, _)| *checkpoint);
                        writer = open(sink.as_ref(), generation, restored).await;
                        if let Some((_, _, commits)) = &last {
                            sink.commit(commits).await.expect(TEXT);
                        }
                    }
                }
            }
            pending.extend(writer.finish().await.expect("finishes"));
            if let Some((_, _, commits)) = &last {
                sink.commit(commits).await.expect(TEXT);
            }
            sink.commit(&pending).await.expect(TEXT);
            assert_eq!(visible(folder.path()).await, (0..row).collect::<Vec<_>>());
            open(sink.as_ref(), generation + 1, Some(checkpoint + 1)).await;
            let left = names(folder.path()).into_iter().filter(|name| name.starts_with('.'));
            // The last execution's own were committed; what failed ones left is gone.
            assert_eq!(left.collect::<Vec<_>>(), Vec::<String>::new());
        });
    }
}
