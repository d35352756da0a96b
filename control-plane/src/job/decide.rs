//! From what is wanted of a job and what is seen of it to what to do next.
//!
//! Pure: no I/O, no clock. It is asked again and again, so that whatever a performed action failed to bring about is
//! simply decided again; an action that was performed must therefore show in the job or in what is observed.

use std::time::Duration;

use weir_model::{Failure, FailureClass, Phase, SavepointId};

use super::{
    Desired, Job,
    observed::{Checkpoints, Execution, Handover, Observed},
    restart::{Next, Past, RestartStrategy},
};

/// Bounds that decisions depend on.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// When failed jobs run again that say nothing of it themselves.
    pub restart: RestartStrategy,
    /// How long tasks may take to come up.
    pub deploy_timeout: Duration,
    /// Another number between -1 and 1 each time.
    pub chance: f64,
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
    /// Take the checkpoint that the next deployment begins with: the savepoint that the job stops with, else one of its
    /// own.
    HandOver,
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
        /// How long this failure is of interest, ms.
        remember_ms: i64,
    },
    /// Leave the deployment behind, which has failed or makes room for another, and wait for slots.
    Reschedule,
    /// Take the graph that the script is planned to at this parallelism.
    Rescale {
        /// Subtasks per operator.
        parallelism: u32,
    },
    /// The savepoint that it was to stop with was given up: go on.
    GoOn {
        /// Why.
        why: String,
    },
    /// It has stopped as asked.
    Stopped {
        /// With this savepoint, which is that checkpoint of it.
        savepoint: Option<(SavepointId, u64)>,
    },
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
    match job.desired {
        Desired::Cancelled => return cancel(any),
        Desired::Stopped => return wind_down(job, observed, now_ms, rules),
        Desired::Running => {}
    }
    let current = current(job, observed);
    match (job.phase, current) {
        (Phase::Restarting, _) => after_backoff(job, any, now_ms, rules),
        (Phase::Running, Some(execution)) => {
            keep_running(job, execution, &observed.checkpoints, now_ms, rules)
        }
        (Phase::Running, None) => vec![after_failure(job, gone(), now_ms, rules)],
        (_, Some(execution)) => bring_up(job, execution, now_ms, rules),
        (_, None) => find_slots(job, observed),
    }
}

/// The deployment that the job's record tells of.
fn current<'a>(job: &Job, observed: &'a Observed) -> Option<&'a Execution> {
    let any = observed.execution.as_ref();
    any.filter(|execution| execution.generation == job.generation)
}

fn gone() -> Failure {
    Failure::internal("no worker knows of the running tasks any more")
}

fn cancel(execution: Option<&Execution>) -> Vec<Action> {
    stop_then(
        execution,
        Action::End {
            phase: Phase::Cancelled,
            failure: None,
        },
    )
}

/// Stops what runs; when nothing does, the other action is next.
fn stop_then(execution: Option<&Execution>, then: Action) -> Vec<Action> {
    match execution {
        Some(execution) if execution.live() > 0 => stop(execution),
        _ => vec![then],
    }
}

/// Stops the job, with its savepoint before if it is to have one.
fn wind_down(job: &Job, observed: &Observed, now_ms: i64, rules: &Rules) -> Vec<Action> {
    let any = observed.execution.as_ref();
    let Some(savepoint) = job.stop_savepoint else {
        return stop_then(any, Action::Stopped { savepoint: None });
    };
    if let Handover::Complete { number } = observed.checkpoints.handover {
        let savepoint = Some((savepoint, number));
        return stop_then(any, Action::Stopped { savepoint });
    }
    let Some(execution) = current(job, observed) else {
        return vec![after_failure(job, gone(), now_ms, rules)];
    };
    if let Some(end) = ending(job, execution, &observed.checkpoints, now_ms, rules) {
        return vec![end];
    }
    // A restart of this control plane may have caught tasks on their way up, and their workers may be still to come back.
    if execution.pending + execution.deployed > 0 {
        return bring_up(job, execution, now_ms, rules);
    }
    if execution.awaited > 0 {
        return vec![];
    }
    let why = || "no checkpoints are taken of this deployment".to_owned();
    match &observed.checkpoints.handover {
        Handover::None if !observed.checkpoints.taken => vec![Action::GoOn { why: why() }],
        Handover::None => vec![Action::HandOver],
        Handover::Asked | Handover::Complete { .. } => vec![],
        Handover::Failed { why } => vec![Action::GoOn { why: why.clone() }],
    }
}

/// The end or the restart of a deployment that has run, if it has come to that.
fn ending(
    job: &Job,
    execution: &Execution,
    checkpoints: &Checkpoints,
    now_ms: i64,
    rules: &Rules,
) -> Option<Action> {
    if let Some(failure) = failure_of(execution).or_else(|| checkpoints.failure.clone()) {
        return Some(after_failure(job, failure, now_ms, rules));
    }
    let finished = execution.finished == execution.total() && (!checkpoints.taken || checkpoints.done);
    finished.then_some(Action::End {
        phase: Phase::Finished,
        failure: None,
    })
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
    if let Some(parallelism) = job.rescale_to {
        return vec![Action::Rescale { parallelism }];
    }
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

fn keep_running(
    job: &Job,
    execution: &Execution,
    checkpoints: &Checkpoints,
    now_ms: i64,
    rules: &Rules,
) -> Vec<Action> {
    let rescales = job.rescale_to.is_some();
    if rescales && matches!(checkpoints.handover, Handover::Complete { .. }) {
        return stop_then(Some(execution), Action::Reschedule);
    }
    if let Some(end) = ending(job, execution, checkpoints, now_ms, rules) {
        return vec![end];
    }
    // A task that a restart of this control plane caught on its way up still needs bringing up.
    if execution.pending + execution.deployed > 0 {
        return bring_up(job, execution, now_ms, rules);
    }
    let may_ask = matches!(checkpoints.handover, Handover::None | Handover::Failed { .. });
    if rescales && execution.awaited == 0 && checkpoints.taken && may_ask {
        return vec![Action::HandOver];
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
    let strategy = job.restart_strategy.unwrap_or(rules.restart);
    let past = Past {
        restarts: job.restarts,
        failures_at_ms: &job.failures_at_ms,
        running_since_ms: job.running_since_ms,
    };
    match strategy.next(&past, now_ms, rules.chance) {
        Next::Restart { restarts, at_ms } => Action::Restart {
            failure,
            restarts,
            at_ms,
            remember_ms: strategy.memory().as_millis() as i64,
        },
        Next::GiveUp { why } => {
            let message = format!("{why}; the last failure: {}", failure.message);
            Action::End {
                phase: Phase::Failed,
                failure: Some(Failure { message, ..failure }),
            }
        }
    }
}

#[cfg(test)]
#[path = "decide_tests.rs"]
mod tests;
