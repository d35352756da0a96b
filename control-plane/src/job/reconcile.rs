//! The loop that looks at every job, decides and performs.
//!
//! Level-triggered: it acts on how things are, not on what happened, so that nothing is missed when a message, an
//! action or this process is lost; the next look is the retry. It looks about twice a second, and at once when woken.
//! Jobs are worked on side by side: one whose source is slow to answer does not hold up the others.

use std::{collections::HashMap, time::Duration};

use tokio::task::{self, JoinError, JoinSet};
use weir_checkpoint::coordinator::Event;
use weir_model::JobId;

use super::{
    Job,
    decide::{Rules, decide},
    deploy,
    observed::{Execution, Observed},
    perform,
};
use crate::{checkpoint::Input, context::Context, db::StoreError, grpc::session};

/// The bounds that decisions depend on.
pub(super) fn rules(context: &Context) -> Rules {
    let chance = f64::from(context.ids.next().as_bytes()[15]) / 127.5 - 1.0;
    Rules {
        restart: context.limits.restart,
        deploy_timeout: context.limits.deploy_timeout,
        chance,
    }
}

/// Runs until shutdown; then lets what it has begun end.
pub async fn run(context: Context) {
    let mut at_work = Work::default();
    let mut store_down = false;
    loop {
        let mut next = tick(&context);
        match look(&context, &mut at_work).await {
            Ok(due) => {
                next = next.min(due);
                store_down = false;
            }
            // Once per outage is enough.
            Err(error) if !store_down => {
                tracing::error!(%error, "jobs cannot be looked at");
                store_down = true;
            }
            Err(_) => {}
        }
        let next_tick = context.clock.sleep(next);
        tokio::pin!(next_tick);
        loop {
            tokio::select! {
                () = context.shutdown.cancelled() => return at_work.wind_up().await,
                () = &mut next_tick => break,
                () = context.wake.called() => break,
                Some(done) = at_work.tasks.join_next_with_id() => {
                    if at_work.done(done) {
                        break;
                    }
                }
            }
        }
    }
}

/// Jobs that are being worked on.
#[derive(Default)]
struct Work {
    tasks: JoinSet<Look>,
    jobs: HashMap<task::Id, JobId>,
    /// Whether there was a call to look at them again meanwhile.
    again: HashMap<JobId, bool>,
}

/// Whether a job shall be looked at again as soon as may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Look {
    Again,
    Later,
}

impl Work {
    fn begin(&mut self, context: &Context, job: Job) {
        let id = job.id;
        if let Some(again) = self.again.get_mut(&id) {
            *again = true;
            return;
        }
        self.again.insert(id, false);
        let task = self.tasks.spawn(work(context.clone(), job));
        self.jobs.insert(task.id(), id);
    }

    /// Notes the end of work on a job. True when to look again at once.
    fn done(&mut self, task: Result<(task::Id, Look), JoinError>) -> bool {
        let (id, look) = match task {
            Ok(done) => done,
            Err(error) => {
                tracing::error!(%error, "work on a job panicked and is tried again");
                (error.id(), Look::Later)
            }
        };
        let again = self
            .jobs
            .remove(&id)
            .and_then(|job| self.again.remove(&job))
            .unwrap_or(false);
        again || look == Look::Again
    }

    async fn wind_up(mut self) {
        while self.tasks.join_next().await.is_some() {}
    }
}

/// Looks at every job. Returns in what time the next backoff ends.
async fn look(context: &Context, at_work: &mut Work) -> Result<Duration, StoreError> {
    let silence = context.limits.heartbeat_timeout;
    for worker in context.cluster.drop_silent(silence) {
        let why = format!("nothing was heard of it for {} s", silence.as_secs_f64());
        session::worker_lost(context, &worker, &why).await;
    }
    context.cluster.give_up_awaited();
    let deployed = context.cluster.deployed_jobs();
    let jobs = context.store.jobs_to_reconcile(&deployed).await?;
    for job in deployed {
        if jobs.binary_search_by_key(&job, |known| known.id).is_err() {
            deploy::clear_away_deleted(context, job);
        }
    }
    let now_ms = context.clock.now_ms();
    let waits = jobs
        .iter()
        .filter_map(|job| job.restart_at_ms?.checked_sub(now_ms));
    let next_ms = waits.filter(|wait_ms| *wait_ms > 0).min();
    for job in jobs {
        at_work.begin(context, job);
    }
    Ok(next_ms.map_or(Duration::MAX, |wait_ms| Duration::from_millis(wait_ms as u64)))
}

async fn work(context: Context, job: Job) -> Look {
    let observed = Observed {
        checkpoints: context.checkpoints.observe(&job),
        ..context.cluster.observe(job.id)
    };
    tell_coordinator(&context, &job, &observed);
    let actions = decide(&job, &observed, context.clock.now_ms(), &rules(&context));
    let mut look = Look::Later;
    for action in &actions {
        match perform::perform(&context, &job, action).await {
            // One step may call for the next.
            Ok(()) => look = Look::Again,
            Err(StoreError::Stale) => return Look::Again,
            Err(error) => {
                tracing::error!(%error, job = %job.id, ?action, "an action failed and is tried again");
                return Look::Later;
            }
        }
    }
    look
}

/// Tells the coordinator of the job's checkpoints when barriers reach all tasks. Said twice it changes nothing.
fn tell_coordinator(context: &Context, job: &Job, observed: &Observed) {
    let all_run = |execution: &Execution| {
        execution.generation == job.generation && execution.running + execution.finished == execution.total()
    };
    if observed.checkpoints.taken && observed.execution.as_ref().is_some_and(all_run) {
        let running = Input::Event(Event::Running);
        context.checkpoints.tell(job.id, job.generation, running);
    }
}

/// The time to the next look, spread by a tenth either way so that several control planes do not march in step.
fn tick(context: &Context) -> Duration {
    let chance = u32::from(context.ids.next().as_bytes()[15]) * 200 / 255;
    context.limits.tick * (900 + chance) / 1000
}
