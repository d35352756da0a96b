//! Processes that end at each step of a commit, one after the other.

use std::{fs, path::Path, time::Duration};

use anyhow::{Context, Result, bail, ensure};
use weir_env::failpoint;
use weir_tests::wait::{Seen, until};

use crate::{
    alone,
    faults::Chaos,
    job::{self, Events, OUTPUTS},
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
    alone(run());
}

async fn run() -> Result<()> {
    let expected = job::expected(EVENTS, OUTPUTS).await?;
    let failpoints = tempfile::tempdir()?;
    let folder = failpoints.path().display().to_string();
    let stage = Stage::set(&[(failpoint::VARIABLE.to_owned(), folder)]).await?;
    let job = stage.start(EVENTS, OUTPUTS).await?.id;
    let chaos = stage.chaos(job, EVENTS.seed);
    for step in STEPS {
        chaos
            .wait_checkpoint_after(chaos.newest_checkpoint().await?)
            .await?;
        let armed = failpoints.path().join(step);
        fs::write(&armed, "")?;
        wait_taken(&chaos, step, &armed).await?;
        let took = chaos.recovery().await.with_context(|| format!("after {step}"))?;
        println!("{step}: the job gets on after {:.1} s", took.as_secs_f64());
    }
    for step in STEPS_OF_A_STOP {
        stop_and_resume(&chaos, step, &failpoints.path().join(step))
            .await
            .with_context(|| format!("a stop, {step}"))?;
    }
    stage.wait_finished(job, EVENTS).await?;
    let differences = stage.compare(OUTPUTS, &expected).await?;
    for (name, differences) in differences {
        ensure!(differences.none(), "{name}: {differences}");
    }
    stage.end().await
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
