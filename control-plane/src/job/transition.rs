//! What an action makes of the job's record. Pure, so that the metadata store only has to keep it.

use weir_model::{Attempt, Generation, Phase};

use super::{Job, decide::Action};

/// The job's record after the action at this time; none when the action does not touch it.
///
/// The version, the id and what people want of the job never change here.
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
            ..job.clone()
        },
        Action::Restart {
            failure,
            restarts,
            at_ms,
        } => Job {
            phase: Phase::Restarting,
            phase_reason: Some(failure.to_string()),
            failure: Some(failure.clone()),
            restarts: *restarts,
            restart_at_ms: Some(*at_ms),
            running_since_ms: None,
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
        Action::Start | Action::StopTasks | Action::Forget => return None,
    };
    Some(next)
}
