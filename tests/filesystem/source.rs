//! Objects as files: whole, in ranges, and while the store is slow.

use std::time::Duration;

use super::*;

fn lines(numbers: std::ops::Range<i64>) -> String {
    let line = |n| format!("{{\"n\":{n},\"word\":\"w{n}\"}}\n");
    numbers.map(line).collect::<Vec<_>>().concat()
}

#[test]
fn objects_below_a_folder_are_read_in_order_but_for_hidden_ones() {
    with_store(async |store| {
        store.put("some folder/b/x.json", lines(2..4).as_bytes());
        store.put("some folder/a.json", lines(0..2).as_bytes());
        store.put("some folder/c.json", lines(4..6).as_bytes());
        for hidden in [".a.json", "_SUCCESS", "b/_tmp/y.json", ".inprogress/z.json"] {
            store.put(&format!("some folder/{hidden}"), b"no JSON");
        }
        store.put("some folder beside/d.json", b"no JSON");
        let table = store.table("some folder", &[]);
        let source = source(&table);
        let splits = source.splits(3).await.expect("splits");
        assert_eq!(splits[1].id, format!("s3://{BUCKET}/some folder/b/x.json"));
        assert_eq!(read(&*source, splits).await.expect("reads"), [0, 1, 2, 3, 4, 5]);
        let one = store.table("some folder/a.json", &[]);
        assert_eq!(visible(&one).await, [0, 1]);
        let pattern = format!("s3://{BUCKET}/.*/[bc].*");
        let some = store.table("some folder", &[("source.path.regex-pattern", &pattern)]);
        assert_eq!(visible(&some).await, [2, 3, 4, 5]);
    });
}

#[test]
fn a_large_object_is_read_in_ranges_and_on_from_any_position() {
    with_store(async |store| {
        // Each line is larger than what is read at once behind the end of a range.
        let word = "x".repeat(300 << 10);
        let line = |n| format!("{{\"n\":{n},\"word\":\"{word}\"}}\n");
        let text = (0..240).map(line).collect::<Vec<_>>().concat();
        store.put("large/a.json", text.as_bytes());
        let table = store.table("large", &[]);
        let source = source(&table);
        let splits = source.splits(2).await.expect("splits");
        assert_eq!(splits.len(), 2, "{splits:?}");
        let mut numbers = Vec::new();
        for split in splits.clone() {
            let own = read(&*source, vec![split]).await.expect("reads");
            assert!(own.len() > 100, "{} rows", own.len());
            numbers.extend(own);
        }
        assert_eq!(numbers, (0..240).collect::<Vec<_>>());
        // What is left after some of it.
        let context = SourceContext {
            schema: schema(),
            batch_rows: 7,
            known_splits: Arc::default(),
            subtask: 0,
            parallelism: 1,
            takes_checkpoints: true,
            clock: Arc::new(SystemClock::new()),
            counters: Arc::default(),
            dead_letters: None,
        };
        let mut reader = source.open(splits, context).await.expect("opens");
        let mut before = 0;
        for _ in 0..9 {
            if let SourceEvent::Rows { batch, .. } = reader.next().await.expect("reads") {
                before += batch.num_rows() as i64;
            }
        }
        let rest = read(&*source, reader.positions()).await.expect("reads");
        assert_eq!(rest, (before..240).collect::<Vec<_>>());
    });
}

#[test]
fn an_object_that_is_written_anew_while_it_is_read_is_refused() {
    with_store(async |store| {
        let table = store.table("changing", &[]);
        let sink = sink(&table);
        let mut writer = writer(&*sink, 1, None).await;
        writer.write(batch(0..3)).await.expect("writes");
        let commits = writer.prepare(1).await.expect("prepares");
        sink.commit(&commits).await.expect("commits");
        let source = source(&table);
        let splits = source.splits(1).await.expect("splits");
        let name = &store.names("changing")[0];
        let path = format!("changing/{name}");
        // What the store notes of an object lies beside it.
        let notes = store
            .folder
            .path()
            .join("s3/attributes")
            .join(BUCKET)
            .join("changing");
        fs::remove_dir_all(notes).expect("removes");
        fs::remove_file(store.object(&path)).expect("removes");
        store.put(&path, lines(7..10).as_bytes());
        let error = read(&*source, splits).await.expect_err("is refused");
        assert!(error.message.contains("was written anew"), "{error}");
        assert_eq!(error.place.as_deref(), Some(&*format!("s3://{BUCKET}/{path}")));
    });
}

#[test]
fn what_cannot_be_reached_is_refused_at_submission() {
    with_store(async |store| {
        let error = source(&store.table("nothing", &[])).check().await;
        let error = error.expect_err("refused").to_string();
        assert_eq!(
            error,
            format!("there is no file or folder 's3://{BUCKET}/nothing'")
        );
        store.put("there/a.json", b"{}");
        for (key, value) in [("s3.secret-key", "wrong"), ("path", "s3://no-such-bucket/x")] {
            let table = store.table("there", &[(key, value)]);
            let read = source(&table).check().await;
            assert!(read.is_err(), "{key}");
            let written = sink(&table).check().await.expect_err("refused").to_string();
            assert!(written.contains("cannot be reached"), "{written}");
        }
        assert!(sink(&store.table("new", &[])).check().await.is_ok());
        assert!(store.names("new").is_empty(), "a check creates nothing");
    });
}

#[test]
fn a_store_that_does_not_answer_for_a_while_delays_and_loses_nothing() {
    with_store(async |store| {
        for n in 0..20 {
            store.put(
                &format!("slow/{n:02}.json"),
                lines(n * 10..n * 10 + 10).as_bytes(),
            );
        }
        let table = store.table("slow", &[]);
        let source = source(&table);
        let splits = source.splits(1).await.expect("splits");
        store.process.freeze().expect("freezes");
        let reading = tokio::spawn(async move { read(&*source, splits).await });
        let clock = SystemClock::new();
        weir_env::Clock::sleep(&clock, Duration::from_secs(2)).await;
        assert!(!reading.is_finished(), "it read while the store was away");
        store.process.thaw().expect("thaws");
        let numbers = reading.await.expect("ends").expect("reads");
        assert_eq!(numbers, (0..200).collect::<Vec<_>>());
    });
}

#[test]
fn a_bucket_is_watched_for_new_objects() {
    with_store(async |store| {
        let table = store.table("watched", &[("source.monitor-interval", "50 ms")]);
        let source = source(&table);
        source
            .check()
            .await
            .expect("an empty folder is none that is missing");
        assert!(!source.is_bounded());
        let splits = source.splits(1).await.expect("splits");
        assert!(splits.is_empty());
        let context = SourceContext {
            schema: schema(),
            batch_rows: 100,
            known_splits: Arc::default(),
            subtask: 0,
            parallelism: 1,
            takes_checkpoints: true,
            clock: Arc::new(SystemClock::new()),
            counters: Arc::default(),
            dead_letters: None,
        };
        let mut reader = source.open(splits, context).await.expect("opens");
        for n in 0..3 {
            store.put(&format!("watched/{n}.json"), lines(n..n + 1).as_bytes());
            let mut seen: Vec<i64> = Vec::new();
            while seen.is_empty() {
                let event = tokio::time::timeout(Duration::from_secs(20), reader.next()).await;
                if let SourceEvent::Rows { batch, split } = event.expect("in time").expect("reads") {
                    assert_eq!(split as i64, n);
                    seen.extend(batch.column(0).as_primitive::<Int64Type>().values());
                }
            }
            assert_eq!(seen, [n]);
        }
    });
}
