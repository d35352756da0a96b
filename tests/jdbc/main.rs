//! The `jdbc` connector on a PostgreSQL server of its own: rows as they were, changes by their keys, and each row once whatever fails.

use std::{
    collections::BTreeMap,
    future::Future,
    sync::{
        Arc, Weak,
        atomic::{AtomicU32, Ordering},
    },
};

use sqlx::{AssertSqlSafe, PgPool, postgres::PgPoolOptions};
use tempfile::TempDir;
use tokio::sync::Mutex;
use weir_control_plane::private_postgres::PrivatePostgres;
use weir_tests::cluster;

mod commit;
mod reader;
mod writer;

use writer::{Writer, rows};

struct Server {
    postgres: PrivatePostgres,
    _folder: TempDir,
}

/// The server that tests share while any of them runs.
async fn server() -> Arc<Server> {
    static SHARED: Mutex<Weak<Server>> = Mutex::const_new(Weak::new());
    let mut shared = SHARED.lock().await;
    if let Some(server) = shared.upgrade() {
        return server;
    }
    let folder = cluster::folder().expect("a folder");
    let server = Arc::new(Server {
        postgres: PrivatePostgres::start(folder.path())
            .await
            .expect("PostgreSQL starts"),
        _folder: folder,
    });
    *shared = Arc::downgrade(&server);
    server
}

/// A database of a test.
struct Database {
    /// As the connector takes it.
    url: String,
    pool: PgPool,
}

impl Database {
    async fn execute(&self, sql: &str) {
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
            .execute(&self.pool)
            .await
            .unwrap_or_else(|error| panic!("{sql}: {error}"));
    }

    /// What a query gives, its first column as text, in order.
    async fn texts(&self, sql: &str) -> Vec<String> {
        let sql = format!("SELECT v::text FROM ({sql}) AS q (v) ORDER BY 1");
        let rows: Vec<(String,)> = sqlx::query_as(AssertSqlSafe(sql.clone()))
            .fetch_all(&self.pool)
            .await
            .unwrap_or_else(|error| panic!("{sql}: {error}"));
        rows.into_iter().map(|(text,)| text).collect()
    }
}

/// Runs a test with an empty database.
fn with_database<F: Future<Output = ()>>(test: impl FnOnce(Arc<Database>) -> F) {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime starts");
    runtime.block_on(async {
        let server = server().await;
        let name = format!("test_{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let url = server.postgres.url().replacen("postgres://", "postgresql://", 1);
        let all = PgPoolOptions::new().connect(&url).await.expect("connects");
        sqlx::raw_sql(AssertSqlSafe(format!("CREATE DATABASE {name}")))
            .execute(&all)
            .await
            .expect("a database");
        all.close().await;
        let url = url.replacen("/weir?", &format!("/{name}?"), 1);
        let pool = PgPoolOptions::new().connect(&url).await.expect("connects");
        let url = format!("jdbc:{url}");
        test(Arc::new(Database { url, pool })).await;
    });
}

#[test]
fn values_of_every_type_arrive_as_they_are() {
    with_database(async |database| {
        database
            .execute(
                "CREATE TABLE t (a bigint, b text, c double precision, d numeric(10, 2), e timestamp, f timestamptz, g date, h boolean,
                     i bytea, j int[], k jsonb, l time)",
            )
            .await;
        let sql = format!(
            "CREATE TABLE t (a BIGINT, b STRING, c DOUBLE, d DECIMAL(10, 2), e TIMESTAMP(3), f TIMESTAMP_LTZ(3), g DATE, h BOOLEAN,
                 i BYTES, j ARRAY<INT>, k ROW<x INT, y STRING>, l TIME)
             WITH ('connector' = 'jdbc', 'url' = '{}', 'table-name' = 'public.t');
             INSERT INTO t VALUES (-7, 'a \"quoted\" \\ line
ü', 1.5e-3, 12.30, TIMESTAMP '2024-02-29 12:34:56.789',
                 TO_TIMESTAMP_LTZ(1000, 3), DATE '2024-02-29', TRUE, x'00ff', ARRAY[1, 2], ROW(1, 'z'), TIME '01:02:03');
             INSERT INTO t (a) VALUES (CAST(NULL AS BIGINT));",
            database.url
        );
        weir_tests::local::run(&sql, Some(1)).await.expect("runs");
        let found = database.texts("SELECT row_to_json(t) FROM (SELECT a, b, c, d, e, f AT TIME ZONE 'UTC' AS f, g, h, i, j, k, l FROM t) AS t");
        assert_eq!(
            found.await,
            [
                r#"{"a":-7,"b":"a \"quoted\" \\ line\nü","c":0.0015,"d":12.30,"e":"2024-02-29T12:34:56.789","f":"1970-01-01T00:00:01","g":"2024-02-29","h":true,"i":"\\x00ff","j":[1,2],"k":{"x": 1, "y": "z"},"l":"01:02:03"}"#,
                r#"{"a":null,"b":null,"c":null,"d":null,"e":null,"f":null,"g":null,"h":null,"i":null,"j":null,"k":null,"l":null}"#,
            ]
        );
    });
}

#[test]
fn a_changing_result_leaves_its_last_version_of_each_key() {
    with_database(async |database| {
        database
            .execute("CREATE TABLE counts (k int PRIMARY KEY, n bigint, place int)")
            .await;
        let sql = format!(
            "CREATE TABLE made (k INT, n BIGINT) WITH ('connector' = 'datagen', 'number-of-rows' = '4000', 'rows-per-second' = '1000000',
                 'fields.k.min' = '0', 'fields.k.max' = '20', 'fields.n.min' = '0', 'fields.n.max' = '9');
             CREATE TABLE counts (k INT, n BIGINT, PRIMARY KEY (k) NOT ENFORCED)
                 WITH ('connector' = 'jdbc', 'url' = '{}', 'table-name' = 'counts', 'sink.buffer-flush.max-rows' = '7');
             INSERT INTO counts SELECT k, SUM(n) FROM made GROUP BY k;
             CREATE TABLE shown (k INT, n BIGINT) WITH ('connector' = 'print');
             INSERT INTO shown SELECT k, SUM(n) FROM made GROUP BY k;",
            database.url
        );
        let (mut printed, _) = weir_tests::local::run(&sql, Some(2)).await.expect("runs");
        let expected =
            weir_tests::changes::materialize(printed.remove("shown").expect("rows")).expect("changes");
        let mut expected: Vec<_> = expected.into_iter().collect();
        expected.sort_unstable();
        assert_eq!(expected.len(), 21);
        let found = database
            .texts(r#"SELECT '{"k":' || k || ',"n":' || n || '}' FROM counts"#)
            .await;
        assert_eq!(
            found.iter().collect::<std::collections::BTreeSet<_>>(),
            expected.iter().collect()
        );
    });
}

#[test]
fn rows_that_a_result_takes_back_are_deleted() {
    with_database(async |database| {
        database
            .execute("CREATE TABLE t (k bigint PRIMARY KEY, v text)")
            .await;
        let mut writer = Writer::open(&database, true, &[]).at_once().await;
        writer
            .write(rows(&[("+I", 1, "a"), ("+I", 2, "b"), ("+I", 3, "c")]))
            .await;
        writer.flush().await;
        assert_eq!(database.texts("SELECT k || v FROM t").await, ["1a", "2b", "3c"]);
        writer
            .write(rows(&[
                ("-U", 1, "a"),
                ("+U", 1, "x"),
                ("-D", 2, "b"),
                ("-U", 3, "c"),
                ("+U", 4, "c"),
            ]))
            .await;
        assert!(writer.finish().await.is_empty());
        assert_eq!(database.texts("SELECT k || v FROM t").await, ["1x", "4c"]);
    });
}

#[test]
fn what_the_database_lacks_is_said_at_submission() {
    with_database(async |database| {
        let check = async |keyed: bool, expected: Option<&str>| {
            let checked = Writer::factory(&database, keyed, &BTreeMap::new()).check().await;
            assert_eq!(checked.err().map(|error| error.to_string()).as_deref(), expected);
        };
        check(false, Some("the database has no table \"t\"")).await;
        database.execute("CREATE TABLE t (k bigint)").await;
        check(false, Some("table \"t\" of the database has no column 'v'")).await;
        database.execute("ALTER TABLE t ADD v text").await;
        check(false, None).await;
        let no_key = "table \"t\" of the database has no primary key or unique index of just (k)";
        check(true, Some(no_key)).await;
        database
            .execute(
                "CREATE UNIQUE INDEX with_more ON t (k, v); CREATE UNIQUE INDEX part ON t (k) WHERE v = 'x'",
            )
            .await;
        check(true, Some(no_key)).await;
        database.execute("CREATE UNIQUE INDEX whole ON t (k)").await;
        check(true, None).await;
    });
}

#[test]
fn a_value_that_does_not_fit_is_the_users_failure() {
    with_database(async |database| {
        database.execute("CREATE TABLE t (k smallint, v text)").await;
        let mut writer = Writer::open(&database, false, &[]).at_once().await;
        writer.write(rows(&[("+I", 1 << 20, "too large")])).await;
        let error = writer.sink.finish().await.expect_err("it does not fit");
        assert_eq!(error.class, weir_model::FailureClass::User);
        assert!(error.message.contains("cannot write to \"t\""), "{error}");
        assert!(error.message.contains("out of range"), "{error}");
    });
}
