//! Tables that are read and looked up in.

use std::sync::Arc;

use arrow_array::{Int64Array, cast::AsArray as _};
use arrow_schema::{DataType, Field, Schema};
use weir_connector::{SourceContext, SourceEvent, SourceFactory, Split, Table, connector, origin};
use weir_env::SystemClock;
use weir_tests::local::{self, Refused};

use crate::{Database, with_database};

/// The table `t (n BIGINT)`, `n` its key or not, with these options.
fn factory(database: &Database, has_key: bool, given: &[(&str, &str)]) -> Box<dyn SourceFactory> {
    let n = Field::new("n", DataType::Int64, !has_key);
    let own = [("url", database.url.as_str()), ("table-name", "t")];
    let table = Table {
        name: "t".into(),
        connector: "jdbc".into(),
        options: own
            .iter()
            .chain(given)
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect(),
        schema: Arc::new(Schema::new(vec![if has_key { origin::key(n) } else { n }])),
    };
    connector("jdbc").and_then(|c| c.source(&table)).expect("valid")
}

/// Reads so many batches of three rows, or to the end; the numbers, and where to go on.
async fn read(factory: &dyn SourceFactory, splits: Vec<Split>, batches: usize) -> (Vec<i64>, Vec<Split>) {
    let context = SourceContext {
        schema: Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, true)])),
        batch_rows: 3,
        known_splits: Arc::default(),
        subtask: 0,
        parallelism: 1,
        takes_checkpoints: true,
        clock: Arc::new(SystemClock::new()),
        counters: Arc::default(),
        dead_letters: None,
    };
    let mut source = factory.open(splits, context).await.expect("opens");
    let (mut numbers, mut seen) = (Vec::new(), 0);
    while seen < batches {
        match source.next().await.expect("it is read") {
            SourceEvent::Rows { batch, .. } => {
                let column: &Int64Array = batch.column(0).as_primitive();
                numbers.extend(column.values());
                seen += 1;
            }
            SourceEvent::End => break,
            _ => {}
        }
    }
    (numbers, source.positions())
}

async fn rows(sql: String) -> Result<Vec<String>, Refused> {
    let (mut printed, _) = local::run(&sql, Some(2)).await?;
    Ok(printed.remove("shown").unwrap_or_default())
}

#[test]
fn values_of_every_type_are_read_as_they_are() {
    with_database(async |database| {
        database
            .execute(
                "SET TimeZone = 'Asia/Tokyo';
                 CREATE TABLE t (a bigint, b text, c double precision, d numeric(10, 2), e timestamp, f timestamptz, g date, h boolean,
                     i bytea, j int[], k jsonb, l time, m jsonb, o real);
                 INSERT INTO t VALUES (-7, E'a \"quoted\" \\\\ line\\nü', 1.5e-300, 12.30, '2024-02-29 12:34:56.789', 'epoch', '2024-02-29', true,
                     decode(repeat('00ff', 50), 'hex'), '{1,2}', '{\"x\": 1, \"y\": \"z\"}', '01:02:03', '{\"free\": [1, 2]}', 0.1);
                 INSERT INTO t (a) VALUES (9007199254740993);",
            )
            .await;
        let sql = format!(
            "CREATE TABLE t (a BIGINT, b STRING, c DOUBLE, d DECIMAL(10, 2), e TIMESTAMP(3), f TIMESTAMP_LTZ(3), g DATE, h BOOLEAN,
                 i BYTES, j ARRAY<INT>, k ROW<x INT, y STRING>, l TIME, m STRING, o FLOAT)
             WITH ('connector' = 'jdbc', 'url' = '{}', 'table-name' = 'public.t');
             CREATE TABLE shown WITH ('connector' = 'print') AS SELECT * FROM t;",
            database.url
        );
        let bytes = "AP8A/wD/".repeat(16) + "AP8A/w==";
        assert_eq!(
            rows(sql).await.expect("runs"),
            [
                format!(
                    r#"{{"a":-7,"b":"a \"quoted\" \\ line\nü","c":1.5e-300,"d":12.30,"e":"2024-02-29 12:34:56.789","f":"1970-01-01 00:00:00.000Z","g":"2024-02-29","h":true,"i":"{bytes}","j":[1,2],"k":{{"x":1,"y":"z"}},"l":"01:02:03","m":"{{\"free\": [1, 2]}}","o":0.1}}"#
                ),
                r#"{"a":9007199254740993,"b":null,"c":null,"d":null,"e":null,"f":null,"g":null,"h":null,"i":null,"j":null,"k":null,"l":null,"m":null,"o":null}"#
                    .to_owned(),
            ]
        );
    });
}

#[test]
fn a_reader_goes_on_where_it_was() {
    with_database(async |database| {
        database
            .execute(
                "CREATE TABLE t AS SELECT n::bigint FROM generate_series(1, 20) AS s (n) ORDER BY random()",
            )
            .await;
        let ranges = [
            ("scan.partition.column", "n"),
            ("scan.partition.num", "3"),
            ("scan.partition.lower-bound", "1"),
            ("scan.partition.upper-bound", "20"),
        ];
        for (has_key, given) in [
            (true, &ranges[..0]),
            (false, &ranges[..0]),
            (true, &ranges),
            (false, &ranges),
        ] {
            let factory = factory(&database, has_key, given);
            let mut splits = factory.splits(2).await.expect("splits");
            assert_eq!(splits.len(), if given.is_empty() { 1 } else { 3 });
            let mut all = Vec::new();
            for batches in [0, 1, 2, 1, usize::MAX] {
                let (numbers, positions) = read(factory.as_ref(), splits, batches).await;
                all.extend(numbers);
                splits = positions;
            }
            all.sort_unstable();
            assert_eq!(all, (1..=20).collect::<Vec<_>>(), "key: {has_key}, {given:?}");
        }
    });
}

#[test]
fn rows_are_looked_up_by_any_columns_and_only_those() {
    with_database(async |database| {
        database
            .execute(
                "CREATE TABLE people (id int, town varchar(20), name text, born date);
                 INSERT INTO people VALUES (1, 'it''s', 'ann', '2000-01-01'), (1, 'it''s', 'bob', '2000-01-02'), (1, 'x', 'cy', NULL), (2, 'x', 'di', NULL);",
            )
            .await;
        for cache in [
            "'NONE'",
            "'PARTIAL', 'lookup.partial-cache.max-rows' = '2'",
            "'FULL'",
        ] {
            let sql = format!(
                "CREATE TABLE visits (id INT, town STRING, at AS PROCTIME()) WITH ('connector' = 'filesystem', 'path' = '{{visits}}', 'format' = 'csv');
                 CREATE TABLE people (id INT, town STRING, name STRING, born DATE)
                 WITH ('connector' = 'jdbc', 'url' = '{}', 'table-name' = 'people', 'lookup.cache' = {cache});
                 CREATE TABLE shown WITH ('connector' = 'print') AS
                 SELECT v.id, p.name, p.born FROM visits AS v
                 LEFT JOIN people FOR SYSTEM_TIME AS OF v.at AS p ON p.id = v.id AND p.town = v.town;",
                database.url
            );
            let folder = tempfile::tempdir().expect("a folder");
            let path = folder.path().join("visits.csv");
            std::fs::write(&path, "1,it's\n2,it's\n2,x\n1,it's\n").expect("written");
            let mut rows = rows(sql.replace("{visits}", &path.display().to_string()))
                .await
                .expect("runs");
            rows.sort_unstable();
            let (ann, bob) = (
                r#"{"id":1,"name":"ann","born":"2000-01-01"}"#,
                r#"{"id":1,"name":"bob","born":"2000-01-02"}"#,
            );
            let (di, nobody) = (
                r#"{"id":2,"name":"di","born":null}"#,
                r#"{"id":2,"name":null,"born":null}"#,
            );
            assert_eq!(rows, [ann, ann, bob, bob, di, nobody], "{cache}");
        }
    });
}

#[test]
fn what_is_not_there_is_said_when_a_job_is_submitted() {
    with_database(async |database| {
        database.execute("CREATE TABLE t (a bigint)").await;
        for (columns, table, expected) in [
            ("a BIGINT, b BIGINT", "t", "column t.b does not exist"),
            ("a BIGINT", "nobody", "\"nobody\" does not exist"),
        ] {
            let sql = format!(
                "CREATE TABLE t ({columns}) WITH ('connector' = 'jdbc', 'url' = '{}', 'table-name' = '{table}');
                 CREATE TABLE shown WITH ('connector' = 'print') AS SELECT * FROM t;",
                database.url
            );
            let Err(Refused::Planning(problem)) = rows(sql).await else {
                panic!("it is refused");
            };
            assert!(problem.detail.contains(expected), "{}", problem.detail);
        }
    });
}
