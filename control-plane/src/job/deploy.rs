//! Brings a job up: what it reads, what it begins with, where it runs.

use std::collections::HashMap;

use weir_connector::Secrets;
use weir_model::{Failure, JobId, WorkerId, api::Placement};
use weir_proto::{
    control::{Assignment, Deploy, SourceSplits},
    graph::{JobGraph, operator::Spec},
};

use super::{
    Job,
    decide::{Action, waiting_reason},
    perform::{keep, keep_as},
    splits, transition,
};
use crate::{
    checkpoint::{
        begin::{self, Beginning},
        coordinate, folder,
        history::Trouble,
        settings,
    },
    context::Context,
    db::{StoreError, transitions::ExecutionChange},
    secrets,
};

/// Takes slots and sends the tasks, with what they begin with.
pub(super) async fn deploy(context: &Context, job: &Job) -> Result<(), StoreError> {
    // What the deployment before has begun must be there, or never be, before one of its checkpoints is chosen.
    context.checkpoints.close(job.id).await;
    let graph = context.store.graph_of_job(job.id).await?;
    let secrets = named(context, &graph).await?;
    let beginning = match prepare(context, job, &graph, &secrets).await {
        Ok(beginning) => beginning,
        Err(Trouble::Store(error)) => return Err(error),
        Err(Trouble::Failure(failure)) => return cannot_deploy(context, job, failure).await,
    };
    let now_ms = context.clock.now_ms();
    let Some(after) = transition::apply(job, &Action::Deploy, now_ms) else {
        return Ok(());
    };
    let after = Job {
        restored_from: beginning.restored_from,
        ..after
    };
    let tasks = settings::tasks(&graph);
    let before = context.store.last_slots(job.id).await?;
    let Some(placement) = context.cluster.reserve(job.id, after.generation, &tasks, &before) else {
        // Another job was quicker.
        let observed = context.cluster.observe(job.id);
        let reason = waiting_reason(job.parallelism, observed.free_slots, observed.workers);
        return keep(context, job, &Action::Wait { reason }).await;
    };
    let begin = ExecutionChange::Begin {
        placement: placement.clone(),
    };
    let said = beginning.said.clone();
    if let Err(error) = keep_as(context, job, &after, &Action::Deploy, begin, said).await {
        context.cluster.forget(job.id, false);
        return Err(error);
    }
    if let Some(state_url) = &context.state_url {
        coordinate::begin(context, state_url, &after, &graph, beginning.known.clone());
    }
    let mut deploys = messages(context, &after, &graph, &placement, beginning);
    for (_, deploy) in &mut deploys {
        let owned = secrets
            .iter()
            .map(|(name, value)| (name.to_owned(), value.to_owned()));
        deploy.secrets = owned.collect();
    }
    context.cluster.deploy(job.id, deploys);
    Ok(())
}

/// What the sources have, and what everything begins with.
async fn prepare(
    context: &Context,
    job: &Job,
    graph: &JobGraph,
    secrets: &Secrets,
) -> Result<Beginning, Trouble> {
    let splits = enumerate(context, graph, secrets).await?;
    begin::begin(context, job, graph, splits).await
}

/// The secrets that the graph's tables name.
async fn named(context: &Context, graph: &JobGraph) -> Result<Secrets, StoreError> {
    let all = secrets::load(&context.store, context.secret_key.as_ref()).await?;
    let tables = graph
        .operators
        .iter()
        .filter_map(|operator| match &operator.spec {
            Some(Spec::Source(source)) => source.table.as_ref(),
            Some(Spec::LookupJoin(join)) => join.table.as_ref(),
            Some(Spec::Sink(sink)) => sink.table.as_ref(),
            _ => None,
        });
    Ok(all.named_in(tables.flat_map(|table| table.options.values().map(String::as_str))))
}

async fn enumerate(
    context: &Context,
    graph: &JobGraph,
    secrets: &Secrets,
) -> Result<Vec<SourceSplits>, Failure> {
    let patience = context.limits.deploy_timeout;
    tokio::select! {
        splits = splits::enumerate(graph, secrets) => splits.map_err(|failure| Failure {
            message: secrets.mask(&failure.message),
            ..failure
        }),
        () = context.clock.sleep(patience) => {
            Err(Failure::external(format!("the sources did not say within {} s what to read", patience.as_secs())))
        }
    }
}

/// What the sources have, or what the job begins with, is not known: the same as a failure of an execution.
async fn cannot_deploy(context: &Context, job: &Job, failure: Failure) -> Result<(), StoreError> {
    let rules = super::reconcile::rules(context);
    let action = super::decide::after_failure(job, failure, context.clock.now_ms(), &rules);
    keep(context, job, &action).await
}

/// One deployment message per worker: the whole graph and all assignments, and what its own subtasks begin with.
fn messages(
    context: &Context,
    job: &Job,
    graph: &JobGraph,
    placement: &[Placement],
    beginning: Beginning,
) -> Vec<(WorkerId, Deploy)> {
    let assignments: Vec<_> = placement
        .iter()
        .map(|placement| assignment(context, placement))
        .collect();
    let state_url = context
        .state_url
        .as_deref()
        .map(|url| folder::of_job(url, job.id));
    let mut deploys: Vec<(WorkerId, Deploy)> = Vec::new();
    for placed in placement {
        if deploys.iter().all(|(worker, _)| *worker != placed.worker) {
            let deploy = Deploy {
                job_id: job.id.to_string(),
                job_name: job.name.clone(),
                generation: job.generation.0,
                attempt: job.attempt.0,
                graph: Some(graph.clone()),
                assignments: assignments.clone(),
                splits: Vec::new(),
                restore: Vec::new(),
                state_url: state_url.clone(),
                restored_checkpoint: beginning.number,
                secrets: HashMap::new(),
            };
            deploys.push((placed.worker, deploy));
        }
    }
    let home = |task: Option<u32>, subtask: u32| {
        let placed = |p: &&Placement| Some(p.task.0) == task && p.subtask.0 == subtask;
        placement.iter().find(placed).map(|p| p.worker)
    };
    for split in beginning.splits {
        let source = graph
            .operators
            .iter()
            .find(|operator| operator.id == split.operator);
        if source.is_some_and(splits::discovers) {
            for (_, deploy) in &mut deploys {
                deploy.splits.push(split.clone());
            }
            continue;
        }
        let worker = home(source.map(|source| source.task), split.subtask);
        if let Some((_, deploy)) = deploys.iter_mut().find(|(of, _)| Some(*of) == worker) {
            deploy.splits.push(split);
        }
    }
    for restore in beginning.restore {
        let worker = home(Some(restore.task), restore.subtask);
        if let Some((_, deploy)) = deploys.iter_mut().find(|(of, _)| Some(*of) == worker) {
            deploy.restore.push(restore);
        }
    }
    deploys
}

fn assignment(context: &Context, placement: &Placement) -> Assignment {
    let Placement {
        task,
        subtask,
        worker,
    } = *placement;
    Assignment {
        task: task.0,
        subtask: subtask.0,
        worker_id: worker.to_string(),
        // One that has gone meanwhile is lost, and the deployment with it.
        exchange_address: context.cluster.address(worker).unwrap_or_default(),
    }
}

/// Stops and drops what still runs of a job whose records are gone.
pub fn clear_away_deleted(context: &Context, job: JobId) {
    context.cluster.forget(job, true);
    context.checkpoints.forget(job);
    context.metrics.forget(job);
}
