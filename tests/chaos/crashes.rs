//! Processes that end at each step of a commit, one after the other.

use std::{fs, time::Duration};

use anyhow::{Context, Result, ensure};
use weir_env::failpoint;
use weir_tests::wait::{Seen, until};

use crate::{
    alone,
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

/// Rows for as long as that takes: the job's time stands still while it recovers.
const EVENTS: Events = Events {
    count: 60_000,
    rate: 2_000,
    seed: 1,
};

/// How long until a step is taken next, after a recovery.
const PATIENCE: Duration = Duration::from_secs(60);

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
        until(step, PATIENCE, async || {
            let job = stage.cluster.api.job(job).await;
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
        .await?;
        let took = chaos.recovery().await.with_context(|| format!("after {step}"))?;
        println!("{step}: the job gets on after {:.1} s", took.as_secs_f64());
    }
    stage.wait_finished(job, EVENTS).await?;
    let differences = stage.compare(OUTPUTS, &expected).await?;
    for (name, differences) in differences {
        ensure!(differences.none(), "{name}: {differences}");
    }
    stage.end().await
}
