//! Runs a script through the real planner and engine, in this process.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use tokio_util::sync::CancellationToken;
use weir_connector::RowOutput;
use weir_env::SystemClock;
use weir_model::{Failure, Problem};
use weir_planner::PlanOptions;
use weir_worker::local::{LocalOptions, LocalStats, run_local};

/// Printed rows as JSON lines by table, in no particular order.
pub type Printed = BTreeMap<String, Vec<String>>;

/// Why a script gave no result.
#[derive(Debug)]
pub enum Refused {
    /// It was never started.
    Planning(Problem),
    /// It was started and failed.
    Running(Failure),
}

/// Runs a bounded script to its end on two threads.
pub async fn run(sql: &str, parallelism: Option<u32>) -> Result<(Printed, LocalStats), Refused> {
    let planned = weir_planner::plan(
        sql,
        &PlanOptions {
            parallelism,
            ..PlanOptions::default()
        },
    )
    .await
    .map_err(Refused::Planning)?;
    let rows = Arc::new(Collected::default());
    let options = LocalOptions {
        output: rows.clone(),
        clock: Arc::new(SystemClock::new()),
        threads: 2,
        seed: 0,
        rehearsal: rehearsal(),
        secrets: Arc::default(),
    };
    let stats = run_local(planned.graph, options, CancellationToken::new())
        .await
        .map_err(Refused::Running)?;
    let printed = std::mem::take(&mut *rows.0.lock().expect("no writer panicked"));
    Ok((printed, stats))
}

/// `WEIR_REHEARSAL=2` restores every operator from its own snapshot after every second call.
pub fn rehearsal() -> Option<u32> {
    std::env::var("WEIR_REHEARSAL").ok()?.parse().ok()
}

/// Keeps what is printed.
#[derive(Debug, Default)]
pub(crate) struct Collected(pub(crate) Mutex<Printed>);

impl RowOutput for Collected {
    fn print(&self, table: &str, _subtask: u32, lines: &[u8], rows: usize) {
        let text = std::str::from_utf8(lines).expect("printed rows are UTF-8");
        let lines: Vec<_> = text.lines().map(str::to_owned).collect();
        assert_eq!(lines.len(), rows, "the sink says how many rows it prints");
        self.0
            .lock()
            .expect("no writer panicked")
            .entry(table.to_owned())
            .or_default()
            .extend(lines);
    }
}
