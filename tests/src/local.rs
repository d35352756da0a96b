//! Runs a script through the real planner and engine, in this process.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard},
};

use tokio::task;
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
    Ok((rows.take(), stats))
}

/// `WEIR_REHEARSAL=2` restores every operator from its own snapshot after every second call.
pub fn rehearsal() -> Option<u32> {
    std::env::var("WEIR_REHEARSAL").ok()?.parse().ok()
}

/// Keeps what is printed.
#[derive(Debug, Default)]
pub(crate) struct Collected(Mutex<Lines>);

#[derive(Debug, Default)]
struct Lines {
    /// What is printed for good.
    kept: Printed,
    /// What was printed since, by which task.
    since: Vec<(Option<task::Id>, String, String)>,
    /// How many lines those were when the barrier of a checkpoint came to a task.
    barriers: HashMap<(Option<task::Id>, u64), usize>,
}

impl Collected {
    /// What was printed before.
    pub(crate) fn after(printed: Printed) -> Self {
        Self(Mutex::new(Lines {
            kept: printed,
            ..Lines::default()
        }))
    }

    /// Drops what was printed behind the barrier of a checkpoint: it is printed once more by who goes on from that.
    pub(crate) fn go_back_to(&self, checkpoint: u64) {
        let mut lines = self.lines();
        let (since, barriers) = (
            std::mem::take(&mut lines.since),
            std::mem::take(&mut lines.barriers),
        );
        for (at, (task, table, line)) in since.into_iter().enumerate() {
            // A task to which no barrier came had ended.
            if barriers
                .get(&(task, checkpoint))
                .is_none_or(|barrier| at < *barrier)
            {
                lines.kept.entry(table).or_default().push(line);
            }
        }
    }

    /// Takes all that was printed.
    pub(crate) fn take(&self) -> Printed {
        let mut lines = self.lines();
        for (_, table, line) in std::mem::take(&mut lines.since) {
            lines.kept.entry(table).or_default().push(line);
        }
        std::mem::take(&mut lines.kept)
    }

    fn lines(&self) -> MutexGuard<'_, Lines> {
        self.0.lock().expect("no writer panicked")
    }
}

impl RowOutput for Collected {
    fn print(&self, table: &str, _subtask: u32, lines: &[u8], rows: usize) {
        let text = std::str::from_utf8(lines).expect("printed rows are UTF-8");
        let lines: Vec<_> = text.lines().map(str::to_owned).collect();
        assert_eq!(lines.len(), rows, "the sink says how many rows it prints");
        let lines = lines
            .into_iter()
            .map(|line| (task::try_id(), table.to_owned(), line));
        self.lines().since.extend(lines);
    }

    fn on_barrier(&self, checkpoint: u64) {
        let mut lines = self.lines();
        let printed = lines.since.len();
        // A task may have several sinks: nothing comes to any of them in between.
        lines
            .barriers
            .entry((task::try_id(), checkpoint))
            .or_insert(printed);
    }
}
