//! Uploads that are prepared, committed, lost and left over.

use super::*;

#[test]
fn rows_of_a_checkpoint_are_seen_when_it_is_committed_by_whomever_and_however_often() {
    with_store(async |store| {
        let table = store.table("out", &[("sink.rolling-policy.file-size", "20b")]);
        let first = sink(&table);
        let mut written = writer(&*first, 3, None).await;
        written.write(batch(0..2)).await.expect("writes");
        written.write(batch(2..4)).await.expect("writes");
        let commits = written.prepare(1).await.expect("prepares");
        assert_eq!(commits.len(), 2, "a file each: {commits:?}");
        assert!(written.prepare(2).await.expect("prepares").is_empty());
        assert_eq!(visible(&table).await, Vec::<i64>::new());
        // The writer is gone, and so is all that it knew.
        drop((first, written));
        let second = sink(&table);
        second.commit(&commits[..1]).await.expect("commits");
        assert_eq!(visible(&table).await, [0, 1]);
        for _ in 0..3 {
            second.commit(&commits).await.expect("commits");
            assert_eq!(visible(&table).await, [0, 1, 2, 3]);
        }
        assert_eq!(
            store.names("out"),
            ["part-job-1-3-4-0-1-0.json", "part-job-1-3-4-0-1-1.json"],
            "nothing is noted any more"
        );
        // The table has moved to another folder since, even to a local one.
        let moved = tempfile::tempdir().expect("a folder");
        let mut local = table.clone();
        local
            .options
            .insert("path".into(), moved.path().display().to_string());
        let mut third = writer(&*second, 4, Some(1)).await;
        third.write(batch(4..5)).await.expect("writes");
        let commits = third.finish().await.expect("finishes");
        sink(&local).commit(&commits).await.expect("commits");
        assert_eq!(visible(&table).await, [0, 1, 2, 3, 4]);
    });
}

#[test]
fn what_is_written_before_is_not_written_over() {
    with_store(async |store| {
        let table = store.table("out", &[]);
        let sink = sink(&table);
        for is_first in [true, false] {
            let mut written = writer(&*sink, 1, None).await;
            written.write(batch(0..1)).await.expect("writes");
            match written.prepare(1).await {
                Ok(commits) if is_first => sink.commit(&commits).await.expect("commits"),
                Err(error) if !is_first => assert!(error.message.contains("written before"), "{error}"),
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(visible(&table).await, [0]);
    });
}

#[test]
fn a_large_file_goes_in_parts() {
    with_store(async |store| {
        let table = store.table("out", &[]);
        let sink = sink(&table);
        let mut written = writer(&*sink, 1, None).await;
        let rows = 40_i64;
        for n in 0..rows {
            let word = Arc::new(StringArray::from(vec!["x".repeat(1 << 20)])) as ArrayRef;
            let columns = vec![Arc::new(Int64Array::from(vec![n])) as ArrayRef, word];
            let row = RecordBatch::try_new(schema(), columns).expect("a batch");
            written.write(row).await.expect("writes");
        }
        let commits = written.prepare(1).await.expect("prepares");
        let staged: serde_json::Value = serde_json::from_str(&commits[0]).expect("JSON");
        let parts = staged["parts"].as_array().expect("parts").len();
        assert_eq!(parts, 6, "40 MiB in parts of 8 MiB: {staged}");
        sink.commit(&commits).await.expect("commits");
        assert_eq!(visible(&table).await, (0..rows).collect::<Vec<_>>());
    });
}

#[test]
fn leftovers_are_given_up_and_what_the_restored_checkpoint_has_stays() {
    with_store(async |store| {
        let table = store.table("out", &[]);
        let sink = sink(&table);
        let mut failed = writer(&*sink, 9, Some(3)).await;
        failed.write(batch(0..1)).await.expect("writes");
        let complete = failed.prepare(4).await.expect("prepares");
        failed.write(batch(1..2)).await.expect("writes");
        let lost = failed.prepare(5).await.expect("prepares");
        drop(failed);
        assert_eq!(store.names("out/.inprogress").len(), 2);
        let parts = store.object(".sgwtmp/multipart");
        let uploads = || fs::read_dir(&parts).map_or(0, Iterator::count);
        assert_eq!(uploads(), 2, "uploads that are not complete");
        // The next execution begins with checkpoint 4, whose commit may still be to come.
        let _next = writer(&*sink, 10, Some(4)).await;
        assert_eq!(store.names("out/.inprogress"), ["part-job-1-9-4-0-4-0.json"]);
        sink.commit(&complete).await.expect("commits");
        assert_eq!(visible(&table).await, [0]);
        let error = sink.commit(&lost).await.expect_err("it was given up");
        assert!(error.message.contains("rows of a checkpoint are lost"), "{error}");
        assert_eq!(visible(&table).await, [0]);
        assert_eq!(store.names("out/.inprogress").len(), 0);
        assert_eq!(uploads(), 0, "nothing of the one that was given up is left");
    });
}

#[test]
fn partitions_are_folders_of_the_bucket() {
    with_store(async |store| {
        let options = [
            ("compression", "gzip"),
            ("sink.partition-commit.policy.kind", "success-file"),
        ];
        let mut table = store.table("out", &options);
        table.schema = Arc::new(Schema::new(vec![
            Field::new("n", DataType::Int64, true),
            origin::partition(Field::new("word", DataType::Utf8, true)),
        ]));
        let factory = sink(&table);
        let mut written = writer(&*factory, 1, None).await;
        let words = StringArray::from(vec![Some("a/b c"), None, Some("a/b c")]);
        let columns = vec![
            Arc::new(Int64Array::from(vec![1, 2, 3])) as ArrayRef,
            Arc::new(words),
        ];
        let rows = RecordBatch::try_new(Arc::clone(&table.schema), columns).expect("a batch");
        written.write(rows).await.expect("writes");
        let commits = written.prepare(1).await.expect("prepares");
        // Leftovers of folders are found, too.
        factory.commit(&commits[..1]).await.expect("commits");
        assert_eq!(store.names("out/.inprogress").len(), 1);
        let _next = writer(&*factory, 2, None).await;
        assert_eq!(store.names("out/.inprogress").len(), 0);

        let mut written = writer(&*factory, 3, None).await;
        let words = StringArray::from(vec![Some("a/b c"), None]);
        let columns = vec![
            Arc::new(Int64Array::from(vec![4, 5])) as ArrayRef,
            Arc::new(words),
        ];
        let rows = RecordBatch::try_new(Arc::clone(&table.schema), columns).expect("a batch");
        written.write(rows).await.expect("writes");
        factory
            .commit(&written.finish().await.expect("finishes"))
            .await
            .expect("commits");
        let names = store.names("out");
        let has = |name: &str| names.iter().any(|there| there == name);
        assert!(has("word=a%2Fb c/part-job-1-3-4-0-1-0.json.gz"), "{names:?}");
        assert!(has("word=a%2Fb c/_SUCCESS"), "{names:?}");
        assert!(
            has("word=__DEFAULT_PARTITION__/part-job-1-3-4-0-1-0.json.gz"),
            "{names:?}"
        );
        let context = SourceContext {
            schema: Arc::clone(&table.schema),
            batch_rows: 100,
            known_splits: Arc::default(),
            subtask: 0,
            parallelism: 1,
            takes_checkpoints: true,
            clock: Arc::new(SystemClock::new()),
            counters: Arc::default(),
            dead_letters: None,
        };
        let source = source(&table);
        let splits = source.splits(1).await.expect("splits");
        let mut reader = source.open(splits, context).await.expect("opens");
        let mut values = Vec::new();
        loop {
            match reader.next().await.expect("reads") {
                SourceEvent::Rows { batch, .. } => {
                    let words = batch.column(1).as_string::<i32>();
                    let word = words.is_valid(0).then(|| words.value(0).to_owned());
                    values.push((batch.column(0).as_primitive::<Int64Type>().value(0), word));
                }
                SourceEvent::End => break,
                _ => {}
            }
        }
        let named = |n: i64| {
            values
                .iter()
                .find(|(number, _)| *number == n)
                .map(|(_, word)| word.clone())
        };
        assert_eq!(named(4), Some(Some("a/b c".to_owned())));
        assert_eq!(named(5), Some(None));
    });
}

#[test]
fn parquet_goes_to_a_bucket_and_comes_back() {
    with_store(async |store| {
        let options = [("format", "parquet"), ("parquet.block.size", "20 kb")];
        let table = store.table("out", &options);
        let factory = sink(&table);
        let mut written = writer(&*factory, 1, None).await;
        for start in 0..20 {
            written
                .write(batch(start * 500..start * 500 + 500))
                .await
                .expect("writes");
        }
        factory
            .commit(&written.finish().await.expect("finishes"))
            .await
            .expect("commits");
        assert_eq!(store.names("out"), ["part-job-1-1-4-0-1-0.parquet"]);
        assert_eq!(visible(&table).await, (0..10_000).collect::<Vec<_>>());
        let mut filtered = source(&table);
        filtered.push_filter(vec![weir_connector::Comparison {
            column: "n".to_owned(),
            operator: weir_connector::CompareOperator::Lt,
            value: Arc::new(Int64Array::from(vec![10])),
        }]);
        let splits = filtered.splits(1).await.expect("splits");
        let some = read(&*filtered, splits).await.expect("reads");
        assert!(some.len() >= 10 && some.len() < 9000, "{} rows", some.len());
    });
}
