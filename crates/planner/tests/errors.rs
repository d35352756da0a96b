//! What is wrong with scripts, and where.

mod common;

use common::{TABLES, plan_sql};
use weir_model::ErrorCode::{self, *};
use weir_planner::{PlanOptions, plan};

/// The place is relative to the statement behind the tables; 0 where there is none.
async fn check(sql: &str, code: ErrorCode, place: (u64, u64), suggestion: Option<&str>) {
    let lines = TABLES.lines().count() as u64;
    let problem = match plan_sql(&format!("{TABLES}{sql}")).await {
        Ok(planned) => panic!("planned:\n{}\n{sql}", planned.text),
        Err(problem) => problem,
    };
    let found = problem
        .location
        .map_or((0, 0), |at| (at.line.saturating_sub(lines), at.column));
    assert_eq!(
        (problem.code, found, problem.suggestion.as_deref()),
        (code, place, suggestion),
        "{problem}\n{sql}"
    );
}

#[tokio::test]
async fn text_that_does_not_parse() {
    check("INSERT INTO pages SELECT FROM clicks", SqlSyntax, (1, 26), None).await;
    check(
        "INSERT INTO pages SELECT page,, amount FROM clicks",
        SqlSyntax,
        (1, 31),
        None,
    )
    .await;
    check(
        "INSERT INTO pages SELECT (page FROM clicks",
        SqlSyntax,
        (1, 32),
        None,
    )
    .await;
    check(
        "INSERT INTO pages SELECT page, 'x FROM clicks",
        SqlSyntax,
        (1, 32),
        None,
    )
    .await;
    check(
        "\n  INSRT INTO pages SELECT page, amount FROM clicks",
        SqlSyntax,
        (2, 3),
        None,
    )
    .await;
    check("CREATE TABLE t (a INT", SqlSyntax, (1, 22), None).await;
    check(
        "CREATE TABLE t (a INT,) WITH ('connector' = 'print')",
        SqlSyntax,
        (1, 23),
        None,
    )
    .await;
    check(
        "EXECUTE STATEMENT SET BEGIN INSERT INTO pages SELECT page, amount FROM clicks;",
        SqlSyntax,
        (1, 1),
        None,
    )
    .await;
    check(
        "INSERT INTO pages SELECT page, amount FROM clicks extra words",
        SqlSyntax,
        (1, 57),
        None,
    )
    .await;
    check("SET pipeline.name = 'x'", SqlSyntax, (1, 5), None).await;
}

#[tokio::test]
async fn names_that_do_not_exist() {
    check(
        "INSERT INTO page SELECT page, amount FROM clicks",
        SqlUnknownName,
        (1, 13),
        Some("pages"),
    )
    .await;
    check(
        "INSERT INTO pages SELECT page, amount FROM click",
        SqlUnknownName,
        (1, 44),
        Some("clicks"),
    )
    .await;
    check(
        "INSERT INTO pages SELECT pge, amount FROM clicks",
        SqlUnknownName,
        (1, 26),
        Some("page"),
    )
    .await;
    check(
        "INSERT INTO pages SELECT PAGE, amount FROM clicks",
        SqlUnknownName,
        (1, 26),
        Some("page"),
    )
    .await;
    check(
        "INSERT INTO pages SELECT page, amount FROM clicks c WHERE c.amnt > 1",
        SqlUnknownName,
        (1, 59),
        Some("amount"),
    )
    .await;
    check(
        "INSERT INTO pages SELECT UPER(page), amount FROM clicks",
        SqlUnknownName,
        (1, 26),
        Some("UPPER"),
    )
    .await;
    check(
        "INSERT INTO pages SELECT item.nam, id FROM orders",
        SqlUnknownName,
        (1, 31),
        Some("name"),
    )
    .await;
    check(
        "INSERT INTO pages (pag) SELECT page FROM clicks",
        SqlUnknownName,
        (1, 20),
        Some("page"),
    )
    .await;
    check(
        "CREATE TABLE t (a BIGNT) WITH ('connector' = 'print')",
        SqlUnknownName,
        (1, 19),
        Some("BIGINT"),
    )
    .await;
    check(
        "INSERT INTO pages SELECT page, COUNT(*) FROM TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(t), INTERVAL '1' SECOND))
         GROUP BY window_start, window_end, page",
        SqlUnknownName,
        (1, 84),
        Some("ts"),
    )
    .await;
    check(
        "CREATE TABLE t (a TIMESTAMP(3), WATERMARK FOR b AS b) WITH ('connector' = 'print')",
        SqlUnknownName,
        (1, 47),
        Some("a"),
    )
    .await;
}

#[tokio::test]
async fn types_that_do_not_fit() {
    check(
        "INSERT INTO pages SELECT amount, page FROM clicks",
        SqlType,
        (1, 26),
        None,
    )
    .await;
    check(
        "INSERT INTO pages SELECT page FROM clicks",
        SqlType,
        (1, 19),
        None,
    )
    .await;
    check(
        "INSERT INTO pages SELECT page, price FROM clicks",
        SqlType,
        (1, 32),
        None,
    )
    .await;
    check("INSERT INTO wide (a) SELECT SUM(page) FROM TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(ts), INTERVAL '1' SECOND)) GROUP BY window_start, window_end", SqlType, (1, 29), None).await;
    check(
        "INSERT INTO pages SELECT page, amount - ts FROM clicks",
        SqlType,
        (1, 32),
        None,
    )
    .await;
    check(
        "INSERT INTO pages SELECT page, amount FROM clicks WHERE amount",
        SqlType,
        (1, 57),
        None,
    )
    .await;
    check(
        "CREATE TABLE t (a STRING, WATERMARK FOR a AS a) WITH ('connector' = 'print')",
        SqlType,
        (1, 41),
        None,
    )
    .await;
    check(
        "CREATE TABLE t (a DECIMAL(50, 2)) WITH ('connector' = 'print')",
        SqlType,
        (1, 26),
        None,
    )
    .await;
}

#[tokio::test]
async fn what_is_not_supported_yet() {
    let cases = [
        (
            "INSERT INTO pages SELECT page, amount FROM clicks ORDER BY amount",
            (1, 19),
        ),
        (
            "INSERT INTO pages SELECT page, amount FROM clicks FETCH FIRST 3 ROWS WITH TIES",
            (1, 63),
        ),
        (
            "INSERT INTO pages SELECT page, COUNT(*) FROM clicks GROUP BY GROUPING SETS ((page), (page))",
            (1, 78),
        ),
        (
            "INSERT INTO pages SELECT page, id FROM clicks NATURAL JOIN orders LEFT ANTI JOIN orders AS o ON o.name = page",
            (1, 82),
        ),
        (
            "INSERT INTO pages SELECT page, SUM(amount) OVER (PARTITION BY page) FROM clicks",
            (1, 36),
        ),
        (
            "CREATE TABLE t (a INT) PARTITIONED BY (a) WITH ('connector' = 'print')",
            (1, 40),
        ),
        (
            "CREATE TABLE t (a INT, PRIMARY KEY (a)) WITH ('connector' = 'print')",
            (1, 39),
        ),
        ("CREATE FUNCTION f AS 'x'", (1, 22)),
    ];
    for (sql, place) in cases {
        check(sql, SqlUnsupported, place, None).await;
    }
}

#[tokio::test]
async fn sql_that_means_nothing() {
    let cases = [
        ("", (0, 0)),
        ("CREATE TABLE clicks (a INT) WITH ('connector' = 'print')", (1, 14)),
        ("CREATE TABLE t (a INT, a INT) WITH ('connector' = 'print')", (1, 24)),
        ("CREATE TABLE t (a INT) WITH ('connector' = 'print', 'connector' = 'print')", (1, 53)),
        ("CREATE VIEW v AS SELECT page FROM clicks; INSERT INTO v SELECT page FROM clicks", (1, 55)),
        (
            "INSERT INTO pages SELECT page, 1 FROM TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(ts), INTERVAL '0' SECOND))",
            (1, 91),
        ),
        (
            "CREATE VIEW v AS SELECT page, ts + INTERVAL '1' SECOND AS ts FROM clicks;
INSERT INTO pages SELECT page, COUNT(*) FROM TABLE(TUMBLE(TABLE v, DESCRIPTOR(ts), INTERVAL '1' SECOND)) GROUP BY window_start, window_end, page",
            (2, 79),
        ),
        (
            "INSERT INTO pages SELECT page, COUNT(*) FROM TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(amount), INTERVAL '1' SECOND)) GROUP BY window_start, window_end, page",
            (1, 84),
        ),
        ("INSERT INTO pages (page, page) SELECT page, page FROM clicks", (1, 26)),
        ("INSERT INTO pages SELECT page, amount FROM clicks WHERE COUNT(*) > 1", (1, 57)),
    ];
    for (sql, place) in cases {
        check(sql, SqlInvalid, place, None).await;
    }
}

#[tokio::test]
async fn options_that_are_wrong() {
    let insert = "INSERT INTO pages SELECT a, 1 FROM t";
    let table = |with: &str| format!("CREATE TABLE t (a STRING) WITH ({with}); {insert}");
    check(
        &table("'connector' = 'filesystm'"),
        UnknownConnector,
        (1, 47),
        Some("filesystem"),
    )
    .await;
    check(&table("'path' = '/x'"), MissingOption, (1, 14), None).await;
    check(
        &table("'connector' = 'datagen', 'number-of-row' = '1'"),
        UnknownOption,
        (1, 58),
        Some("number-of-rows"),
    )
    .await;
    check(
        &table("'connector' = 'datagen', 'number-of-rows' = 'x'"),
        InvalidOption,
        (1, 77),
        None,
    )
    .await;
    check(
        &table("'connector' = 'filesystem', 'format' = 'json'"),
        MissingOption,
        (1, 14),
        None,
    )
    .await;
    check(
        &table("'connector' = 'filesystem', 'format' = 'json', 'path' = '/nowhere/at/all.json'"),
        SourceUnavailable,
        (1, 89),
        None,
    )
    .await;
    check(
        "SET 'pipeline.nam' = 'x'",
        UnknownOption,
        (1, 5),
        Some("pipeline.name"),
    )
    .await;
    check("SET 'parallelism.default' = '0'", InvalidOption, (1, 29), None).await;
    check(
        "SET 'pipeline.auto-watermark-interval' = 'soon'",
        InvalidOption,
        (1, 42),
        None,
    )
    .await;
}

#[tokio::test]
async fn parallelism_out_of_bounds() {
    for parallelism in [0, 1025, u32::MAX] {
        let sql = format!("{TABLES}INSERT INTO pages SELECT page, amount FROM clicks");
        let problem = plan(
            &sql,
            &PlanOptions {
                parallelism: Some(parallelism),
                ..PlanOptions::default()
            },
        )
        .await
        .expect_err("refused");
        assert_eq!((problem.code, problem.status), (InvalidRequest, 400));
    }
}
