//! Opens sinks.

use std::sync::Arc;

use weir_connector::{SinkContext, connector};
use weir_model::Failure;
use weir_proto::graph;

use super::{
    checkpoint::Beginning,
    commits::SinkCommits,
    output::SinkWriter,
    subtask::{Job, table},
};

/// A sink to open, the operator at a position of the chain.
pub(super) struct OpeningSink<'a> {
    pub(super) operator: &'a graph::Operator,
    pub(super) sink: &'a graph::Sink,
    pub(super) subtask: u32,
    pub(super) node: usize,
    pub(super) beginning: &'a Beginning,
}

/// Opens a sink. What an earlier deployment had prepared for the checkpoint that this one begins with is committed first.
pub(super) async fn open_sink(job: &Job, opening: OpeningSink<'_>) -> Result<SinkWriter, Failure> {
    let OpeningSink {
        operator,
        sink,
        subtask,
        node,
        beginning,
    } = opening;
    let table = table(sink.table.as_ref(), &job.secrets)?;
    let factory = connector(&table.connector)
        .and_then(|c| c.sink(&table))
        .map_err(|e| Failure::user(e.to_string()))?;
    let before = beginning.of(&operator.uid);
    let commits: Vec<String> = before.flat_map(|state| state.commits.clone()).collect();
    factory.commit(&commits).await?;
    let takes_checkpoints = job.checkpoints.is_some();
    let context = SinkContext {
        job: job.job.clone(),
        generation: job.generation.0,
        restored: job.restored,
        takes_checkpoints,
        operator: operator.id,
        uid: operator.uid.clone(),
        subtask,
        parallelism: operator.parallelism,
        clock: Arc::clone(&job.clock),
        output: Arc::clone(&job.output),
    };
    let writer = factory.open(context).await?;
    let commits = Arc::new(SinkCommits::new(
        (operator.task, subtask),
        factory,
        Arc::clone(&job.secrets),
    ));
    job.commits.add(Arc::clone(&commits));
    Ok(SinkWriter::new(writer, commits, takes_checkpoints, node))
}
