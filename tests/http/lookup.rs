//! Rows looked up by a URL for each key.

use weir_tests::local::{self, Refused};

use crate::{
    run,
    web::{Answer, Web},
};

/// Looks up what is asked as `(k, w)` in a table that is made so.
fn script(url: &str, columns: &str, options: &str, asked: &str, on: &str) -> String {
    format!(
        "CREATE TABLE r ({columns}) WITH ('connector' = 'http', 'url' = '{url}', 'format' = 'json'{options});
         CREATE VIEW v AS SELECT *, PROCTIME() AS at FROM (VALUES {asked}) AS t (k, w);
         CREATE TABLE out (w STRING, id INT, name STRING) WITH ('connector' = 'print');
         INSERT INTO out SELECT w, r.id, r.name FROM v LEFT JOIN r FOR SYSTEM_TIME AS OF v.at ON {on};"
    )
}

async fn rows(sql: &str) -> Vec<String> {
    let (mut printed, _) = local::run(sql, Some(1))
        .await
        .unwrap_or_else(|refused| panic!("{refused:?}"));
    let mut rows = printed.remove("out").unwrap_or_default();
    rows.sort_unstable();
    rows
}

#[test]
fn each_key_is_asked_for_once_and_what_is_not_there_is_null() {
    run(async {
        let web = Web::start();
        web.site
            .route("/users/1", Answer::of(200, r#"{"user":{"name":"one"}}"#));
        web.site
            .route("/users/2", Answer::of(200, r#"{"user":{"name":"two"}}"#));
        *web.site.then.get() = Answer::of(404, "nobody");
        let sql = script(
            &web.url("/users/{id}"),
            "id INT, name STRING",
            ", 'scan.records-pointer' = '/user', 'lookup.cache' = 'PARTIAL', 'lookup.partial-cache.max-rows' = '10'",
            "(1, 'a'), (2, 'b'), (3, 'c'), (1, 'd')",
            "v.k = r.id",
        );
        assert_eq!(
            rows(&sql).await,
            [
                r#"{"w":"a","id":1,"name":"one"}"#,
                r#"{"w":"b","id":2,"name":"two"}"#,
                r#"{"w":"c","id":null,"name":null}"#,
                r#"{"w":"d","id":1,"name":"one"}"#,
            ]
        );
        let mut asked: Vec<_> = web
            .asked()
            .into_iter()
            .filter(|asked| asked.method == "GET")
            .map(|asked| asked.path)
            .collect();
        asked.sort_unstable();
        assert_eq!(asked, ["/users/1", "/users/2", "/users/3"]);
    });
}

#[test]
fn an_answer_may_have_many_rows_of_which_those_fit_that_are_asked_for() {
    run(async {
        let web = Web::start();
        web.site.route(
            "/g/a%20b",
            Answer::of(
                200,
                r#"[{"id":1,"name":"x"},{"id":2,"name":"y"},{"id":2,"name":"z"}]"#,
            ),
        );
        // The one who looks whether it is there, and the first who asks.
        web.answer([Answer::of(503, "busy"), Answer::of(503, "busy")]);
        let sql = script(
            &web.url("/g/{g}"),
            "g STRING, id INT, name STRING",
            ", 'scan.records' = 'array'",
            "(2, 'a b'), (3, 'a b')",
            "v.w = r.g AND v.k = r.id",
        );
        assert_eq!(
            rows(&sql).await,
            [
                r#"{"w":"a b","id":2,"name":"y"}"#,
                r#"{"w":"a b","id":2,"name":"z"}"#,
                r#"{"w":"a b","id":null,"name":null}"#,
            ]
        );
    });
}

#[test]
fn a_join_without_all_columns_of_the_url_is_refused() {
    run(async {
        let web = Web::start();
        let sql = script(
            &web.url("/{id}/{name}"),
            "id INT, name STRING",
            "",
            "(1, 'a')",
            "v.k = r.id",
        );
        match local::run(&sql, Some(1)).await {
            Err(Refused::Planning(problem)) => assert!(
                problem.detail.contains("join column 'name' too"),
                "{}",
                problem.detail
            ),
            other => panic!("{other:?}"),
        }
    });
}
