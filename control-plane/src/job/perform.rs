//! Does what was decided for a job.
//!
//! What an action makes of the job is kept in the metadata store before any worker hears of it, so that a control
//! plane that dies in between finds a record that is ahead of the workers, never behind them.

use weir_model::{Failure, JobId, Phase, WorkerId, api::Placement};
use weir_proto::{
    control::{Assignment, Deploy, SourceSplits},
    graph::JobGraph,
};

use super::{
    Job,
    decide::{Action, waiting_reason},
    splits, transition,
};
use crate::{
    context::Context,
    db::{
        StoreError,
        events::{Actor, Kind, NewEvent},
        transitions::ExecutionChange,
    },
};

/// Does it. [`StoreError::Stale`] means that the job moved on meanwhile: look at it again.
pub async fn perform(context: &Context, job: &Job, action: &Action) -> Result<(), StoreError> {
    tracing::debug!(job = %job.id, ?action, "performs");
    match action {
        Action::Deploy => return deploy(context, job).await,
        Action::Start => context.cluster.start(job.id, job.generation),
        Action::StopTasks => context.cluster.stop(job.id),
        Action::Forget => {
            context.cluster.forget(job.id);
            context.metrics.forget(job.id);
        }
        Action::Wait { .. }
        | Action::MarkRunning
        | Action::Restart { .. }
        | Action::Reschedule
        | Action::End { .. } => {
            keep(context, job, action, execution_change(context, job, action)).await?;
        }
    }
    Ok(())
}

/// Keeps what the action makes of the job, and tells of it.
async fn keep(
    context: &Context,
    job: &Job,
    action: &Action,
    execution: ExecutionChange,
) -> Result<(), StoreError> {
    let now_ms = context.clock.now_ms();
    let Some(after) = transition::apply(job, action, now_ms) else {
        return Ok(());
    };
    let events: Vec<_> = event(context, job, &after, action).into_iter().collect();
    context
        .store
        .move_job(job, &after, &execution, &events, now_ms)
        .await?;
    if after.phase != job.phase {
        tracing::info!(job = %job.id, from = %job.phase, to = %after.phase, reason = after.phase_reason, "a job moved");
    }
    context.moves.tell(job.id);
    Ok(())
}

fn execution_change(context: &Context, job: &Job, action: &Action) -> ExecutionChange {
    match action {
        Action::Restart { failure, .. } => ExecutionChange::End {
            failure: Some(failure.clone()),
            metrics: context.metrics.of_job(job.id),
        },
        Action::End { phase, failure } => {
            let cancelled = || (*phase == Phase::Cancelled).then(|| Failure::user("cancelled on request"));
            let failure = failure.clone().or_else(cancelled);
            ExecutionChange::End {
                failure,
                metrics: context.metrics.of_job(job.id),
            }
        }
        _ => ExecutionChange::None,
    }
}

fn event(context: &Context, job: &Job, after: &Job, action: &Action) -> Option<NewEvent> {
    let now_ms = context.clock.now_ms();
    let limit = context.limits.restart.limit;
    let (kind, message) = match action {
        Action::Deploy => (
            Kind::ExecutionStarted,
            format!("execution {} started on {} slots", after.attempt, job.parallelism),
        ),
        Action::MarkRunning => (Kind::JobRunning, "all tasks run".to_owned()),
        Action::Restart {
            failure,
            restarts,
            at_ms,
        } => {
            let wait_s = ((at_ms - now_ms).max(0) as f64 / 100.0).round() / 10.0;
            (
                Kind::RestartScheduled,
                format!("restart {restarts} of {limit} in {wait_s} s: {failure}"),
            )
        }
        Action::End {
            phase: Phase::Finished,
            ..
        } => (Kind::JobFinished, "all input was read".to_owned()),
        Action::End {
            phase: Phase::Cancelled,
            ..
        } => (Kind::JobCancelled, "all tasks have stopped".to_owned()),
        Action::End { failure, .. } => (
            Kind::JobFailed,
            failure.as_ref().map(ToString::to_string).unwrap_or_default(),
        ),
        Action::Wait { .. } | Action::Reschedule | Action::Start | Action::StopTasks | Action::Forget => {
            return None;
        }
    };
    Some(NewEvent {
        at_ms: now_ms,
        actor: Actor::ControlPlane,
        job: Some(job.id),
        kind,
        message,
    })
}

async fn deploy(context: &Context, job: &Job) -> Result<(), StoreError> {
    let graph = context.store.graph_of_job(job.id).await?;
    let splits = match enumerate(context, &graph).await {
        Ok(splits) => splits,
        Err(failure) => return cannot_deploy(context, job, failure).await,
    };
    let now_ms = context.clock.now_ms();
    let Some(after) = transition::apply(job, &Action::Deploy, now_ms) else {
        return Ok(());
    };
    let Some(placement) = context.cluster.reserve(job.id, after.generation, &tasks(&graph)) else {
        // Another job was quicker.
        let observed = context.cluster.observe(job.id);
        let reason = waiting_reason(job.parallelism, observed.free_slots, observed.workers);
        return keep(context, job, &Action::Wait { reason }, ExecutionChange::None).await;
    };
    let begin = ExecutionChange::Begin {
        placement: placement.clone(),
    };
    if let Err(error) = keep(context, job, &Action::Deploy, begin).await {
        context.cluster.forget(job.id);
        return Err(error);
    }
    context
        .cluster
        .deploy(job.id, messages(context, &after, &graph, &placement, splits));
    Ok(())
}

async fn enumerate(context: &Context, graph: &JobGraph) -> Result<Vec<SourceSplits>, Failure> {
    let patience = context.limits.deploy_timeout;
    tokio::select! {
        splits = splits::enumerate(graph) => splits,
        () = context.clock.sleep(patience) => {
            Err(Failure::external(format!("the sources did not say within {} s what to read", patience.as_secs())))
        }
    }
}

/// What the sources have is not known: the same as a failure of an execution.
async fn cannot_deploy(context: &Context, job: &Job, failure: Failure) -> Result<(), StoreError> {
    let rules = super::reconcile::rules(&context.limits);
    let action = super::decide::after_failure(job, failure, context.clock.now_ms(), &rules);
    keep(context, job, &action, ExecutionChange::None).await
}

/// The tasks' ids with their parallelism.
fn tasks(graph: &JobGraph) -> Vec<(u32, u32)> {
    let mut tasks: Vec<_> = graph
        .operators
        .iter()
        .map(|operator| (operator.task, operator.parallelism))
        .collect();
    tasks.sort_unstable();
    tasks.dedup_by_key(|(task, _)| *task);
    tasks
}

/// One deployment message per worker: the whole graph and all assignments, and the splits of its own subtasks.
fn messages(
    context: &Context,
    job: &Job,
    graph: &JobGraph,
    placement: &[Placement],
    splits: Vec<SourceSplits>,
) -> Vec<(WorkerId, Deploy)> {
    let assignments: Vec<_> = placement
        .iter()
        .map(|placement| assignment(context, placement))
        .collect();
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
                state_url: None,
                restored_checkpoint: None,
            };
            deploys.push((placed.worker, deploy));
        }
    }
    for split in splits {
        let task = graph
            .operators
            .iter()
            .find(|operator| operator.id == split.operator)
            .map(|o| o.task);
        let home = placement
            .iter()
            .find(|p| Some(p.task.0) == task && p.subtask.0 == split.subtask);
        if let Some((_, deploy)) =
            home.and_then(|p| deploys.iter_mut().find(|(worker, _)| *worker == p.worker))
        {
            deploy.splits.push(split);
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
    context.cluster.forget(job);
    context.metrics.forget(job);
}
