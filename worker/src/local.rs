//! A job in one process: no cluster, no metadata store.

use std::{collections::HashMap, sync::Arc};

use serde::Serialize;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio_util::sync::CancellationToken;
use weir_connector::{RowOutput, Secrets, Split, connector};
use weir_env::Clock;
use weir_model::{Failure, Generation};
use weir_proto::{
    control::OperatorMetrics,
    graph::{JobGraph, operator::Spec},
};

use crate::runtime::{
    compute::Compute,
    deployment::{Deployment, Location, Order},
    news::{Happened, Stage, SubtaskEvent},
    plan,
    subtask::{Job, table},
};

/// What a local run takes from its surroundings.
#[derive(Clone, Debug)]
pub struct LocalOptions {
    /// Where `print` sinks put rows.
    pub output: Arc<dyn RowOutput>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Threads that compute.
    pub threads: usize,
    /// What functions of chance begin with.
    pub seed: u64,
    /// Restores every operator from its own snapshot after so many calls; none: never.
    pub rehearsal: Option<u32>,
    /// What tables name by `${secret:name}`.
    pub secrets: Arc<Secrets>,
}

/// What a local run counted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LocalStats {
    /// One entry per source, in the graph's order, summed over its subtasks.
    pub sources: Vec<OperatorStats>,
    /// One entry per sink, likewise.
    pub sinks: Vec<OperatorStats>,
    /// Rows that came after their window had fired, and were not aggregated, in all operators.
    pub late_rows: u64,
}

/// What one source or sink counted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct OperatorStats {
    /// Its name in the graph.
    pub name: String,
    /// Rows taken; for a source: read.
    pub rows_in: u64,
    /// Rows emitted; for a sink: written.
    pub rows_out: u64,
    /// Records that could not be parsed and were skipped, as the table asked.
    pub skipped_records: u64,
}

/// Runs a job to the end of its input, or until it fails or is cancelled.
///
/// # Errors
/// The first failure, which is the root cause: the rest is cancelled. A cancelled run ends well with what it counted so
/// far.
pub async fn run_local(
    graph: JobGraph,
    options: LocalOptions,
    cancel: CancellationToken,
) -> Result<LocalStats, Failure> {
    let tasks = plan::tasks(&graph)?;
    let splits = splits(&graph, &options.secrets).await?;
    let graph = Arc::new(graph);
    let subtasks = tasks
        .iter()
        .flat_map(|t| (0..t.parallelism).map(|subtask| (t.task, subtask)));
    let placement: HashMap<_, _> = subtasks.map(|subtask| (subtask, Location::Here)).collect();
    let expected = placement.len();
    let job = Job {
        // Names the files of sinks, so that a second run into the same folder adds to it.
        job: format!("local-{}", options.clock.now_ms()),
        generation: Generation(1),
        graph: Arc::clone(&graph),
        clock: options.clock,
        output: options.output,
        seed: options.seed,
        alignment: Arc::default(),
        rehearsal: options.rehearsal,
        checkpoints: None,
        restored: None,
        commits: Arc::default(),
        secrets: options.secrets,
    };
    let compute = Compute::new(options.threads)
        .map_err(|e| Failure::internal(format!("cannot start threads for tasks: {e}")))?;
    let (events, news) = unbounded_channel();
    let deployment = Deployment::bring_up(
        Order {
            job,
            placement,
            splits,
            restore: HashMap::new(),
        },
        None,
        &compute.handle(),
        &events,
    )?;
    deployment.start();
    wait_for_end(&deployment, expected, news, &cancel).await?;
    Ok(stats(&graph, &deployment))
}

/// What the sources have to read, by operator and subtask: split i goes to subtask i mod parallelism.
pub async fn splits(graph: &JobGraph, secrets: &Secrets) -> Result<HashMap<(u32, u32), Vec<Split>>, Failure> {
    let mut all: HashMap<(u32, u32), Vec<Split>> = HashMap::new();
    for operator in &graph.operators {
        let Some(Spec::Source(source)) = &operator.spec else {
            continue;
        };
        let table = table(source.table.as_ref(), secrets)?;
        let factory = connector(&table.connector)
            .and_then(|c| c.source(&table))
            .map_err(|e| Failure::user(e.to_string()))?;
        for (i, split) in factory
            .splits(operator.parallelism)
            .await?
            .into_iter()
            .enumerate()
        {
            all.entry((operator.id, i as u32 % operator.parallelism))
                .or_default()
                .push(split);
        }
    }
    Ok(all)
}

async fn wait_for_end(
    deployment: &Deployment,
    mut running: usize,
    mut news: UnboundedReceiver<SubtaskEvent>,
    cancel: &CancellationToken,
) -> Result<(), Failure> {
    let mut root_cause = None;
    while running > 0 {
        let event = tokio::select! {
            event = news.recv() => event,
            () = cancel.cancelled() => {
                deployment.cancel();
                news.recv().await
            }
        };
        let Some(event) = event else { break };
        let Happened::Stage { stage, .. } = event.happened else {
            continue;
        };
        running -= usize::from(stage.is_final());
        if let Stage::Failed(failure) = stage {
            deployment.cancel();
            root_cause.get_or_insert(failure);
        }
    }
    root_cause.map_or(Ok(()), Err)
}

/// What the subtasks of a deployment have counted.
pub fn stats(graph: &JobGraph, deployment: &Deployment) -> LocalStats {
    let mut stats = LocalStats::default();
    let all: Vec<OperatorMetrics> = deployment
        .counters
        .iter()
        .flat_map(|subtask| subtask.operators.iter().map(|o| o.read()))
        .collect();
    for operator in &graph.operators {
        let of_operator = || all.iter().filter(|m| m.operator == operator.id);
        stats.late_rows += of_operator().map(|m| m.late_rows).sum::<u64>();
        let list = match operator.spec {
            Some(Spec::Source(_)) => &mut stats.sources,
            Some(Spec::Sink(_)) => &mut stats.sinks,
            _ => continue,
        };
        list.push(OperatorStats {
            name: operator.name.clone(),
            rows_in: of_operator().map(|m| m.rows_in).sum(),
            rows_out: of_operator().map(|m| m.rows_out).sum(),
            skipped_records: of_operator().map(|m| m.skipped_records).sum(),
        });
    }
    stats
}
