//! Scripts that several tests run.

/// Rows of `rows` numbers, as fast as they come: read by one task, written by another across a shuffle.
pub(crate) fn bounded(rows: u64) -> String {
    format!(
        "CREATE TABLE numbers (n BIGINT) WITH (
             'connector' = 'datagen', 'number-of-rows' = '{rows}',
             'fields.n.kind' = 'sequence', 'fields.n.start' = '1', 'fields.n.end' = '{rows}');
         CREATE TABLE result (n BIGINT) WITH ('connector' = 'print');
         INSERT INTO result SELECT n FROM numbers;"
    )
}

/// Never ends: `rate` rows a second, counted in windows of a second by key, so that rows cross between workers.
pub(crate) fn endless(rate: u64) -> String {
    format!(
        "CREATE TABLE numbers (
             k INT,
             ts TIMESTAMP(3),
             WATERMARK FOR ts AS ts
         ) WITH (
             'connector' = 'datagen', 'rows-per-second' = '{rate}',
             'fields.k.min' = '0', 'fields.k.max' = '7');
         CREATE TABLE counts (k INT, window_end TIMESTAMP(3), n BIGINT) WITH ('connector' = 'print');
         INSERT INTO counts
         SELECT k, window_end, COUNT(*)
         FROM TABLE(TUMBLE(TABLE numbers, DESCRIPTOR(ts), INTERVAL '1' SECOND))
         GROUP BY k, window_start, window_end;"
    )
}

/// Never ends: `rate` rows a second, counted over all time; a checkpoint a second.
pub(crate) fn counting(rate: u64) -> String {
    format!(
        "SET 'execution.checkpointing.interval' = '1 s';
         CREATE TABLE numbers (k INT) WITH (
             'connector' = 'datagen', 'rows-per-second' = '{rate}', 'fields.k.min' = '0', 'fields.k.max' = '7');
         CREATE TABLE counts (n BIGINT) WITH ('connector' = 'print');
         INSERT INTO counts SELECT COUNT(*) FROM numbers;"
    )
}

/// Never ends: the numbers from 1 on, 50 a second, and aggregates of all so far.
pub(crate) fn aggregates(columns: &str, select: &str) -> String {
    format!(
        "SET 'execution.checkpointing.interval' = '1 s';
         CREATE TABLE numbers (v BIGINT) WITH (
             'connector' = 'datagen', 'rows-per-second' = '50',
             'fields.v.kind' = 'sequence', 'fields.v.start' = '1', 'fields.v.end' = '1000000');
         CREATE TABLE counts ({columns}) WITH ('connector' = 'print');
         INSERT INTO counts SELECT {select} FROM numbers;"
    )
}

/// Reads a file of JSON lines with one number each.
pub(crate) fn numbers_from(path: &str) -> String {
    format!(
        "CREATE TABLE numbers (n INT) WITH ('connector' = 'filesystem', 'path' = '{path}', 'format' = 'json');
         CREATE TABLE result (n INT) WITH ('connector' = 'print');
         INSERT INTO result SELECT n FROM numbers;"
    )
}

/// A query alone: the even numbers, 50 a second, without an end.
pub(crate) fn preview() -> &'static str {
    "CREATE TABLE numbers (v BIGINT) WITH (
         'connector' = 'datagen', 'rows-per-second' = '100',
         'fields.v.kind' = 'sequence', 'fields.v.start' = '1', 'fields.v.end' = '1000000');
     SELECT v AS n FROM numbers WHERE MOD(v, 2) = 0;"
}

/// Numbers into files below a folder.
pub(crate) fn into_files(folder: &std::path::Path) -> String {
    let path = folder.join("written").display().to_string();
    format!(
        "CREATE TABLE files (n BIGINT) WITH ('connector' = 'filesystem', 'path' = '{path}', 'format' = 'json');
         INSERT INTO files VALUES (1);"
    )
}
