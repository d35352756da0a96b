//! What an action makes of the job's record. Pure, so that the metadata store only has to keep it.

use weir_model::{Attempt, Generation, Phase};

use super::{Base, Desired, Job, decide::Action};

/// The job's record after the action at this time; none when the action does not touch it.
///
/// The version and the id never change here, nor what people want of the job, except that a stop which failed is over.
pub fn apply(job: &Job, action: &Action, now_ms: i64) -> Option<Job> {
    let next = match action {
        Action::Wait { reason } => Job {
            phase: Phase::Scheduling,
            phase_reason: Some(reason.clone()),
            ..job.clone()
        },
        Action::Deploy => Job {
            phase: Phase::Scheduling,
            phase_reason: Some("bringing up its tasks".into()),
            attempt: Attempt(job.attempt.0 + 1),
            generation: Generation(job.generation.0 + 1),
            running_since_ms: None,
            restart_at_ms: None,
            ..job.clone()
        },
        Action::MarkRunning => Job {
            phase: Phase::Running,
            phase_reason: None,
            started_at_ms: job.started_at_ms.or(Some(now_ms)),
            running_since_ms: Some(now_ms),
            failed_coming_up: false,
            ..job.clone()
        },
        Action::Restart {
            failure,
            restarts,
            at_ms,
            remember_ms,
        } => Job {
            phase: Phase::Restarting,
            phase_reason: Some(failure.to_string()),
            failure: Some(failure.clone()),
            restarts: *restarts,
            restart_at_ms: Some(*at_ms),
            running_since_ms: None,
            failed_coming_up: job.phase == Phase::Scheduling,
            failures_at_ms: failures(job, *remember_ms, now_ms),
            // Without its savepoint it does not stop: it goes on.
            desired: Desired::Running,
            stop_savepoint: None,
            drain: false,
            ..job.clone()
        },
        Action::Reschedule => Job {
            phase: Phase::Scheduling,
            phase_reason: Some("waiting for slots".into()),
            // Whatever of the failed deployment is still about is stale from here on.
            generation: Generation(job.generation.0 + 1),
            restart_at_ms: None,
            ..job.clone()
        },
        Action::End { phase, failure } => Job {
            phase: *phase,
            phase_reason: failure.as_ref().map(ToString::to_string),
            failure: failure.clone().or_else(|| job.failure.clone()),
            running_since_ms: None,
            restart_at_ms: None,
            ended_at_ms: Some(now_ms),
            ..job.clone()
        },
        Action::GoOn { why } => Job {
            phase: Phase::Running,
            phase_reason: Some(format!("it was not stopped: {why}")),
            desired: Desired::Running,
            stop_savepoint: None,
            drain: false,
            ..job.clone()
        },
        Action::Stopped { savepoint } => Job {
            phase: Phase::Stopped,
            phase_reason: None,
            base: savepoint.map_or(job.base, |(savepoint, number)| Base {
                savepoint: Some(savepoint),
                // What it did before is no way back once it has been stopped.
                number: number + 1,
                allow_dropped_state: false,
            }),
            stop_savepoint: None,
            drain: false,
            running_since_ms: None,
            restart_at_ms: None,
            ended_at_ms: Some(now_ms),
            ..job.clone()
        },
        Action::Rescale { parallelism } => Job {
            phase: Phase::Scheduling,
            phase_reason: Some(format!("rescaling to {parallelism}")),
            parallelism: *parallelism,
            rescale_to: None,
            ..job.clone()
        },
        Action::Start | Action::HandOver | Action::StopTasks | Action::Forget => return None,
    };
    Some(next)
}

/// When the job failed, now included, no further back than its strategy looks.
fn failures(job: &Job, remember_ms: i64, now_ms: i64) -> Vec<i64> {
    if remember_ms == 0 {
        return Vec::new();
    }
    let since_ms = now_ms.saturating_sub(remember_ms);
    let before = job.failures_at_ms.iter().copied();
    before.filter(|at| *at > since_ms).chain([now_ms]).collect()
}
