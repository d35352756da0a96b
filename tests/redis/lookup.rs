//! Rows looked up by the keys of rows that pass.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, Int64Array, cast::AsArray, types::Int64Type};
use arrow_schema::{DataType, Field, Schema};
use weir_connector::{LookupContext, connector};
use weir_env::SystemClock;
use weir_tests::local::{self, Refused};

use crate::{Server, failure, printed, sorted, table, with_server};

/// A script that looks rows of table `r`, made so, up for what `asked` gives as `a`.
fn script(server: &Server, columns: &str, options: &str, asked: &str, select: &str, on: &str) -> String {
    format!(
        "CREATE TABLE r ({columns}) WITH ('connector' = 'redis', 'url' = '{}'{options});
         CREATE VIEW v AS SELECT *, PROCTIME() AS at FROM (VALUES {asked}) AS t (k, w);
         CREATE TABLE out (k STRING, x STRING, y STRING) WITH ('connector' = 'print');
         INSERT INTO out SELECT {select} FROM v LEFT JOIN r FOR SYSTEM_TIME AS OF v.at ON {on};",
        server.url
    )
}

#[test]
fn hashes_are_looked_up_by_their_keys_and_missing_ones_are_null() {
    with_server(&[], async |server: Arc<Server>| {
        server.run::<()>("HSET p:1 name one n 10").await;
        server.run::<()>("HSET p:2 name two other 5").await;
        server.run::<()>("HSET p:4 other 5").await;
        let columns = "id INT, name STRING, n BIGINT, PRIMARY KEY (id) NOT ENFORCED";
        let sql = script(
            &server,
            columns,
            ", 'key.prefix' = 'p:'",
            "(1, 'a'), (2, 'b'), (3, 'c'), (4, 'd'), (1, 'e')",
            "w, name, CAST(n + r.id AS STRING)",
            "v.k = r.id",
        );
        assert_eq!(
            sorted(printed(&sql, 1).await),
            [
                r#"{"k":"a","x":"one","y":"11"}"#,
                r#"{"k":"b","x":"two","y":null}"#,
                r#"{"k":"c","x":null,"y":null}"#,
                r#"{"k":"d","x":null,"y":null}"#,
                r#"{"k":"e","x":"one","y":"11"}"#,
            ]
        );
    });
}

#[test]
fn strings_are_looked_up_as_text_or_json() {
    with_server(&[], async |server: Arc<Server>| {
        server
            .run::<()>("MSET 1 one 2 two j:1 {\"a\":\"x\",\"b\":[1,2]} j:2 {\"b\":[]}")
            .await;
        let plain = script(
            &server,
            "id INT, name STRING, PRIMARY KEY (id) NOT ENFORCED",
            ", 'data-type' = 'string'",
            "(1, 'a'), (2, 'b'), (3, 'c')",
            "w, name, name || '!'",
            "v.k = r.id",
        );
        assert_eq!(
            sorted(printed(&plain, 2).await),
            [
                r#"{"k":"a","x":"one","y":"one!"}"#,
                r#"{"k":"b","x":"two","y":"two!"}"#,
                r#"{"k":"c","x":null,"y":null}"#,
            ]
        );
        let json = script(
            &server,
            "id INT, a STRING, b ARRAY<INT>, PRIMARY KEY (id) NOT ENFORCED",
            ", 'data-type' = 'string', 'key.prefix' = 'j:'",
            "(1, 'a'), (2, 'b'), (3, 'c')",
            "w, a, CAST(CARDINALITY(b) AS STRING)",
            "v.k = r.id",
        );
        assert_eq!(
            sorted(printed(&json, 2).await),
            [
                r#"{"k":"a","x":"x","y":"2"}"#,
                r#"{"k":"b","x":null,"y":"0"}"#,
                r#"{"k":"c","x":null,"y":null}"#,
            ]
        );
    });
}

#[test]
fn fields_that_a_column_names_are_looked_up_and_further_conditions_hold() {
    with_server(&[], async |server: Arc<Server>| {
        server.run::<()>("HSET 1 a 10 b 20").await;
        server.run::<()>("HSET 2 a 30").await;
        let columns = "id INT, f STRING, n BIGINT, PRIMARY KEY (id, f) NOT ENFORCED";
        let options = ", 'hash.field-column' = 'f'";
        let asked = "(1, 'a'), (1, 'b'), (2, 'a'), (2, 'b')";
        let select = "w, CAST(v.k AS STRING), CAST(n AS STRING)";
        let sql = script(
            &server,
            columns,
            options,
            asked,
            select,
            "v.k = r.id AND v.w = r.f",
        );
        assert_eq!(
            sorted(printed(&sql, 1).await),
            [
                r#"{"k":"a","x":"1","y":"10"}"#,
                r#"{"k":"a","x":"2","y":"30"}"#,
                r#"{"k":"b","x":"1","y":"20"}"#,
                r#"{"k":"b","x":"2","y":null}"#,
            ]
        );
        let on = "v.k = r.id AND v.w = r.f AND r.n = CAST(30 AS BIGINT)";
        let sql = script(&server, columns, options, asked, select, on);
        let found: Vec<_> = printed(&sql, 1)
            .await
            .into_iter()
            .filter(|row| !row.contains("null"))
            .collect();
        assert_eq!(found, [r#"{"k":"a","x":"2","y":"30"}"#]);
        let without = script(&server, columns, options, asked, select, "v.k = r.id");
        let Err(Refused::Planning(problem)) = local::run(&without, Some(1)).await else {
            panic!("it is refused at submission");
        };
        assert!(
            problem.detail.contains("join column 'f' too"),
            "{}",
            problem.detail
        );
    });
}

#[test]
fn a_value_that_does_not_fit_its_column_is_said_with_its_key() {
    with_server(&[], async |server: Arc<Server>| {
        server.run::<()>("HSET 1 n many").await;
        server.run::<()>("SET 2 text").await;
        let columns = "id INT, n BIGINT, PRIMARY KEY (id) NOT ENFORCED";
        let of = |asked: &str| {
            script(
                &server,
                columns,
                "",
                asked,
                "w, CAST(n AS STRING), w",
                "v.k = r.id",
            )
        };
        let said = failure(&of("(1, 'a')")).await;
        assert!(
            said.contains("key '1' in Redis") && said.contains("'many' is not a BIGINT"),
            "{said}"
        );
        let said = failure(&of("(2, 'a')")).await;
        assert!(said.contains("WRONGTYPE"), "{said}");
    });
}

#[test]
fn a_batch_is_one_question_and_a_cache_answers_what_it_knows() {
    with_server(&[], async |server: Arc<Server>| {
        server.run::<()>("MSET 1 10 2 20").await;
        let columns = [("k", DataType::Int64), ("v", DataType::Int64)];
        let options = [
            ("data-type", "string"),
            ("lookup.cache", "PARTIAL"),
            ("lookup.partial-cache.max-rows", "100"),
        ];
        let table = table(&server, 1, &columns, &options);
        let factory = connector("redis")
            .and_then(|redis| redis.lookup(&table))
            .expect("valid");
        let context = LookupContext {
            keys: vec![0],
            key_types: vec![DataType::Int64],
            schema: Arc::new(Schema::new(vec![Field::new("v", DataType::Int64, true)])),
            clock: Arc::new(SystemClock::new()),
        };
        let lookup = factory.open(context).await.expect("opens");
        for (keys, expected, calls) in [
            (vec![1, 2, 3, 1], vec![(0, 10), (1, 20), (3, 10)], 1),
            (vec![2, 3], vec![(0, 20)], 1),
            (vec![4, 1], vec![(1, 10)], 2),
        ] {
            let keys: ArrayRef = Arc::new(Int64Array::from(keys));
            let found = lookup.lookup(&[keys]).await.expect("answers");
            let values = found.rows.column(0).as_primitive::<Int64Type>();
            let pairs: Vec<_> = found
                .keys
                .iter()
                .map(|key| *key as usize)
                .zip(values.values().to_vec())
                .collect();
            assert_eq!(pairs, expected);
            assert_eq!(values.null_count(), 0);
            let stats: String = server.run("INFO commandstats").await;
            assert!(stats.contains(&format!("cmdstat_mget:calls={calls},")), "{stats}");
        }
    });
}
