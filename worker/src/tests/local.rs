//! Jobs in one process.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use weir_connector::RowOutput;
use weir_env::{Clock, SystemClock};
use weir_model::{Failure, FailureClass, OperatorId, SubtaskIndex};
use weir_proto::graph::JobGraph;

use super::graphs::{
    Collected, Graph, collected, forward, hash, number, numbers, rebalance, sequence, shuffled, table,
};
use crate::local::{LocalOptions, LocalStats, run_local};

const PATIENCE: Duration = Duration::from_mins(1);

async fn run(graph: JobGraph, output: Arc<dyn RowOutput>) -> Result<LocalStats, Failure> {
    run_until(graph, output, CancellationToken::new()).await
}

async fn run_until(
    graph: JobGraph,
    output: Arc<dyn RowOutput>,
    cancel: CancellationToken,
) -> Result<LocalStats, Failure> {
    let options = LocalOptions {
        output,
        clock: Arc::new(SystemClock::new()),
        threads: 2,
        seed: 0,
        rehearsal: None,
        secrets: Arc::default(),
    };
    timeout(PATIENCE, run_local(graph, options, cancel))
        .await
        .expect("the job ends")
}

async fn check_numbers(graph: Graph, rows: u64) -> Arc<Collected> {
    let output = collected();
    let stats = run(graph.build(), output.clone())
        .await
        .expect("the job finishes");
    assert_eq!(output.numbers(), (0..rows as i64).collect::<Vec<_>>());
    assert_eq!(stats.sources.iter().map(|s| s.rows_in).sum::<u64>(), rows);
    assert_eq!(stats.sinks.iter().map(|s| s.rows_out).sum::<u64>(), rows);
    output
}

#[tokio::test]
async fn a_chain_of_source_calc_and_sink_passes_every_row() {
    for parallelism in [1, 3] {
        let mut graph = Graph::new();
        let source = graph.source(0, parallelism, sequence(10_000));
        let calc = graph.calc(0, parallelism, &numbers());
        let sink = graph.print(0, parallelism, &numbers());
        graph.edge(source, calc, forward());
        graph.edge(calc, sink, forward());
        check_numbers(graph, 10_000).await;
    }
}

#[tokio::test]
async fn a_hash_exchange_brings_every_row_once_and_equal_keys_together() {
    for (upstream, downstream) in [(1, 1), (2, 3), (4, 2)] {
        let output = check_numbers(shuffled(10_000, upstream, downstream), 10_000).await;
        if downstream == 1 {
            continue;
        }
        // The same keys again, from other subtasks: they go to the same places.
        let again = check_numbers(shuffled(10_000, upstream + 1, downstream), 10_000).await;
        let mut places = [output.rows(), again.rows()];
        for rows in &mut places {
            rows.sort();
        }
        assert_eq!(places[0], places[1]);
        let used: std::collections::BTreeSet<_> = output.rows().iter().map(|(subtask, _)| *subtask).collect();
        assert_eq!(used.len(), downstream as usize, "every subtask gets rows");
    }
}

#[tokio::test]
async fn a_rebalance_exchange_feeds_every_subtask() {
    let mut graph = Graph::new();
    let source = graph.source(0, 1, sequence(10_000));
    let sink = graph.print(1, 3, &numbers());
    graph.edge(source, sink, rebalance());
    let output = check_numbers(graph, 10_000).await;
    let used: std::collections::BTreeSet<_> = output.rows().iter().map(|(subtask, _)| *subtask).collect();
    assert_eq!(used.len(), 3);
}

#[tokio::test]
async fn two_sources_flow_into_one_sink_that_ends_with_the_last() {
    let mut graph = Graph::new();
    let first = graph.source(0, 2, sequence(5000));
    let second = graph.source(1, 1, sequence(3000));
    let sink = graph.print(2, 2, &numbers());
    graph.edge(first, sink, rebalance());
    graph.edge(second, sink, rebalance());
    let output = collected();
    run(graph.build(), output.clone())
        .await
        .expect("the job finishes");
    assert_eq!(output.rows().len(), 8000);
}

#[tokio::test]
async fn windows_fire_by_merged_watermarks_and_lose_no_row() {
    for interval in [0, 50] {
        let mut graph = Graph::new();
        graph.settings().auto_watermark_interval_ms = interval;
        let source = graph.timed_source(0, 3, sequence(20_500));
        let [local, global] = graph.count_per_second([0, 1], [3, 1]);
        let schema = graph.output(global);
        let sink = graph.print(1, 1, &schema);
        graph.edge(source, local, forward());
        graph.edge(global, sink, forward());
        let output = collected();
        let stats = run(graph.build(), output.clone())
            .await
            .expect("the job finishes");
        let counts: Vec<i64> = output
            .rows()
            .iter()
            .map(|(_, line)| number(line, "rows"))
            .collect();
        assert_eq!(counts, [vec![1000; 20], vec![500]].concat());
        assert_eq!(stats.late_rows, 0);
    }
}

/// Takes its time with every batch.
#[derive(Debug, Default)]
struct Slow {
    rows: AtomicU64,
    enough: Option<(u64, CancellationToken)>,
}

impl RowOutput for Slow {
    fn print(&self, _table: &str, _subtask: u32, _lines: &[u8], rows: usize) {
        std::thread::sleep(Duration::from_millis(5));
        let total = self.rows.fetch_add(rows as u64, Relaxed) + rows as u64;
        if let Some((_, cancel)) = self.enough.as_ref().filter(|(enough, _)| total >= *enough) {
            cancel.cancel();
        }
    }
}

#[tokio::test]
async fn a_slow_sink_holds_the_source_back_within_the_channels_bytes() {
    let cancel = CancellationToken::new();
    let output = Arc::new(Slow {
        enough: Some((50_000, cancel.clone())),
        ..Slow::default()
    });
    let mut graph = Graph::new();
    let source = graph.source(0, 1, sequence(1_000_000_000));
    let sink = graph.print(1, 1, &numbers());
    graph.edge(source, sink, rebalance());
    let stats = run_until(graph.build(), output, cancel)
        .await
        .expect("a cancelled job ends well");
    let (read, written) = (stats.sources[0].rows_out, stats.sinks[0].rows_out);
    assert!(written >= 50_000, "{written}");
    // 64 kB are 8192 rows; beyond that a batch at each end of the channel, and one that exceeds it.
    assert!(
        read - written <= 8192 + 3 * 1024,
        "{read} read, {written} written"
    );
}

#[tokio::test]
async fn a_cancelled_job_ends_at_once() {
    let cancel = CancellationToken::new();
    let clock = SystemClock::new();
    let output = Arc::new(Slow {
        enough: Some((5000, cancel.clone())),
        ..Slow::default()
    });
    let cancelled_at = async {
        cancel.cancelled().await;
        clock.elapsed()
    };
    let (stats, cancelled_at) = tokio::join!(
        run_until(shuffled(1_000_000_000, 2, 2).build(), output, cancel.clone()),
        cancelled_at
    );
    stats.expect("a cancelled job ends well");
    let took = clock.elapsed().saturating_sub(cancelled_at);
    assert!(took < Duration::from_secs(1), "{took:?}");
}

/// Breaks on the first row.
#[derive(Debug)]
struct Broken;

impl RowOutput for Broken {
    fn print(&self, _table: &str, _subtask: u32, _lines: &[u8], _rows: usize) {
        panic!("no paper");
    }
}

#[tokio::test]
async fn a_panic_fails_the_job_with_the_operator_and_stops_the_rest() {
    let failure = run(shuffled(1_000_000_000, 2, 1).build(), Arc::new(Broken))
        .await
        .expect_err("printing panics");
    assert_eq!(failure.class, FailureClass::Internal);
    assert!(failure.message.contains("no paper"), "{failure}");
    assert_eq!(failure.operator_name.as_deref(), Some("sink"));
    assert_eq!(failure.operator, Some(OperatorId(2)));
    assert_eq!(failure.subtask, Some(SubtaskIndex(0)));
}

#[tokio::test]
async fn a_failing_source_is_the_root_cause() {
    let file = table(
        "lines",
        "filesystem",
        &[("path", "/nowhere/at/all"), ("format", "json")],
        &numbers(),
    );
    let mut graph = Graph::new();
    let good = graph.source(0, 1, sequence(1_000_000_000));
    let bad = graph.source(1, 1, file);
    let sink = graph.print(2, 1, &numbers());
    graph.edge(good, sink, hash(&[0]));
    graph.edge(bad, sink, hash(&[0]));
    let failure = run(graph.build(), collected())
        .await
        .expect_err("there is no such file");
    assert!(failure.message.contains("/nowhere/at/all"), "{failure}");
}
