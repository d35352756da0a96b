//! Does what was decided for a job.
//!
//! What an action makes of the job is kept in the metadata store before any worker hears of it, so that a control
//! plane that dies in between finds a record that is ahead of the workers, never behind them.

use weir_checkpoint::coordinator::{After, Savepoint};
use weir_model::{Failure, Phase};

use super::{Desired, Job, decide::Action, deploy, transition};
use crate::{
    checkpoint::Input,
    cluster::deployment::RestoredBytes,
    context::Context,
    db::{
        StoreError,
        events::{Actor, Kind, NewEvent},
        exceptions::NewException,
        transitions::ExecutionChange,
    },
};

/// Does it. [`StoreError::Stale`] means that the job moved on meanwhile: look at it again.
pub async fn perform(context: &Context, job: &Job, action: &Action) -> Result<(), StoreError> {
    tracing::debug!(job = %job.id, ?action, "performs");
    match action {
        Action::Deploy => return deploy::deploy(context, job).await,
        Action::Start => context.cluster.start(job.id, job.generation),
        Action::HandOver => return hand_over(context, job).await,
        Action::StopTasks => {
            if job.desired == Desired::Running && job.rescale_to.is_some() {
                let now_ms = context.clock.now_ms();
                context.store.rescale_suspended(job.id, now_ms).await?;
            }
            context.cluster.stop(job.id);
        }
        Action::Forget => {
            context.cluster.forget(job.id, job.phase != Phase::Stopped);
            context.checkpoints.forget(job.id);
            context.metrics.forget(job.id);
        }
        Action::Wait { .. }
        | Action::MarkRunning
        | Action::Restart { .. }
        | Action::Reschedule
        | Action::Rescale { .. }
        | Action::GoOn { .. }
        | Action::Stopped { .. }
        | Action::End { .. } => keep(context, job, action).await?,
    }
    Ok(())
}

/// Has the checkpoint taken that the next deployment begins with.
async fn hand_over(context: &Context, job: &Job) -> Result<(), StoreError> {
    let input = match job.stop_savepoint {
        None => Input::Checkpoint,
        Some(id) => Input::Savepoint {
            id,
            savepoint: Savepoint {
                url: context.store.savepoint(id).await?.url,
                after: if job.drain { After::Drain } else { After::Suspend },
            },
        },
    };
    if !context.checkpoints.hand_over(job, input) {
        tracing::warn!(job = %job.id, "there is no coordinator of its checkpoints");
    }
    Ok(())
}

/// Keeps what the action makes of the job, and tells of it.
pub(super) async fn keep(context: &Context, job: &Job, action: &Action) -> Result<(), StoreError> {
    let now_ms = context.clock.now_ms();
    let Some(after) = transition::apply(job, action, now_ms) else {
        return Ok(());
    };
    let execution = execution_change(context, job, action);
    keep_as(context, job, &after, action, execution, None).await
}

/// Keeps that the action makes this of the job, and tells of it, and what else there is to say about what it begins
/// with.
pub(super) async fn keep_as(
    context: &Context,
    job: &Job,
    after: &Job,
    action: &Action,
    execution: ExecutionChange,
    restored: Option<String>,
) -> Result<(), StoreError> {
    let now_ms = context.clock.now_ms();
    let mut events: Vec<_> = event(context, job, after, action).into_iter().collect();
    events.extend(restored.map(|message| NewEvent {
        at_ms: now_ms,
        actor: Actor::ControlPlane,
        job: Some(job.id),
        kind: Kind::StateRestored,
        message,
    }));
    let exception = exception(context, job, action);
    context
        .store
        .move_job(job, after, &execution, exception.as_ref(), &events, now_ms)
        .await?;
    if after.phase != job.phase {
        tracing::info!(job = %job.id, from = %job.phase, to = %after.phase, reason = after.phase_reason, "a job moved");
    }
    if let Some(why) = end_of_checkpoints(action) {
        context.checkpoints.end(job.id, why);
    }
    context.moves.tell(job.id);
    Ok(())
}

/// Why no further checkpoint is begun after the action, if none is.
fn end_of_checkpoints(action: &Action) -> Option<Failure> {
    match action {
        Action::Restart { failure, .. } => Some(failure.clone()),
        Action::End { failure, .. } => Some(
            failure
                .clone()
                .unwrap_or_else(|| Failure::user("the job has ended")),
        ),
        Action::Reschedule => Some(Failure::user("the job is deployed anew")),
        Action::Stopped { .. } => Some(Failure::user("the job was stopped")),
        _ => None,
    }
}

fn execution_change(context: &Context, job: &Job, action: &Action) -> ExecutionChange {
    let end = |failure| ExecutionChange::End {
        failure,
        metrics: context.metrics.of_job(job.id),
    };
    match action {
        Action::MarkRunning => ExecutionChange::Run,
        Action::Rescale { .. } => ExecutionChange::Rescale,
        Action::Restart { failure, .. } => end(Some(failure.clone())),
        Action::Reschedule if job.phase == Phase::Running => end(None),
        Action::Stopped { .. } => end(Some(Failure::user("stopped on request"))),
        Action::End { phase, failure } => {
            let cancelled = || (*phase == Phase::Cancelled).then(|| Failure::user("cancelled on request"));
            end(failure.clone().or_else(cancelled))
        }
        _ => ExecutionChange::None,
    }
}

/// The failure that the action is about, for the history of failures.
fn exception(context: &Context, job: &Job, action: &Action) -> Option<NewException> {
    let (failure, done) = match action {
        Action::Restart {
            failure,
            restarts,
            at_ms,
            ..
        } => {
            let wait = wait(*at_ms, context.clock.now_ms());
            (failure, format!("restart {restarts} after {wait} s"))
        }
        Action::End {
            failure: Some(failure),
            ..
        } => (failure, "the job failed".to_owned()),
        _ => return None,
    };
    Some(NewException {
        failure: failure.clone(),
        place: context.cluster.failed_at(job.id),
        done,
    })
}

/// Seconds from now on, with one decimal.
fn wait(at_ms: i64, now_ms: i64) -> f64 {
    ((at_ms - now_ms).max(0) as f64 / 100.0).round() / 10.0
}

fn event(context: &Context, job: &Job, after: &Job, action: &Action) -> Option<NewEvent> {
    let now_ms = context.clock.now_ms();
    let (kind, message) = match action {
        Action::Deploy => (
            Kind::ExecutionStarted,
            format!("execution {} started on {} slots", after.attempt, job.parallelism),
        ),
        Action::MarkRunning => (Kind::JobRunning, running(context.cluster.restored_bytes(job.id))),
        Action::Restart {
            failure,
            restarts,
            at_ms,
            ..
        } => {
            let strategy = job.restart_strategy.unwrap_or(context.limits.restart);
            let limit = strategy
                .limit()
                .map(|limit| format!(" of {limit}"))
                .unwrap_or_default();
            let wait = wait(*at_ms, now_ms);
            (
                Kind::RestartScheduled,
                format!("restart {restarts}{limit} in {wait} s: {failure}"),
            )
        }
        Action::Rescale { parallelism } => (
            Kind::JobRescaled,
            format!("parallelism {parallelism} instead of {}", job.parallelism),
        ),
        Action::Stopped { savepoint } => (Kind::JobStopped, stopped(*savepoint)),
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
        Action::Wait { .. }
        | Action::Reschedule
        | Action::Start
        | Action::HandOver
        | Action::GoOn { .. }
        | Action::StopTasks
        | Action::Forget => return None,
    };
    Some(NewEvent {
        at_ms: now_ms,
        actor: Actor::ControlPlane,
        job: Some(job.id),
        kind,
        message,
    })
}

fn running(RestoredBytes { local, downloaded }: RestoredBytes) -> String {
    if local + downloaded == 0 {
        return "all tasks run".to_owned();
    }
    let mib = |bytes: u64| (bytes as f64 / f64::from(1 << 20) * 10.0).ceil() / 10.0;
    let (local, downloaded) = (mib(local), mib(downloaded));
    format!("all tasks run; {local} MiB of their state were on the workers, {downloaded} MiB were downloaded")
}

fn stopped(savepoint: Option<(weir_model::SavepointId, u64)>) -> String {
    match savepoint {
        Some((id, number)) => format!("stopped with savepoint {id}, checkpoint {number}"),
        None => "stopped; it goes on from its last checkpoint".to_owned(),
    }
}
