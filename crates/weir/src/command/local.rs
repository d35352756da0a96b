//! `weir local`: a script in this process.

use std::{io::Write as _, sync::Arc, time::Duration};

use serde_json::{Value, json};
use weir_connector::{RowOutput, Secrets};
use weir_env::{Clock, SystemClock, ids};
use weir_planner::PlanOptions;
use weir_worker::local::{LocalOptions, LocalStats, run_local};

use crate::{arguments::Local, outcome::Outcome};

pub(super) async fn local(arguments: Local) -> Result<(), Outcome> {
    super::init_log("warn");
    let sql = super::read_script(&arguments.file)?;
    let shutdown = super::shutdown_signal()?;
    let clock = Arc::new(SystemClock::new());
    let secrets = Arc::new(secrets(std::env::vars()));
    let planned = weir_planner::plan(
        &sql,
        &PlanOptions {
            parallelism: arguments.parallelism,
            secrets: Arc::clone(&secrets),
        },
    )
    .await
    .map_err(|problem| Outcome::problem(&problem, Some(&sql)))?;
    let options = LocalOptions {
        output: Arc::new(StandardOutput),
        clock: clock.clone(),
        threads: super::worker::threads(arguments.threads),
        seed: ids::system().seed(),
        rehearsal: None,
        secrets,
    };
    let cancelled = shutdown.clone();
    let stats = run_local(planned.graph, options, shutdown)
        .await
        .map_err(|failure| Outcome::failed(failure.to_string()))?;
    if arguments.stats {
        eprintln!("{}", statistics(&stats, clock.elapsed()));
    }
    if cancelled.is_cancelled() {
        return Err(Outcome::failed("cancelled"));
    }
    Ok(())
}

/// What a script may name by `${secret:name}`: `WEIR_SECRET_name` in the environment, as there is no cluster that keeps any.
fn secrets(variables: impl Iterator<Item = (String, String)>) -> Secrets {
    let named =
        |(name, value): (String, String)| Some((name.strip_prefix("WEIR_SECRET_")?.to_owned(), value));
    variables.filter_map(named).collect()
}

/// Printed rows as JSON lines on the standard output.
#[derive(Debug)]
struct StandardOutput;

impl RowOutput for StandardOutput {
    fn print(&self, _table: &str, _subtask: u32, lines: &[u8], _rows: usize) {
        // A reader that has gone away (`| head`) is not an error.
        let _ = std::io::stdout().lock().write_all(lines);
    }
}

/// One line: rows per source and sink, wall and CPU seconds of the process, peak memory in bytes.
fn statistics(stats: &LocalStats, wall: Duration) -> Value {
    let used = Usage::of_this_process();
    let read: u64 = stats.sources.iter().map(|s| s.rows_in).sum();
    json!({
        "sources": stats.sources,
        "sinks": stats.sinks,
        "late_rows": stats.late_rows,
        "wall_seconds": wall.as_secs_f64(),
        "cpu_seconds": used.cpu_seconds,
        "peak_memory_bytes": used.peak_memory_bytes,
        "rows_per_cpu_second": (read as f64 / used.cpu_seconds.max(1e-9)).round(),
    })
}

struct Usage {
    cpu_seconds: f64,
    peak_memory_bytes: i64,
}

impl Usage {
    fn of_this_process() -> Self {
        use nix::sys::{
            resource::{UsageWho, getrusage},
            time::TimeValLike as _,
        };
        let Ok(usage) = getrusage(UsageWho::RUSAGE_SELF) else {
            return Self {
                cpu_seconds: 0.0,
                peak_memory_bytes: 0,
            };
        };
        let micros = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
        // Linux reports kibibytes, macOS bytes.
        let unit = if cfg!(target_os = "macos") { 1 } else { 1024 };
        Self {
            cpu_seconds: micros as f64 / 1e6,
            peak_memory_bytes: usage.max_rss() * unit,
        }
    }
}
