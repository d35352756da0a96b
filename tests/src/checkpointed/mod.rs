//! Runs a script in stages, in this process: each takes checkpoints, is stopped at the last of them, and the next one goes on from it.
//!
//! The coordinator is the one of the control plane; what workers and the metadata store do otherwise is done here.

mod kept;
mod stage;

use std::{collections::BTreeMap, path::Path, sync::Arc};

use tempfile::TempDir;
use weir_checkpoint::{
    manifest::{CheckpointId, Manifest},
    restore::{self, FoundSplits, OperatorShape, Role, Shape, TaskShape},
};
use weir_model::{Failure, Generation};
use weir_planner::PlanOptions;
use weir_proto::graph::{JobGraph, operator::Spec};
use weir_worker::{
    local::LocalStats,
    runtime::{align::Patience, tables},
    state::backend::Kind,
};

use crate::local::{Collected, Printed, Refused};
pub use kept::{go_on, keep};
use stage::Stage;

/// How one stage runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// Subtasks of each operator.
    pub parallelism: u32,
    /// How its rows are kept.
    pub backend: Kind,
    /// How long channels wait for each other's barriers.
    pub patience: Patience,
    /// Memory is short each time that so many operators have looked whether it is, so that state is written to disk; none: it never is.
    pub memory_is_short_every: Option<u32>,
    /// What it ends with, if it has not finished before; none: it runs to the end of the input.
    pub end: Option<End>,
}

/// What a stage ends with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The third checkpoint.
    Checkpoint,
    /// A savepoint after the third checkpoint.
    Savepoint,
}

/// What is left when one stage has ended.
#[derive(Debug)]
struct Left {
    manifest: Manifest,
    /// The URL of the folder that its paths are relative to.
    folder: String,
}

/// Runs a bounded script in these stages. Sources read a row or two from one checkpoint to the next.
pub async fn run(sql: &str, runs: &[Run]) -> Result<(Printed, LocalStats), Refused> {
    let folder = TempDir::new().expect("a folder for state");
    let rows = Arc::new(Collected::default());
    let mut stats = LocalStats::default();
    let mut left: Option<Left> = None;
    for (generation, run) in (1..).zip(runs) {
        let stage = stage(sql, *run, generation, folder.path(), &rows).await?;
        let (counted, next) = stage.run(left.take()).await.map_err(Refused::Running)?;
        add(&mut stats, counted);
        left = next;
        match &left {
            Some(left) => rows.go_back_to(left.manifest.checkpoint.0),
            None => break,
        }
    }
    Ok((rows.take(), stats))
}

/// A stage that works in this folder.
async fn stage(
    sql: &str,
    run: Run,
    generation: u64,
    folder: &Path,
    rows: &Arc<Collected>,
) -> Result<Stage, Refused> {
    let options = PlanOptions {
        parallelism: Some(run.parallelism),
        ..PlanOptions::default()
    };
    let mut graph = weir_planner::plan(sql, &options)
        .await
        .map_err(Refused::Planning)?
        .graph;
    if let Some(settings) = &mut graph.settings {
        settings.batch_rows = 2;
    }
    Ok(Stage {
        run,
        generation: Generation(generation),
        graph: Arc::new(graph),
        root: folder.to_owned(),
        output: Arc::clone(rows),
    })
}

fn add(all: &mut LocalStats, stage: LocalStats) {
    all.late_rows += stage.late_rows;
    if all.sources.is_empty() {
        (all.sources, all.sinks) = (stage.sources, stage.sinks);
        return;
    }
    let pairs = all.sources.iter_mut().zip(stage.sources);
    for (all, stage) in pairs.chain(all.sinks.iter_mut().zip(stage.sinks)) {
        all.rows_in += stage.rows_in;
        all.rows_out += stage.rows_out;
        all.skipped_records += stage.skipped_records;
    }
}

/// A graph as far as state goes.
fn shape(graph: &JobGraph) -> Shape {
    let mut tables = tables::of(graph);
    let mut tasks: BTreeMap<u32, TaskShape> = BTreeMap::new();
    for operator in &graph.operators {
        let role = match &operator.spec {
            Some(Spec::Source(_)) => Role::Source,
            Some(Spec::Sink(_)) => Role::Sink,
            Some(Spec::Calc(_) | Spec::Union(_) | Spec::Unnest(_) | Spec::LookupJoin(_)) => Role::Stateless,
            _ => Role::Stateful,
        };
        let task = tasks.entry(operator.task).or_insert_with(|| TaskShape {
            task: operator.task,
            parallelism: operator.parallelism,
            operators: Vec::new(),
        });
        task.operators.push(OperatorShape {
            uid: operator.uid.clone(),
            name: operator.name.clone(),
            role,
            tables: tables.remove(&operator.uid),
        });
    }
    Shape {
        max_parallelism: graph.max_parallelism,
        tasks: tasks.into_values().collect(),
    }
}

/// What every subtask begins with. What a script left itself, it keeps: a report that says otherwise is wrong.
fn assign(left: &Left, graph: &JobGraph) -> Result<Vec<restore::Assigned>, Failure> {
    let shape = shape(graph);
    match restore::compatibility(&left.manifest, &shape).refusal(false) {
        Some(refusal) => Err(refusal),
        None => restore::assign(&left.manifest, &shape, &FoundSplits::new()),
    }
}

fn url(folder: &Path) -> String {
    format!("file://{}", folder.display())
}

/// The number of the first checkpoint of a stage that begins with what is left of another.
fn next(left: Option<&Left>) -> CheckpointId {
    CheckpointId(left.map_or(1, |left| left.manifest.checkpoint.0 + 1))
}
