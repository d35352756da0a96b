//! Queries on files, as they run: what they read of them.

use weir_tests::local;

/// Runs a script; what `out` printed, and how many rows its one source read.
async fn run(sql: &str, parallelism: u32) -> (Vec<String>, u64) {
    let (mut printed, stats) = local::run(sql, Some(parallelism))
        .await
        .unwrap_or_else(|refused| panic!("{refused:?}"));
    let mut rows = printed.remove("out").unwrap_or_default();
    rows.sort();
    (rows, stats.sources.iter().map(|source| source.rows_in).sum())
}

#[tokio::test]
async fn a_query_reads_the_groups_of_rows_that_its_filter_leaves_something_of() {
    let folder = tempfile::tempdir().expect("a folder");
    let table = format!(
        "CREATE TABLE numbers (n BIGINT, seen TIMESTAMP(0), words ARRAY<STRING>) WITH (
            'connector' = 'filesystem', 'path' = '{}', 'format' = 'parquet', 'parquet.block.size' = '10 kb');",
        folder.path().display()
    );
    let write = format!(
        "{table}
         CREATE TABLE made (n BIGINT) WITH ('connector' = 'datagen', 'number-of-rows' = '50000',
             'rows-per-second' = '1000000000', 'fields.n.kind' = 'sequence', 'fields.n.start' = '0', 'fields.n.end' = '49999');
         INSERT INTO numbers SELECT n, TIMESTAMP '2024-01-01 00:00:00', ARRAY['w', CAST(n AS STRING)] FROM made;"
    );
    run(&write, 2).await;
    let read = |filter: &str| {
        format!(
            "{table}
             CREATE TABLE out (n BIGINT, seen TIMESTAMP(0), words ARRAY<STRING>) WITH ('connector' = 'print');
             INSERT INTO out SELECT * FROM numbers WHERE {filter};"
        )
    };
    for parallelism in [1, 3] {
        let (all, rows) = run(&read("n >= 0"), parallelism).await;
        assert_eq!((all.len(), rows), (50_000, 50_000));
        let (one, rows) = run(
            &read("n = 31 AND seen > TIMESTAMP '2000-01-01 00:00:00'"),
            parallelism,
        )
        .await;
        assert_eq!(
            one,
            [r#"{"n":31,"seen":"2024-01-01 00:00:00","words":["w","31"]}"#]
        );
        assert!(rows > 0 && rows < 25_000, "{rows} of 50000 rows were read");
        let (none, rows) = run(&read("n < 0"), parallelism).await;
        assert_eq!((none.len(), rows), (0, 0));
        // What may be true of any row leaves all of them to the filter.
        let (some, rows) = run(&read("n = 31 OR n = 32"), parallelism).await;
        assert_eq!((some.len(), rows), (2, 50_000));
    }
}
