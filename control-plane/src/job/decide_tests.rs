use proptest::prelude::*;
use uuid::Uuid;
use weir_model::{Attempt, FailureClass, Generation, JobId};

use super::*;
use crate::job::{Base, transition};

const RULES: Rules = Rules {
    restart: RestartStrategy::ExponentialDelay {
        first_ms: 1_000,
        max_ms: 60_000,
        multiplier: 2.0,
        jitter: 0.1,
        reset_after_ms: 600_000,
        attempts: 10,
    },
    deploy_timeout: Duration::from_mins(1),
    chance: 0.0,
};
const NOW: i64 = 1_000_000;

fn job(phase: Phase) -> Job {
    Job {
        id: JobId(Uuid::from_u128(1)),
        name: "clicks".into(),
        desired: Desired::Running,
        phase,
        phase_reason: None,
        parallelism: 4,
        version: 1,
        attempt: Attempt(1),
        generation: Generation(1),
        restarts: 0,
        failure: None,
        created_at_ms: 0,
        started_at_ms: None,
        running_since_ms: None,
        restart_at_ms: None,
        ended_at_ms: None,
        base: Base::default(),
        restored_from: None,
        failed_coming_up: false,
        last_checkpoint: None,
        stop_savepoint: None,
        drain: false,
        rescale_to: None,
        restart_strategy: None,
        failures_at_ms: Vec::new(),
    }
}

const SAVEPOINT: SavepointId = SavepointId(Uuid::from_u128(7));

/// A job that stops, with a savepoint or without one.
fn stopping(with: Option<SavepointId>) -> Job {
    Job {
        desired: Desired::Stopped,
        stop_savepoint: with,
        ..job(Phase::Stopping)
    }
}

/// What is seen while the checkpoint for a stop or a rescale stands so.
fn handing_over(execution: Execution, handover: Handover) -> Observed {
    Observed {
        checkpoints: Checkpoints {
            taken: true,
            handover,
            ..Checkpoints::default()
        },
        ..seen(execution)
    }
}

fn cancelled(phase: Phase) -> Job {
    Job {
        desired: Desired::Cancelled,
        ..job(phase)
    }
}

fn execution() -> Execution {
    Execution {
        generation: Generation(1),
        ..Execution::default()
    }
}

fn seen(execution: Execution) -> Observed {
    Observed {
        execution: Some(execution),
        checkpoints: Checkpoints::default(),
        free_slots: 0,
        workers: 2,
    }
}

fn free(free_slots: u32, workers: u32) -> Observed {
    Observed {
        execution: None,
        checkpoints: Checkpoints::default(),
        free_slots,
        workers,
    }
}

#[track_caller]
fn check(job: &Job, observed: &Observed, expected: &[Action]) {
    assert_eq!(
        decide(job, observed, NOW, &RULES),
        expected,
        "for {job:?} and {observed:?}"
    );
}

fn waits(reason: &str) -> Vec<Action> {
    vec![Action::Wait {
        reason: reason.into(),
    }]
}

fn restarts(failure: Failure, restarts: u32, in_ms: i64) -> Vec<Action> {
    vec![Action::Restart {
        failure,
        restarts,
        at_ms: NOW + in_ms,
        remember_ms: 0,
    }]
}

#[test]
fn a_job_waits_for_slots_and_says_how_many_are_missing() {
    check(
        &job(Phase::Created),
        &free(2, 1),
        &waits("waiting for 2 slots: 4 needed, 2 free"),
    );
    check(
        &job(Phase::Created),
        &free(3, 1),
        &waits("waiting for 1 slot: 4 needed, 3 free"),
    );
    let none = "waiting for 4 slots: 4 needed, 0 free; no worker is connected";
    check(&job(Phase::Scheduling), &free(0, 0), &waits(none));
    let told = Job {
        phase_reason: Some(none.into()),
        ..job(Phase::Scheduling)
    };
    check(&told, &free(0, 0), &[]);
    check(
        &told,
        &free(1, 1),
        &waits("waiting for 3 slots: 4 needed, 1 free"),
    );
}

#[test]
fn a_job_is_deployed_when_there_are_enough_slots() {
    for phase in [Phase::Created, Phase::Scheduling] {
        check(&job(phase), &free(4, 2), &[Action::Deploy]);
    }
    let older = Observed {
        free_slots: 4,
        ..seen(Execution {
            generation: Generation(0),
            failed: 4,
            ..execution()
        })
    };
    check(&job(Phase::Scheduling), &older, &[Action::Deploy]);
}

#[test]
fn sources_are_started_once_all_tasks_are_up() {
    let up = |pending, deployed, started| {
        seen(Execution {
            pending,
            deployed,
            started,
            ..execution()
        })
    };
    check(&job(Phase::Scheduling), &up(1, 7, false), &[]);
    check(&job(Phase::Scheduling), &up(0, 8, false), &[Action::Start]);
    check(&job(Phase::Scheduling), &up(0, 8, true), &[]);
    let running = Execution {
        running: 5,
        finished: 3,
        started: true,
        ..execution()
    };
    check(&job(Phase::Scheduling), &seen(running), &[Action::MarkRunning]);
}

#[test]
fn tasks_that_do_not_come_up_in_time_are_a_failure() {
    let slow = Execution {
        pending: 1,
        deployed: 7,
        age: Duration::from_secs(61),
        ..execution()
    };
    let failure = Failure::internal("tasks did not come up within 60 s: 8 of 8 are still on their way");
    check(
        &job(Phase::Scheduling),
        &seen(slow.clone()),
        &restarts(failure, 1, 1000),
    );
    let awaited = Execution { awaited: 1, ..slow };
    check(&job(Phase::Scheduling), &seen(awaited), &[]);
}

#[test]
fn a_job_is_finished_when_all_tasks_are() {
    check(
        &job(Phase::Running),
        &seen(Execution {
            running: 1,
            finished: 7,
            ..execution()
        }),
        &[],
    );
    let finished = Action::End {
        phase: Phase::Finished,
        failure: None,
    };
    check(
        &job(Phase::Running),
        &seen(Execution {
            finished: 8,
            ..execution()
        }),
        &[finished],
    );
}

#[test]
fn the_users_fault_ends_a_job_at_once() {
    let failure = Failure::user("not a number: 'x'").at("in.json:3");
    let failed = seen(Execution {
        running: 7,
        failed: 1,
        failure: Some(failure.clone()),
        ..execution()
    });
    let end = Action::End {
        phase: Phase::Failed,
        failure: Some(failure),
    };
    for phase in [Phase::Scheduling, Phase::Running, Phase::Restarting] {
        check(&job(phase), &failed, std::slice::from_ref(&end));
    }
}

#[test]
fn the_wait_before_a_restart_doubles_up_to_its_maximum() {
    let failure = Failure::internal("worker 1 was lost: its connection broke");
    let failed = seen(Execution {
        running: 7,
        failed: 1,
        failure: Some(failure.clone()),
        ..execution()
    });
    for (before, wait_ms) in [
        (0, 1000),
        (1, 2000),
        (2, 4000),
        (5, 32_000),
        (6, 60_000),
        (9, 60_000),
    ] {
        let job = Job {
            restarts: before,
            ..job(Phase::Running)
        };
        check(&job, &failed, &restarts(failure.clone(), before + 1, wait_ms));
    }
}

#[test]
fn a_job_that_ran_well_counts_its_restarts_from_zero() {
    let failure = Failure::external("the broker is away");
    let failed = seen(Execution {
        failed: 8,
        failure: Some(failure.clone()),
        ..execution()
    });
    let ran = |ms| Job {
        restarts: 10,
        running_since_ms: Some(NOW - ms),
        ..job(Phase::Running)
    };
    check(&ran(600_000), &failed, &restarts(failure.clone(), 1, 1000));
    let message = "gave up after 10 restarts in a row; the last failure: the broker is away".to_owned();
    let end = Action::End {
        phase: Phase::Failed,
        failure: Some(Failure { message, ..failure }),
    };
    check(&ran(599_999), &failed, &[end]);
}

#[test]
fn a_restart_stops_what_is_left_and_waits_out_its_backoff() {
    let job = Job {
        restart_at_ms: Some(NOW + 1),
        ..job(Phase::Restarting)
    };
    let due = Job {
        restart_at_ms: Some(NOW),
        ..job.clone()
    };
    let left = Execution {
        running: 3,
        failed: 5,
        ..execution()
    };
    let stopping = Execution {
        stopping: true,
        ..left.clone()
    };
    let stopped = Execution {
        cancelled: 3,
        failed: 5,
        ..execution()
    };
    check(&job, &seen(left), &[Action::StopTasks]);
    check(&job, &seen(stopping.clone()), &[]);
    check(&job, &seen(stopped.clone()), &[]);
    check(&due, &seen(stopping.clone()), &[]);
    check(&due, &seen(stopped), &[Action::Reschedule]);
    check(&due, &free(0, 0), &[Action::Reschedule]);
    let long_due = Job {
        restart_at_ms: Some(NOW - 10_000),
        ..job
    };
    check(&long_due, &seen(stopping), &[Action::Reschedule]);
}

#[test]
fn tasks_stopped_by_their_worker_are_a_reason_to_restart() {
    let failure = Failure::internal("2 tasks were stopped by their worker");
    let stopped = Execution {
        running: 6,
        cancelled: 2,
        ..execution()
    };
    check(&job(Phase::Running), &seen(stopped), &restarts(failure, 1, 1000));
}

#[test]
fn a_restarted_control_plane_waits_for_the_workers_of_a_running_job() {
    check(
        &job(Phase::Running),
        &seen(Execution {
            awaited: 8,
            ..execution()
        }),
        &[],
    );
    check(
        &job(Phase::Running),
        &seen(Execution {
            awaited: 4,
            running: 4,
            ..execution()
        }),
        &[],
    );
    check(
        &job(Phase::Scheduling),
        &seen(Execution {
            awaited: 8,
            ..execution()
        }),
        &[],
    );
}

#[test]
fn a_running_job_that_nobody_knows_of_restarts() {
    let failure = Failure::internal("no worker knows of the running tasks any more");
    check(&job(Phase::Running), &free(4, 2), &restarts(failure, 1, 1000));
}

#[test]
fn a_cancel_stops_the_tasks_and_then_ends_the_job() {
    let end = Action::End {
        phase: Phase::Cancelled,
        failure: None,
    };
    let running = Execution {
        running: 8,
        ..execution()
    };
    let stopping = Execution {
        stopping: true,
        ..running.clone()
    };
    check(
        &cancelled(Phase::Cancelling),
        &seen(running),
        &[Action::StopTasks],
    );
    check(&cancelled(Phase::Cancelling), &seen(stopping), &[]);
    let stopped = seen(Execution {
        cancelled: 8,
        ..execution()
    });
    check(
        &cancelled(Phase::Cancelling),
        &stopped,
        std::slice::from_ref(&end),
    );
    check(&cancelled(Phase::Cancelling), &free(4, 2), &[end]);
}

#[test]
fn a_job_with_checkpoints_is_finished_when_the_last_one_is_committed() {
    let finished = Execution {
        finished: 8,
        ..execution()
    };
    let seen = |done| Observed {
        checkpoints: Checkpoints {
            taken: true,
            done,
            ..Checkpoints::default()
        },
        ..seen(finished.clone())
    };
    check(&job(Phase::Running), &seen(false), &[]);
    let end = Action::End {
        phase: Phase::Finished,
        failure: None,
    };
    check(&job(Phase::Running), &seen(true), &[end]);
}

#[test]
fn more_failed_checkpoints_than_may_be_restart_the_job() {
    let failure = Failure::external("checkpoint 4 failed (3 in a row): the store is away");
    let observed = Observed {
        checkpoints: Checkpoints {
            taken: true,
            failure: Some(failure.clone()),
            ..Checkpoints::default()
        },
        ..seen(Execution {
            running: 8,
            ..execution()
        })
    };
    check(&job(Phase::Running), &observed, &restarts(failure, 1, 1000));
}

#[test]
fn a_stop_waits_for_its_savepoint_before_it_stops_the_tasks() {
    let running = Execution {
        running: 8,
        ..execution()
    };
    let job = stopping(Some(SAVEPOINT));
    let complete = || Handover::Complete { number: 12 };
    check(
        &job,
        &handing_over(running.clone(), Handover::None),
        &[Action::HandOver],
    );
    check(&job, &handing_over(running.clone(), Handover::Asked), &[]);
    check(
        &job,
        &handing_over(running.clone(), complete()),
        &[Action::StopTasks],
    );
    let stopped = Execution {
        cancelled: 8,
        ..execution()
    };
    let end = Action::Stopped {
        savepoint: Some((SAVEPOINT, 12)),
    };
    check(
        &job,
        &handing_over(stopped, complete()),
        std::slice::from_ref(&end),
    );
    let after = transition::apply(&job, &end, NOW).expect("a new record");
    assert_eq!(
        (after.phase, after.base.savepoint, after.base.number),
        (Phase::Stopped, Some(SAVEPOINT), 13)
    );
}

#[test]
fn a_job_whose_savepoint_to_stop_with_fails_goes_on() {
    let running = Execution {
        running: 8,
        ..execution()
    };
    let job = stopping(Some(SAVEPOINT));
    let why = "it was not complete within 10 s".to_owned();
    let failed = Handover::Failed { why: why.clone() };
    let go_on = Action::GoOn { why };
    check(
        &job,
        &handing_over(running.clone(), failed),
        std::slice::from_ref(&go_on),
    );
    let after = transition::apply(&job, &go_on, NOW).expect("a new record");
    assert_eq!(
        (after.phase, after.desired, after.stop_savepoint),
        (Phase::Running, Desired::Running, None)
    );
    let never = "no checkpoints are taken of this deployment".to_owned();
    check(&job, &seen(running), &[Action::GoOn { why: never }]);
}

#[test]
fn a_job_that_fails_while_its_savepoint_is_taken_restarts_and_does_not_stop() {
    let failure = Failure::internal("worker 1 was lost: its connection broke");
    let failed = Execution {
        running: 7,
        failed: 1,
        failure: Some(failure.clone()),
        ..execution()
    };
    let job = stopping(Some(SAVEPOINT));
    let restart = restarts(failure, 1, 1000);
    check(&job, &handing_over(failed, Handover::Asked), &restart);
    let after = transition::apply(&job, &restart[0], NOW).expect("a new record");
    assert_eq!(
        (after.phase, after.desired),
        (Phase::Restarting, Desired::Running)
    );
}

#[test]
fn a_stop_without_a_savepoint_stops_the_tasks_at_once() {
    let running = Execution {
        running: 8,
        ..execution()
    };
    check(&stopping(None), &seen(running), &[Action::StopTasks]);
    check(
        &stopping(None),
        &free(4, 1),
        &[Action::Stopped { savepoint: None }],
    );
}

#[test]
fn a_rescale_takes_a_checkpoint_and_deploys_the_job_anew() {
    let job = Job {
        rescale_to: Some(2),
        ..job(Phase::Running)
    };
    let running = Execution {
        running: 8,
        ..execution()
    };
    let complete = || Handover::Complete { number: 12 };
    let failed = Handover::Failed { why: "late".into() };
    check(
        &job,
        &handing_over(running.clone(), Handover::None),
        &[Action::HandOver],
    );
    check(&job, &handing_over(running.clone(), failed), &[Action::HandOver]);
    check(&job, &handing_over(running.clone(), Handover::Asked), &[]);
    check(&job, &handing_over(running, complete()), &[Action::StopTasks]);
    let stopped = Execution {
        cancelled: 8,
        ..execution()
    };
    check(&job, &handing_over(stopped, complete()), &[Action::Reschedule]);
    let waiting = Job {
        phase: Phase::Scheduling,
        ..job
    };
    let rescale = Action::Rescale { parallelism: 2 };
    check(&waiting, &free(2, 1), std::slice::from_ref(&rescale));
    let rescaled = transition::apply(&waiting, &rescale, NOW).expect("a new record");
    check(&rescaled, &free(2, 1), &[Action::Deploy]);
}

#[test]
fn a_job_restarts_as_its_script_says() {
    let failure = Failure::external("the broker is away");
    let failed = seen(Execution {
        failed: 8,
        failure: Some(failure.clone()),
        ..execution()
    });
    let job = Job {
        restart_strategy: Some(RestartStrategy::None),
        ..job(Phase::Running)
    };
    let message = "it is not to be restarted; the last failure: the broker is away".to_owned();
    let end = Action::End {
        phase: Phase::Failed,
        failure: Some(Failure { message, ..failure }),
    };
    check(&job, &failed, &[end]);
}

#[test]
fn an_ended_job_has_its_tasks_stopped_and_is_then_forgotten() {
    for phase in [Phase::Stopped, Phase::Cancelled, Phase::Finished, Phase::Failed] {
        let left = Execution {
            running: 3,
            failed: 5,
            ..execution()
        };
        check(&job(phase), &seen(left.clone()), &[Action::StopTasks]);
        check(
            &job(phase),
            &seen(Execution {
                stopping: true,
                ..left
            }),
            &[],
        );
        check(
            &job(phase),
            &seen(Execution {
                cancelled: 3,
                failed: 5,
                ..execution()
            }),
            &[Action::Forget],
        );
        check(&job(phase), &free(4, 2), &[]);
    }
}

fn any_failure() -> impl Strategy<Value = Option<Failure>> {
    let class = prop_oneof![
        Just(FailureClass::User),
        Just(FailureClass::External),
        Just(FailureClass::Internal)
    ];
    prop::option::of(class.prop_map(|class| Failure::new(class, "something")))
}

prop_compose! {
    fn any_execution()(
        generation in 0_u64..4,
        counts in prop::array::uniform7(0_u32..3),
        failure in any_failure(),
        started in any::<bool>(),
        stopping in any::<bool>(),
        age_s in 0_u64..100,
    ) -> Execution {
        let [awaited, pending, deployed, running, finished, cancelled, failed] = counts;
        // A failure is told of exactly when a subtask failed.
        let failed = if failure.is_some() { failed + 1 } else { 0 };
        let generation = Generation(generation);
        let age = Duration::from_secs(age_s);
        Execution { generation, awaited, pending, deployed, running, finished, cancelled, failed, failure, started, stopping, age }
    }
}

prop_compose! {
    fn any_job()(
        phase in prop::sample::select(&Phase::ALL[..]),
        desired in prop::sample::select(&[Desired::Running, Desired::Stopped, Desired::Cancelled][..]),
        with_savepoint in any::<bool>(),
        rescale_to in prop::option::of(1_u32..8),
        generation in 0_u64..4,
        restarts in 0_u32..12,
        running_for in prop::option::of(0_i64..700_000),
        restart_in in prop::option::of(-20_000_i64..5_000),
    ) -> Job {
        Job {
            desired,
            stop_savepoint: (desired == Desired::Stopped && with_savepoint).then_some(SAVEPOINT),
            rescale_to,
            generation: Generation(generation),
            restarts,
            running_since_ms: running_for.map(|ms| NOW - ms),
            restart_at_ms: restart_in.map(|ms| NOW + ms),
            ..job(phase)
        }
    }
}

fn any_handover() -> impl Strategy<Value = Handover> {
    prop_oneof![
        Just(Handover::None),
        Just(Handover::Asked),
        Just(Handover::Complete { number: 3 }),
        Just(Handover::Failed { why: "late".into() })
    ]
}

prop_compose! {
    fn any_checkpoints()(
        taken in any::<bool>(),
        done in any::<bool>(),
        failure in any_failure(),
        handover in any_handover(),
    ) -> Checkpoints {
        if taken { Checkpoints { taken, done, failure, handover } } else { Checkpoints::default() }
    }
}

prop_compose! {
    fn any_observed()(
        execution in prop::option::of(any_execution()),
        checkpoints in any_checkpoints(),
        free_slots in 0_u32..8,
        workers in 0_u32..4,
    ) -> Observed {
        Observed { execution, checkpoints, free_slots, workers }
    }
}

proptest! {
    #[test]
    fn a_terminal_phase_is_never_left(
        job in any_job(),
        phase in prop::sample::select(&[Phase::Stopped, Phase::Finished, Phase::Failed, Phase::Cancelled][..]),
        observed in any_observed(),
    ) {
        let job = Job { phase, ..job };
        for action in decide(&job, &observed, NOW, &RULES) {
            prop_assert_eq!(transition::apply(&job, &action, NOW), None);
        }
    }

    #[test]
    fn nothing_is_deployed_while_a_deployment_of_the_same_generation_is_seen(
        job in any_job(), observed in any_observed(),
    ) {
        let same = observed.execution.as_ref().is_some_and(|e| e.generation == job.generation);
        if decide(&job, &observed, NOW, &RULES).contains(&Action::Deploy) {
            prop_assert!(!same);
            let after = transition::apply(&job, &Action::Deploy, NOW).expect("a new record");
            prop_assert!(after.generation > job.generation);
            prop_assert!(after.attempt > job.attempt);
        }
    }

    #[test]
    fn generations_never_shrink_and_a_cancelled_job_is_never_deployed(
        job in any_job(), observed in any_observed(),
    ) {
        for action in decide(&job, &observed, NOW, &RULES) {
            if job.desired == Desired::Cancelled {
                prop_assert_ne!(&action, &Action::Deploy);
            }
            if let Some(after) = transition::apply(&job, &action, NOW) {
                prop_assert!(after.generation >= job.generation);
            }
        }
    }

    /// From any record, with healthy workers that do what they are told and with enough slots, the job ends; and what
    /// was failing outside is mended.
    #[test]
    fn with_healthy_workers_every_job_ends(job in any_job(), observed in any_observed()) {
        let mut world = World { job, observed: Observed { free_slots: 8, workers: 2, ..observed }, now_ms: NOW };
        for _ in 0..200 {
            world.step();
        }
        prop_assert!(world.job.phase.is_terminal(), "stuck: {:?}", world);
        prop_assert_eq!(&world.observed.execution, &None, "left behind: {:?}", world);
    }
}

/// A job and a cluster that obeys.
#[derive(Debug)]
struct World {
    job: Job,
    observed: Observed,
    now_ms: i64,
}

impl World {
    fn step(&mut self) {
        for action in decide(&self.job, &self.observed, self.now_ms, &RULES) {
            if let Some(after) = transition::apply(&self.job, &action, self.now_ms) {
                self.job = after;
            }
            self.obey(&action);
        }
        self.progress();
        self.now_ms += 2_000;
    }

    fn obey(&mut self, action: &Action) {
        match (action, &mut self.observed.execution) {
            (Action::Deploy, execution) => {
                let generation = self.job.generation;
                self.observed.checkpoints = Checkpoints {
                    taken: true,
                    ..Checkpoints::default()
                };
                *execution = Some(Execution {
                    generation,
                    pending: 8,
                    ..Execution::default()
                });
            }
            (Action::Start, Some(execution)) => execution.started = true,
            (Action::StopTasks, Some(execution)) => execution.stopping = true,
            (Action::HandOver, _) => self.observed.checkpoints.handover = Handover::Asked,
            (Action::Forget, execution) => *execution = None,
            _ => {}
        }
    }

    fn progress(&mut self) {
        let Some(e) = &mut self.observed.execution else {
            return;
        };
        e.age += Duration::from_secs(2);
        let checkpoints = &mut self.observed.checkpoints;
        checkpoints.done |= e.finished == e.total();
        if checkpoints.handover == Handover::Asked {
            checkpoints.handover = Handover::Complete { number: 9 };
        }
        // Awaited workers come back.
        e.running += std::mem::take(&mut e.awaited);
        if e.stopping {
            e.cancelled += std::mem::take(&mut e.pending)
                + std::mem::take(&mut e.deployed)
                + std::mem::take(&mut e.running);
        }
        e.finished += std::mem::take(&mut e.running);
        if e.started {
            e.running += std::mem::take(&mut e.deployed);
        }
        e.deployed += std::mem::take(&mut e.pending);
    }
}
