//! Tables that tests read and write.

use weir_model::Problem;
use weir_planner::{PlanOptions, Planned, plan};

/// A source with event time, a source with a nested row, and two sinks.
pub(crate) const TABLES: &str = "\
CREATE TABLE clicks (
  `user` STRING,
  page STRING,
  amount INT,
  price DECIMAL(10, 2),
  ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'datagen', 'number-of-rows' = '10');
CREATE TABLE orders (
  id BIGINT,
  item ROW<name STRING, size ROW<width INT, height INT>, tags ARRAY<STRING>>,
  name STRING
) WITH ('connector' = 'datagen', 'number-of-rows' = '10');
CREATE TABLE pages (page STRING, amount BIGINT) WITH ('connector' = 'blackhole');
CREATE TABLE wide (a BIGINT, b STRING, c DOUBLE, d TIMESTAMP(3)) WITH ('connector' = 'blackhole');
";

/// Plans with nothing but the script.
pub(crate) async fn plan_sql(sql: &str) -> Result<Planned, Problem> {
    plan(sql, &PlanOptions::default()).await
}

/// Plans statements behind [`TABLES`].
#[allow(dead_code)]
pub(crate) async fn plan_on_tables(sql: &str) -> Result<Planned, Problem> {
    plan_sql(&format!("{TABLES}{sql}")).await
}
