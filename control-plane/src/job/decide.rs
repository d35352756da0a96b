//! From what is wanted of a job and what is seen of it to what to do next.
//!
//! Pure: no I/O, no clock. It is asked again and again, so that whatever a performed action failed to bring about is
//! simply decided again; an action that was performed must therefore show in the job or in what is observed.

use std::time::Duration;

use weir_model::{Failure, FailureClass, Generation, Phase};

use super::{Desired, Job};
use crate::config::RestartPolicy;

/// What is seen of a job and of the cluster at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Observed {
    /// The newest deployment that workers or the metadata store tell of, whichever generation it has.
    pub execution: Option<Execution>,
    /// Slots that are free on all workers.
    pub free_slots: u32,
    /// Workers that are connected.
    pub workers: u32,
}

/// The subtasks of one deployment, counted by state.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Execution {
    /// Which deployment.
    pub generation: Generation,
    /// On a worker that has not come back yet since this control plane started.
    pub awaited: u32,
    /// Sent to a worker, not reported yet.
    pub pending: u32,
    /// Wired, waiting for the start.
    pub deployed: u32,
    /// Running.
    pub running: u32,
    /// Finished.
    pub finished: u32,
    /// Stopped on request.
    pub cancelled: u32,
    /// Failed, or gone with their worker.
    pub failed: u32,
    /// The failure to act on, if any subtask failed or was lost; the user's fault before any other.
    pub failure: Option<Failure>,
    /// The start was sent.
    pub started: bool,
    /// Its workers were told to stop it.
    pub stopping: bool,
    /// Time since it was deployed, or since this control plane took it over.
    pub age: Duration,
}

impl Execution {
    /// All subtasks.
    pub fn total(&self) -> u32 {
        self.live() + self.finished + self.cancelled + self.failed
    }

    /// Subtasks that may still do something.
    pub fn live(&self) -> u32 {
        self.awaited + self.pending + self.deployed + self.running
    }
}

/// Bounds that decisions depend on.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// When failed jobs run again.
    pub restart: RestartPolicy,
    /// How long tasks may take to come up.
    pub deploy_timeout: Duration,
}

/// Something to do for a job.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Say why it does not run yet.
    Wait {
        /// For people.
        reason: String,
    },
    /// Take slots and send the tasks, under a new generation.
    Deploy,
    /// Tell the workers to start reading: all tasks are up.
    Start,
    /// Note that all tasks run.
    MarkRunning,
    /// Tell the workers to stop the tasks of the deployment that is seen.
    StopTasks,
    /// Wait out the backoff after a failure.
    Restart {
        /// What happened.
        failure: Failure,
        /// Restarts in a row, this one included.
        restarts: u32,
        /// When to go on, ms since 1970.
        at_ms: i64,
    },
    /// The backoff has passed: leave the failed deployment behind and wait for slots.
    Reschedule,
    /// Nothing will happen to the job any more.
    End {
        /// A terminal phase.
        phase: Phase,
        /// Why, unless it finished or was cancelled.
        failure: Option<Failure>,
    },
    /// Drop the deployment that is seen: it has ended, and so has the job.
    Forget,
}

/// How long past the backoff a restart waits for the last tasks of the failed deployment to stop. Then the new
/// generation fences them.
const STOP_PATIENCE: Duration = Duration::from_secs(10);

/// What to do for the job now, in this order. Empty: nothing, until something changes.
pub fn decide(job: &Job, observed: &Observed, now_ms: i64, rules: &Rules) -> Vec<Action> {
    let any = observed.execution.as_ref();
    if job.phase.is_terminal() {
        return any.map(clear_away).unwrap_or_default();
    }
    if job.desired == Desired::Cancelled {
        return match any {
            Some(execution) if execution.live() > 0 => stop(execution),
            _ => vec![Action::End {
                phase: Phase::Cancelled,
                failure: None,
            }],
        };
    }
    let current = any.filter(|execution| execution.generation == job.generation);
    match (job.phase, current) {
        (Phase::Restarting, _) => after_backoff(job, any, now_ms, rules),
        (Phase::Running, Some(execution)) => keep_running(job, execution, now_ms, rules),
        (Phase::Running, None) => {
            let failure = Failure::internal("no worker knows of the running tasks any more");
            vec![after_failure(job, failure, now_ms, rules)]
        }
        (_, Some(execution)) => bring_up(job, execution, now_ms, rules),
        (_, None) => find_slots(job, observed),
    }
}

/// The job has ended: so must its tasks.
fn clear_away(execution: &Execution) -> Vec<Action> {
    if execution.live() == 0 {
        vec![Action::Forget]
    } else {
        stop(execution)
    }
}

fn stop(execution: &Execution) -> Vec<Action> {
    if execution.stopping {
        vec![]
    } else {
        vec![Action::StopTasks]
    }
}

fn find_slots(job: &Job, observed: &Observed) -> Vec<Action> {
    let Observed {
        free_slots, workers, ..
    } = *observed;
    if free_slots >= job.parallelism {
        return vec![Action::Deploy];
    }
    let reason = waiting_reason(job.parallelism, free_slots, workers);
    if job.phase == Phase::Scheduling && job.phase_reason.as_ref() == Some(&reason) {
        return vec![];
    }
    vec![Action::Wait { reason }]
}

/// Why a job that needs this many slots does not run: `waiting for 2 slots: 4 needed, 2 free`.
pub fn waiting_reason(needed: u32, free: u32, workers: u32) -> String {
    let missing = needed.saturating_sub(free);
    let slots = if missing == 1 { "slot" } else { "slots" };
    let hint = if workers == 0 {
        "; no worker is connected"
    } else {
        ""
    };
    format!("waiting for {missing} {slots}: {needed} needed, {free} free{hint}")
}

fn bring_up(job: &Job, execution: &Execution, now_ms: i64, rules: &Rules) -> Vec<Action> {
    if let Some(failure) = failure_of(execution) {
        return vec![after_failure(job, failure, now_ms, rules)];
    }
    let all_up = execution.awaited == 0 && execution.pending == 0;
    if all_up && execution.deployed == 0 {
        return vec![Action::MarkRunning];
    }
    if execution.awaited == 0 && execution.age > rules.deploy_timeout {
        let failure = Failure::internal(format!(
            "tasks did not come up within {} s: {} of {} are still on their way",
            rules.deploy_timeout.as_secs(),
            execution.pending + execution.deployed,
            execution.total(),
        ));
        return vec![after_failure(job, failure, now_ms, rules)];
    }
    if all_up && !execution.started {
        vec![Action::Start]
    } else {
        vec![]
    }
}

fn keep_running(job: &Job, execution: &Execution, now_ms: i64, rules: &Rules) -> Vec<Action> {
    if let Some(failure) = failure_of(execution) {
        return vec![after_failure(job, failure, now_ms, rules)];
    }
    if execution.finished == execution.total() {
        return vec![Action::End {
            phase: Phase::Finished,
            failure: None,
        }];
    }
    // A task that a restart of this control plane caught on its way up still needs bringing up.
    if execution.pending + execution.deployed > 0 {
        return bring_up(job, execution, now_ms, rules);
    }
    vec![]
}

fn after_backoff(job: &Job, execution: Option<&Execution>, now_ms: i64, rules: &Rules) -> Vec<Action> {
    // The first failure that arrived may have been an echo, on another worker, of one that running again cannot mend.
    if let Some(failure) = execution
        .filter(|e| e.generation == job.generation)
        .and_then(|e| e.failure.clone())
        && !failure.class.is_retryable()
    {
        return vec![after_failure(job, failure, now_ms, rules)];
    }
    let due_ms = job.restart_at_ms.unwrap_or(now_ms);
    let patient_until_ms = due_ms.saturating_add(STOP_PATIENCE.as_millis() as i64);
    match execution {
        Some(execution) if execution.live() > 0 && now_ms < patient_until_ms => stop(execution),
        _ if now_ms >= due_ms => vec![Action::Reschedule],
        _ => vec![],
    }
}

/// Why the deployment cannot go on, if it cannot.
fn failure_of(execution: &Execution) -> Option<Failure> {
    let stopped = || {
        Failure::internal(format!(
            "{} tasks were stopped by their worker",
            execution.cancelled
        ))
    };
    execution
        .failure
        .clone()
        .or_else(|| (execution.cancelled > 0).then(stopped))
}

/// The end or the restart that a failure calls for.
pub(super) fn after_failure(job: &Job, failure: Failure, now_ms: i64, rules: &Rules) -> Action {
    if failure.class == FailureClass::User {
        return Action::End {
            phase: Phase::Failed,
            failure: Some(failure),
        };
    }
    let policy = &rules.restart;
    let ran_well = job
        .running_since_ms
        .is_some_and(|since| now_ms.saturating_sub(since) >= policy.reset_after.as_millis() as i64);
    let restarts = if ran_well { 0 } else { job.restarts };
    if restarts >= policy.limit {
        let message = format!(
            "gave up after {restarts} restarts in a row; the last failure: {}",
            failure.message
        );
        return Action::End {
            phase: Phase::Failed,
            failure: Some(Failure { message, ..failure }),
        };
    }
    let at_ms = now_ms.saturating_add(delay(policy, restarts).as_millis() as i64);
    Action::Restart {
        failure,
        restarts: restarts + 1,
        at_ms,
    }
}

/// The wait before the next restart, after this many in a row.
fn delay(policy: &RestartPolicy, restarts: u32) -> Duration {
    policy
        .first_delay
        .saturating_mul(2_u32.saturating_pow(restarts))
        .min(policy.max_delay)
}

#[cfg(test)]
#[path = "decide_tests.rs"]
mod tests;
