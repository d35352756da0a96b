use std::collections::BTreeMap;

use sqlx::Connection as _;

use crate::{
    Database,
    reader::{Change, Reader, apply, factory},
    with_database,
};

fn change(kind: &'static str, id: i64, text: &str) -> Change {
    (kind, id, Some(text.to_owned()))
}

async fn with_rows(database: &Database, rows: u32) {
    database
        .execute(&format!(
            "CREATE TABLE t (id bigint PRIMARY KEY, v text, unread int[]);
             INSERT INTO t SELECT i, 'v' || i FROM generate_series(1, {rows}) AS i"
        ))
        .await;
}

async fn there(database: &Database) -> BTreeMap<i64, String> {
    let rows: Vec<(i64, String)> = sqlx::query_as("SELECT id, v FROM t")
        .fetch_all(&database.pool)
        .await
        .expect("rows");
    rows.into_iter().collect()
}

#[test]
fn a_table_is_copied_and_then_its_changes_follow() {
    with_database(async |database| {
        with_rows(&database, 250).await;
        let mut reader = Reader::begin(&database, &[], 100).await;
        let copied = reader.changes(250).await;
        assert!(copied.iter().all(|(kind, ..)| *kind == "+I"));
        let mut rows = BTreeMap::new();
        apply(&copied, &mut rows);
        assert_eq!(rows, there(&database).await);

        database.execute("INSERT INTO t VALUES (1000, 'new')").await;
        database.execute("UPDATE t SET v = 'other' WHERE id = 7").await;
        database.execute("UPDATE t SET id = 1001 WHERE id = 8").await;
        database.execute("DELETE FROM t WHERE id = 9").await;
        database
            .execute("BEGIN; INSERT INTO t VALUES (2000, 'never'); ROLLBACK")
            .await;
        database
            .execute("CREATE TABLE u (id int PRIMARY KEY); INSERT INTO u VALUES (1)")
            .await;
        let expected = [
            change("+I", 1000, "new"),
            change("+U", 7, "other"),
            ("-D", 8, None),
            change("+U", 1001, "v8"),
            ("-D", 9, None),
        ];
        assert_eq!(reader.changes(5).await, expected);
        assert_eq!(reader.rest().await, []);
    });
}

#[test]
fn a_copy_that_was_broken_off_goes_on_and_ends_up_right() {
    with_database(async |database| {
        with_rows(&database, 1000).await;
        let mut reader = Reader::begin(&database, &[], 100).await;
        let mut rows = BTreeMap::new();
        apply(&reader.changes(300).await, &mut rows);
        let positions = reader.positions();
        // What comes after the positions is lost.
        reader.changes(100).await;
        drop(reader);

        database.execute("DELETE FROM t WHERE id % 10 = 1").await;
        database
            .execute("UPDATE t SET v = 'changed' WHERE id % 10 = 2")
            .await;
        let mut reader = Reader::go_on(&database, &[], positions, 100).await;
        // 630 rows that are left behind the key, then 100 that are deleted and 100 that are changed.
        let changes = reader.changes(630 + 200).await;
        assert_eq!(changes[..630].iter().map(|c| c.1).min(), Some(302));
        apply(&changes, &mut rows);
        assert_eq!(rows, there(&database).await);
        assert_eq!(reader.rest().await, []);
    });
}

#[test]
fn what_a_copy_has_seen_does_not_come_again_and_what_it_has_not_seen_comes() {
    with_database(async |database| {
        with_rows(&database, 10).await;
        // The slot is there before the copy: its log has all that follows.
        drop(Reader::begin(&database, &[("scan.startup.mode", "latest-offset")], 100).await);
        let mut reader = Reader::begin(&database, &[("scan.startup.mode", "latest-offset")], 100).await;
        assert_eq!(reader.rest().await, []);
        drop(reader);
        database.execute("INSERT INTO t VALUES (11, 'seen')").await;
        let mut open = database.pool.acquire().await.expect("a session");
        let mut transaction = open.begin().await.expect("begins");
        sqlx::query("INSERT INTO t VALUES (12, 'not seen')")
            .execute(&mut *transaction)
            .await
            .expect("inserts");
        let mut reader = Reader::begin(&database, &[], 100).await;
        let copied = reader.changes(11).await;
        assert_eq!(copied.last(), Some(&change("+I", 11, "seen")));
        assert_eq!(reader.rest().await, []);
        transaction.commit().await.expect("commits");
        assert_eq!(reader.changes(1).await, [change("+I", 12, "not seen")]);
        assert_eq!(reader.rest().await, []);
    });
}

#[test]
fn a_transaction_that_was_broken_off_goes_on_where_it_was() {
    with_database(async |database| {
        with_rows(&database, 1).await;
        let mut reader = Reader::begin(&database, &[], 100).await;
        reader.changes(1).await;
        database
            .execute("INSERT INTO t SELECT i, 'v' || i FROM generate_series(2, 501) AS i")
            .await;
        database.execute("UPDATE t SET v = 'last' WHERE id = 501").await;
        let mut read = Vec::new();
        while read.len() < 200 {
            read.extend(reader.batch().await.expect("a batch"));
        }
        let positions = reader.positions();
        assert!(read.len() < 501, "it was broken off");
        drop(reader);
        let mut reader = Reader::go_on(&database, &[], positions, 100).await;
        read.extend(reader.rest().await);
        let ids: Vec<i64> = read.iter().map(|(_, id, _)| *id).collect();
        let expected: Vec<i64> = (2..=501).chain([501]).collect();
        assert_eq!(ids, expected);
    });
}

#[test]
fn large_values_that_did_not_change_are_asked_for_or_refused() {
    with_database(async |database| {
        database
            .execute(
                "CREATE TABLE t (id bigint PRIMARY KEY, v text, n int);
                 ALTER TABLE t ALTER COLUMN v SET STORAGE EXTERNAL;
                 INSERT INTO t VALUES (1, repeat('x', 10000), 1)",
            )
            .await;
        let mut reader = Reader::begin(&database, &[], 100).await;
        reader.changes(1).await;
        database.execute("ALTER TABLE t REPLICA IDENTITY FULL").await;
        database.execute("UPDATE t SET n = 2").await;
        let changes = reader.changes(1).await;
        assert_eq!(
            changes,
            [change("+U", 1, &"x".repeat(10_000))],
            "the row as it was has it"
        );
        database.execute("ALTER TABLE t REPLICA IDENTITY DEFAULT").await;
        database.execute("UPDATE t SET n = 3").await;
        let failure = reader.failure().await;
        assert!(
            failure.contains("'v'") && failure.contains("REPLICA IDENTITY FULL"),
            "{failure}"
        );
    });
}

#[test]
fn a_table_as_it_is_comes_to_an_end_and_needs_no_slot() {
    with_database(async |database| {
        with_rows(&database, 30).await;
        let sql = format!(
            "CREATE TABLE t (id BIGINT, v STRING, PRIMARY KEY (id) NOT ENFORCED) WITH ('connector' = 'postgres-cdc', {},
                 'scan.startup.mode' = 'snapshot');
             CREATE TABLE result (tens BIGINT, n BIGINT) WITH ('connector' = 'print');
             INSERT INTO result SELECT id / 10, COUNT(v) FROM t GROUP BY id / 10",
            database.with("t")
        );
        let (printed, _) = weir_tests::local::run(&sql, Some(2)).await.expect("runs");
        let lines = printed.values().next().expect("rows");
        let last = weir_tests::changes::materialize(lines.clone()).expect("changes");
        assert_eq!(
            last,
            [
                r#"{"tens":0,"n":9}"#,
                r#"{"tens":1,"n":10}"#,
                r#"{"tens":2,"n":10}"#,
                r#"{"tens":3,"n":1}"#
            ]
        );
        let slots: (i64,) =
            sqlx::query_as("SELECT count(*) FROM pg_replication_slots WHERE database = current_database()")
                .fetch_one(&database.pool)
                .await
                .expect("a count");
        assert_eq!(slots.0, 0);
    });
}

#[test]
fn what_is_missing_is_said_before_a_job_begins() {
    with_database(async |database| {
        let refused = async || {
            factory(&database, &[])
                .check()
                .await
                .expect_err("refused")
                .to_string()
        };
        let error = refused().await;
        assert!(error.contains("has no table \"public\".\"t\""), "{error}");
        database
            .execute("CREATE TABLE t (id bigint PRIMARY KEY, w text)")
            .await;
        let error = refused().await;
        assert!(error.contains("no column 'v': it has id, w"), "{error}");
        database
            .execute("DROP TABLE t; CREATE TABLE t (id bigint, v text, PRIMARY KEY (v, id))")
            .await;
        let error = refused().await;
        assert!(
            error.contains("is (id, v), and that of the table here (id)"),
            "{error}"
        );
        database
            .execute("DROP TABLE t; CREATE TABLE t (id bigint PRIMARY KEY, v text)")
            .await;
        factory(&database, &[]).check().await.expect("all is there");
        let nobody = factory(&database, &[("hostname", "127.0.0.1"), ("port", "1")]);
        let error = nobody.check().await.expect_err("refused").to_string();
        assert!(error.contains("cannot connect to the database"), "{error}");
    });
}
