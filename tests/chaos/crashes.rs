//! Processes that end at each step of a commit, one after the other.

use std::{fs, path::Path, time::Duration};

use anyhow::{Context, Result, bail, ensure};
use weir_env::failpoint;
use weir_tests::wait::{Seen, until};

use crate::{
    alone,
    faults::Chaos,
    job::{self, Events, OUTPUTS, Output, TOPICS},
    stage::Stage,
};

/// The steps, in their order. Those of sinks end a worker, those of manifests the control plane.
const STEPS: &[&str] = &[
    "filesystem.prepared",
    "jdbc.prepared",
    "manifest.writing",
    "manifest.written",
    "filesystem.committing",
    "jdbc.committing",
    "filesystem.committed",
    "jdbc.committed",
];

/// Steps on the way of a stop with a savepoint.
const STEPS_OF_A_STOP: &[&str] = &[
    "filesystem.prepared",
    "savepoint.writing",
    "savepoint.written",
    "jdbc.committing",
];

/// The same of a job that writes to topics.
const STEPS_OF_TOPICS: &[&str] = &[
    "kafka.prepared",
    "manifest.writing",
    "manifest.written",
    "kafka.committing",
    "kafka.committed",
];
const STEPS_OF_A_STOP_OF_TOPICS: &[&str] = &["savepoint.written", "kafka.committing"];

/// How often a stop is asked for that shall come to a step.
const ATTEMPTS: usize = 10;

/// Rows for as long as that takes: the job's time stands still while it recovers.
const EVENTS: Events = Events {
    count: 60_000,
    rate: 2_000,
    seed: 1,
};

/// How long until a step is taken next, after a recovery.
const PATIENCE: Duration = Duration::from_mins(1);

#[test]
fn no_row_is_lost_and_none_comes_twice_whichever_step_of_a_commit_is_the_last() {
    alone(async {
        let failpoints = tempfile::tempdir()?;
        let stage = set(failpoints.path()).await?;
        let run = Run {
            stage,
            failpoints: failpoints.path(),
            outputs: OUTPUTS,
            events: EVENTS,
        };
        run.end_at(STEPS, STEPS_OF_A_STOP).await
    });
}

#[test]
fn rows_in_topics_are_seen_once_whichever_step_of_a_commit_is_the_last() {
    alone(async {
        let failpoints = tempfile::tempdir()?;
        let Some(stage) = set(failpoints.path()).await?.with_topics(TOPICS, None).await? else {
            return Ok(());
        };
        let run = Run {
            stage,
            failpoints: failpoints.path(),
            outputs: TOPICS,
            events: EVENTS,
        };
        run.end_at(STEPS_OF_TOPICS, STEPS_OF_A_STOP_OF_TOPICS).await
    });
}

/// A stage on which steps are armed by files of a folder.
async fn set(failpoints: &Path) -> Result<Stage> {
    let folder = failpoints.display().to_string();
    Stage::set(&[(failpoint::VARIABLE.to_owned(), folder)]).await
}

struct Run<'a> {
    stage: Stage,
    failpoints: &'a Path,
    outputs: &'a [Output],
    events: Events,
}

impl Run<'_> {
    /// Runs the job, and has processes end at these steps, then at those of a stop.
    async fn end_at(self, steps: &[&str], steps_of_a_stop: &[&str]) -> Result<()> {
        let Self {
            stage,
            failpoints,
            outputs,
            events,
        } = self;
        let expected = job::expected(events, outputs).await?;
        let job = stage.start(events, outputs).await?.id;
        let chaos = stage.chaos(job, events.seed);
        for step in steps {
            chaos
                .wait_checkpoint_after(chaos.newest_checkpoint().await?)
                .await?;
            let armed = failpoints.join(step);
            fs::write(&armed, "")?;
            wait_taken(&chaos, step, &armed).await?;
            let took = chaos.recovery().await.with_context(|| format!("after {step}"))?;
            println!("{step}: the job gets on after {:.1} s", took.as_secs_f64());
        }
        for step in steps_of_a_stop {
            stop_and_resume(&chaos, step, &failpoints.join(step))
                .await
                .with_context(|| format!("a stop, {step}"))?;
        }
        stage.wait_finished(job, events).await?;
        let differences = stage.compare(outputs, &expected).await?;
        for (name, differences) in differences {
            ensure!(differences.none(), "{name}: {differences}");
        }
        stage.end().await
    }
}

async fn wait_taken(chaos: &Chaos<'_>, step: &str, armed: &Path) -> Result<()> {
    until(step, PATIENCE, async || {
        let job = chaos.cluster.api.job(chaos.job).await;
        ensure!(
            !job.as_ref().is_ok_and(|job| job.phase.is_terminal()),
            "the job has ended before this step"
        );
        Ok(if armed.exists() {
            Seen::NotYet(format!("{:?}", job.map(|job| job.phase)))
        } else {
            Seen::Done(())
        })
    })
    .await
}

/// Stops the job, which comes to the step on its way, and lets it go on.
async fn stop_and_resume(chaos: &Chaos<'_>, step: &str, armed: &Path) -> Result<()> {
    // It may have stopped before the step was armed.
    for _ in 0..ATTEMPTS {
        chaos.ask_stop().await?;
        fs::write(armed, "")?;
        let stopped = chaos.wait_stopped().await?;
        ensure!(stopped, "the job has ended before this step");
        let taken = !armed.exists();
        chaos.resume().await?;
        let took = chaos.recovery().await?;
        if taken {
            println!(
                "a stop, {step}: the job gets on after {:.1} s",
                took.as_secs_f64()
            );
            return Ok(());
        }
    }
    bail!("it stopped {ATTEMPTS} times before the step was armed")
}
