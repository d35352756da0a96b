//! Nexmark: what each query of `bench/nexmark` gives equals what a batch engine computes over the same events.
//!
//! The batch engine runs the query as it stands, or `oracle/<query>.sql` where its dialect differs. Where ties make more
//! than one result right, or the clock decides, both are reduced to what must be the same ([`REDUCED`]).
//!
//! `cargo test --workspace --test nexmark -- q5` runs one query. `WEIR_NEXMARK_EVENTS` says over how many events (20,000);
//! a million is what a release is held to.

use std::{env, fs, path::Path, process::ExitCode, sync::Arc};

use anyhow::{Context, Result, anyhow, ensure};
use arrow_array::RecordBatch;
use arrow_cast::cast;
use arrow_schema::SchemaRef;
use datafusion::{
    execution::{config::SessionConfig, context::SessionContext},
    prelude::CsvReadOptions,
};
use weir_connector::format::json;
use weir_env::{Clock as _, SystemClock};
use weir_planner::PlanOptions;
use weir_proto::{graph::operator::Spec, schema};
use weir_tests::{changes, local, repository};

mod events;

/// What both sides must have in common where the rows themselves may differ.
const REDUCED: &[(&str, &str)] = &[
    // Bids of one price, and auctions of a seller that are won in one millisecond.
    ("q6", "SELECT seller, COUNT(*) AS n FROM result GROUP BY seller"),
    // Bids of one price and time.
    ("q9", "SELECT id, price, bid_dateTime FROM result"),
    (
        "q12",
        "SELECT bidder, SUM(bid_count) AS bids FROM result GROUP BY bidder",
    ),
    // Bids of one time.
    ("q18", "SELECT bidder, auction, dateTime FROM result"),
    // Bids of one price.
    ("q19", "SELECT auction, price, rank_number FROM result"),
];

/// Orders that leave open which of several rows comes first, and ones that do not: with those, the rows themselves are compared too.
const DECIDED: &[(&str, &[(&str, &str)])] = &[(
    "q6",
    &[
        ("ORDER BY b.price DESC", "ORDER BY b.price DESC, b.dateTime"),
        ("ORDER BY won.dateTime", "ORDER BY won.dateTime, won.id"),
    ],
)];

/// Queries that are refused today; one that is not any more must leave this list.
const NOT_YET: &[&str] = &[];

fn main() -> ExitCode {
    match run() {
        Ok(0) => ExitCode::SUCCESS,
        Ok(failed) => {
            println!("\n{failed} queries failed");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("the Nexmark queries could not run: {error:?}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<usize> {
    env::set_current_dir(repository::root())?;
    let arguments: Vec<String> = env::args().skip(1).collect();
    let mut queries = Vec::new();
    for entry in fs::read_dir("bench/nexmark/queries")? {
        let path = entry?.path();
        let name = path
            .file_stem()
            .and_then(|n| n.to_str())
            .context("a query has a name")?;
        queries.push(name.to_owned());
    }
    queries.sort_by_key(|name| (name.len(), name.clone()));
    let wanted: Vec<_> = arguments.iter().filter(|a| !a.starts_with('-')).collect();
    queries.retain(|name| wanted.is_empty() || wanted.contains(&name));
    if arguments.iter().any(|a| a == "--list") {
        for name in &queries {
            println!("{name}: test");
        }
        return Ok(0);
    }
    let count: u64 = match env::var("WEIR_NEXMARK_EVENTS") {
        Ok(text) => text.parse().context("WEIR_NEXMARK_EVENTS")?,
        Err(_) => 20_000,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let events = runtime.block_on(events::read(count))?;
    let clock = SystemClock::new();
    let mut failed = 0;
    for name in &queries {
        let begin = clock.elapsed();
        let outcome = runtime.block_on(check(name, count, &events));
        let seconds = clock.elapsed().saturating_sub(begin).as_secs_f64();
        match outcome {
            Ok(Some(rows)) => println!("test {name} ... ok ({rows} rows, {seconds:.1} s)"),
            Ok(None) => println!("test {name} ... ok (refused, as listed)"),
            Err(error) => {
                failed += 1;
                println!("test {name} ... FAILED\n{error:#}");
            }
        }
    }
    Ok(failed)
}

/// Compares both results of a query; returns how many rows they have, or none if it is refused as listed.
async fn check(name: &str, count: u64, events: &events::Events) -> Result<Option<usize>> {
    if NOT_YET.contains(&name) {
        let planned = streaming(name, count, &[]).await?;
        ensure!(
            matches!(planned, Err(local::Refused::Planning(_))),
            "{name} is not refused any more"
        );
        return Ok(None);
    }
    let decided = DECIDED.iter().find(|(decided, _)| *decided == name);
    if let Some((_, orders)) = decided {
        compare(name, count, events, orders, None)
            .await
            .context("with orders that leave nothing open")?;
    }
    let reduced = REDUCED.iter().find(|(reduced, _)| *reduced == name);
    compare(name, count, events, &[], reduced.map(|(_, sql)| *sql))
        .await
        .map(Some)
}

/// Compares both results of a query, some of whose words are replaced, or what another query makes of them; returns how many rows there are.
async fn compare(
    name: &str,
    count: u64,
    events: &events::Events,
    replaced: &[(&str, &str)],
    sql: Option<&str>,
) -> Result<usize> {
    let (schema, mut actual) = streaming(name, count, replaced)
        .await?
        .map_err(|refused| anyhow!("{refused:?}"))?;
    let mut expected = batch(name, &schema, events, replaced).await?;
    if let Some(sql) = sql {
        actual = reduced(sql, &schema, &actual).await?;
        expected = reduced(sql, &schema, &expected).await?;
    }
    actual.sort_unstable();
    expected.sort_unstable();
    if actual == expected {
        return Ok(actual.len());
    }
    let only = |these: &[String], those: &[String]| {
        let those: std::collections::HashSet<_> = those.iter().collect();
        let lines = these.iter().filter(|line| !those.contains(line)).take(5).cloned();
        lines.collect::<Vec<_>>().join("\n    ")
    };
    Err(anyhow!(
        "{} rows came, {} were expected\n  came only:\n    {}\n  expected only:\n    {}",
        actual.len(),
        expected.len(),
        only(&actual, &expected),
        only(&expected, &actual)
    ))
}

type Rows = (SchemaRef, Vec<String>);

/// The result's columns, and the rows that the stream leaves.
async fn streaming(
    name: &str,
    count: u64,
    replaced: &[(&str, &str)],
) -> Result<Result<Rows, local::Refused>> {
    let out = tempfile::tempdir()?;
    let tables = fs::read_to_string("bench/nexmark/tables.sql")?;
    let query = fs::read_to_string(format!("bench/nexmark/queries/{name}.sql"))?;
    let query = with_words(query, replaced)?;
    let sql = (tables + &query)
        .replace("'events.num' = '10000000'", &format!("'events.num' = '{count}'"))
        .replace("'blackhole'", "'print'")
        .replace(
            "'format' = 'csv'\n);\n\nINSERT",
            "'format' = 'json'\n);\n\nINSERT",
        )
        .replace("{out}", &out.path().display().to_string());
    let options = PlanOptions {
        parallelism: Some(2),
        ..PlanOptions::default()
    };
    let planned = match weir_planner::plan(&sql, &options).await {
        Ok(planned) => planned,
        Err(problem) => return Ok(Err(local::Refused::Planning(problem))),
    };
    let is_sink = |operator: &&weir_proto::graph::Operator| matches!(operator.spec, Some(Spec::Sink(_)));
    let sink = planned.graph.operators.iter().find(is_sink).context("a sink")?;
    let columns = schema::decode(&sink.schema)?;
    let (mut printed, stats) = match local::run(&sql, Some(2)).await {
        Ok(ran) => ran,
        Err(refused) => return Ok(Err(refused)),
    };
    ensure!(stats.late_rows == 0, "{} rows came late", stats.late_rows);
    let mut lines = printed.remove("result").unwrap_or_default();
    for file in fs::read_dir(out.path())? {
        lines.extend(lines_of(&file?.path())?);
    }
    let fields = columns.fields().iter().filter(|f| f.name() != "$op").cloned();
    let columns = Arc::new(arrow_schema::Schema::new(fields.collect::<Vec<_>>()));
    Ok(Ok((columns, changes::materialize(lines)?)))
}

/// A query with other words in the place of some, all of which must be there.
fn with_words(mut query: String, replaced: &[(&str, &str)]) -> Result<String> {
    for (words, others) in replaced {
        ensure!(query.contains(words), "the query has no '{words}'");
        query = query.replace(words, others);
    }
    Ok(query)
}

fn lines_of(path: &Path) -> Result<Vec<String>> {
    Ok(fs::read_to_string(path)?.lines().map(str::to_owned).collect())
}

fn session() -> SessionContext {
    let mut config = SessionConfig::new().with_target_partitions(2);
    config.options_mut().sql_parser.enable_ident_normalization = false;
    config.options_mut().sql_parser.parse_float_as_decimal = true;
    SessionContext::new_with_config(config)
}

/// What the batch engine says, in the columns of the result.
async fn batch(
    name: &str,
    columns: &SchemaRef,
    events: &events::Events,
    replaced: &[(&str, &str)],
) -> Result<Vec<String>> {
    let context = session();
    for (table, batches) in [
        ("person", &events.persons),
        ("auction", &events.auctions),
        ("bid", &events.bids),
    ] {
        let schema = batches.first().context("there are events of each kind")?.schema();
        let table_provider = datafusion::datasource::MemTable::try_new(schema, vec![batches.clone()])?;
        context.register_table(table, Arc::new(table_provider))?;
    }
    let side_schema = arrow_schema::Schema::new(vec![
        arrow_schema::Field::new("key", arrow_schema::DataType::Int64, true),
        arrow_schema::Field::new("value", arrow_schema::DataType::Utf8, true),
    ]);
    let csv = CsvReadOptions::new().has_header(false).schema(&side_schema);
    context
        .register_csv("side_input", "bench/nexmark/side_input.csv", csv)
        .await?;
    let own = format!("tests/nexmark/oracle/{name}.sql");
    let sql = if Path::new(&own).exists() {
        fs::read_to_string(own)?
    } else {
        let script = fs::read_to_string(format!("bench/nexmark/queries/{name}.sql"))?;
        let (_, query) = script.split_once("INSERT INTO result").context("a query")?;
        query.trim().trim_end_matches(';').replace('`', "\"")
    };
    let sql = with_words(sql, replaced)?;
    let batches = context.sql(&sql).await.context("the oracle")?.collect().await?;
    lines(&batches, columns)
}

/// Rows as JSON lines, in these columns.
fn lines(batches: &[RecordBatch], columns: &SchemaRef) -> Result<Vec<String>> {
    let mut text = Vec::new();
    for batch in batches {
        let cells = batch.columns().iter().zip(columns.fields());
        let cells = cells.map(|(cells, field)| cast(cells, field.data_type()));
        let fields: Vec<_> = columns
            .fields()
            .iter()
            .map(|f| f.as_ref().clone().with_nullable(true))
            .collect();
        let schema = Arc::new(arrow_schema::Schema::new(fields));
        json::write_lines(
            &RecordBatch::try_new(schema, cells.collect::<Result<_, _>>()?)?,
            &mut text,
        );
    }
    Ok(String::from_utf8(text)?.lines().map(str::to_owned).collect())
}

/// What a query makes of a result.
async fn reduced(sql: &str, columns: &SchemaRef, rows: &[String]) -> Result<Vec<String>> {
    let text = rows.join("\n");
    let reader = arrow_json::ReaderBuilder::new(Arc::clone(columns)).build(text.as_bytes())?;
    let batches = reader.collect::<Result<Vec<_>, _>>()?;
    let context = session();
    let table = datafusion::datasource::MemTable::try_new(Arc::clone(columns), vec![batches])?;
    context.register_table("result", Arc::new(table))?;
    let batches = context.sql(sql).await?.collect().await?;
    let Some(first) = batches.first() else {
        return Ok(Vec::new());
    };
    lines(&batches, &first.schema())
}
