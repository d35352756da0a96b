//! Sources that keep together in event time.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use weir_connector::RowOutput;
use weir_env::SystemClock;

use super::graphs::{Graph, forward, number, sequence_at};
use crate::local::{LocalOptions, run_local};

const ROWS: i64 = 1000;
const PATIENCE: Duration = Duration::from_mins(1);

/// How far the rows of one table were ahead of the other's when they came: what an operator that needs both would have to hold.
#[derive(Debug, Default)]
struct Ahead(Mutex<Furthest>);

#[derive(Debug, Default)]
struct Furthest {
    fast: i64,
    slow: i64,
    ahead: i64,
    rows: usize,
}

impl RowOutput for Ahead {
    fn print(&self, table: &str, _subtask: u32, lines: &[u8], rows: usize) {
        let mut furthest = self.0.lock().expect("no writer panicked");
        let text = String::from_utf8_lossy(lines);
        let last = text.lines().map(|line| number(line, "n")).max().unwrap_or(0);
        match table {
            "fast" => furthest.fast = last,
            _ => furthest.slow = last,
        }
        furthest.ahead = furthest.ahead.max(furthest.fast - furthest.slow);
        furthest.rows += rows;
    }
}

/// Two sources of the same event time, one of which is ten times as fast.
async fn ahead(max_drift_ms: Option<u64>) -> i64 {
    let mut graph = Graph::new();
    graph.settings().batch_rows = 2;
    for (task, (name, rate)) in (0..).zip([("fast", 5000), ("slow", 500)]) {
        let source = graph.timed_source(task, 1, sequence_at(ROWS as u64, rate));
        if let Some(max_drift_ms) = max_drift_ms {
            graph.align(source, "both", max_drift_ms);
        }
        let schema = graph.output(source);
        let sink = graph.print_as(name, task, 1, &schema);
        graph.edge(source, sink, forward());
    }
    let output = Arc::new(Ahead::default());
    let options = LocalOptions {
        output: Arc::clone(&output) as _,
        clock: Arc::new(SystemClock::new()),
        threads: 2,
        seed: 0,
        rehearsal: None,
        secrets: Arc::default(),
    };
    let run = run_local(graph.build(), options, CancellationToken::new());
    timeout(PATIENCE, run)
        .await
        .expect("nobody waits for ever")
        .expect("the job finishes");
    let furthest = output.0.lock().expect("no writer panicked");
    assert_eq!(furthest.rows, 2 * ROWS as usize, "no row is lost");
    furthest.ahead
}

#[tokio::test]
async fn a_source_that_is_too_far_ahead_of_its_group_waits_for_it() {
    let alone = ahead(None).await;
    assert!(
        alone > ROWS / 2,
        "without alignment it is only {alone} ms ahead: the test shows nothing"
    );
    let together = ahead(Some(50)).await;
    assert!(together < ROWS / 2, "{together} ms ahead, where 50 are allowed");
}
