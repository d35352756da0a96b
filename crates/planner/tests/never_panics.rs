//! Whatever text comes, planning answers with a plan or with a problem that is not ours.

mod common;

use common::TABLES;
use proptest::prelude::*;
use weir_model::ErrorCode;
use weir_planner::{PlanOptions, plan};

const SCRIPTS: &[&str] = &[
    "INSERT INTO wide SELECT COUNT(*), page, CAST(AVG(price) AS DOUBLE), window_end FROM TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(ts), INTERVAL '5' MINUTE)) WHERE amount > 0 GROUP BY window_start, window_end, page HAVING SUM(amount) > 10;",
    "INSERT INTO pages SELECT item.name, item.size.width FROM orders o WHERE o.item.size.height BETWEEN 2 AND 7;",
    "EXECUTE STATEMENT SET BEGIN INSERT INTO pages SELECT CASE WHEN amount > 1 THEN UPPER(page) ELSE NULL END, MOD(amount, 3) FROM clicks; END;",
    "CREATE TEMPORARY VIEW v (a, b) AS SELECT SUBSTRING(page FROM 2), EXTRACT(YEAR FROM ts) FROM clicks; INSERT INTO pages SELECT a, b FROM v WHERE a LIKE 'x%' AND b IN (1, 2);",
];

const WORDS: &[&str] = &[
    "SELECT",
    "FROM",
    "(",
    ")",
    ",",
    ";",
    "'",
    "`",
    "*",
    "NULL",
    "INTERVAL",
    "'1'",
    "SECOND",
    "TABLE",
    "TUMBLE",
    "-1",
    "1e400",
    "99999999999999999999",
    "window_start",
    "COUNT(*)",
    "AVG(amount)",
    "CAST(",
    "AS INT)",
    "ROW<a INT>",
    ">>",
    "ts",
    "item",
    ".name",
    "GROUP BY",
    "UNION ALL",
    "/0",
    "%0",
    "||",
    "DESCRIPTOR",
    "é",
    "\u{0}",
    "--",
    "/*",
    "WITH x AS",
    "VALUES",
    "OVER ()",
    "[1]",
    "{",
    "?",
    "$1",
    "@x",
    "INTERVAL '1' MONTH",
    "0x",
    "DATE '2020-99-99'",
    "TIMESTAMP 'x'",
    "EXTRACT(",
];

fn token_bounds(sql: &str) -> Vec<usize> {
    sql.char_indices()
        .filter(|(_, c)| !c.is_alphanumeric())
        .map(|(i, _)| i)
        .chain([sql.len()])
        .collect()
}

fn mutate(sql: &str, edits: &[(usize, usize, usize)]) -> String {
    let mut sql = sql.to_owned();
    for (place, kind, word) in edits {
        let bounds = token_bounds(&sql);
        let at = bounds[place % bounds.len()];
        match kind % 3 {
            0 => sql.insert_str(at, &format!(" {} ", WORDS[word % WORDS.len()])),
            1 => {
                let to = bounds.iter().copied().find(|b| *b > at).unwrap_or(sql.len());
                sql.replace_range(at..to, "");
            }
            _ => {
                let to = bounds.iter().copied().find(|b| *b > at).unwrap_or(sql.len());
                sql.replace_range(at..to, &format!(" {} ", WORDS[word % WORDS.len()]));
            }
        }
    }
    sql
}

fn never_a_defect(sql: &str) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    if let Err(problem) = runtime.block_on(plan(sql, &PlanOptions::default())) {
        assert_ne!(problem.code, ErrorCode::Internal, "{problem}\n{sql}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn mutated_scripts_are_planned_or_refused(
        script in 0..SCRIPTS.len(),
        edits in proptest::collection::vec((0_usize..1000, 0_usize..3, 0_usize..1000), 1..5),
    ) {
        never_a_defect(&format!("{TABLES}{}", mutate(SCRIPTS[script], &edits)));
    }

    #[test]
    fn mutated_tables_are_planned_or_refused(
        edits in proptest::collection::vec((0_usize..1000, 0_usize..3, 0_usize..1000), 1..4),
    ) {
        never_a_defect(&format!("{} INSERT INTO pages SELECT page, amount FROM clicks;", mutate(TABLES, &edits)));
    }

    #[test]
    fn any_text_is_refused(text in "\\PC{0,200}") {
        never_a_defect(&text);
    }
}

#[test]
fn deep_and_long_expressions_are_planned_or_refused() {
    let insert = |expr: String| format!("{TABLES}INSERT INTO pages SELECT page, {expr} FROM clicks;");
    never_a_defect(&insert(format!("{}1{}", "(".repeat(10_000), ")".repeat(10_000))));
    never_a_defect(&insert(vec!["amount"; 1_500].join(" + ")));
    never_a_defect(&insert(vec!["amount"; 100_000].join(" + ")));
    never_a_defect(&insert(format!(
        "{}1{}",
        "CASE WHEN TRUE THEN ".repeat(500),
        " END".repeat(500)
    )));
    never_a_defect(&insert(format!("{} amount", "- ".repeat(5_000))));
    never_a_defect(&insert(format!("{} TRUE", "NOT ".repeat(5_000))));
    never_a_defect(&format!(
        "CREATE TABLE t (a {}INT{}) WITH ('connector' = 'print')",
        "ARRAY<".repeat(500),
        ">".repeat(500)
    ));
}

#[test]
fn views_upon_views_do_not_grow_without_bound() {
    let mut statements = vec![
        TABLES.to_owned(),
        "CREATE VIEW v0 AS SELECT page, amount AS a FROM clicks;".to_owned(),
    ];
    statements
        .extend((1..60).map(|i| format!("CREATE VIEW v{i} AS SELECT page, a + a AS a FROM v{};", i - 1)));
    statements.push("INSERT INTO pages SELECT page, a FROM v59;".to_owned());
    let sql = statements.concat();
    never_a_defect(&sql);
}
