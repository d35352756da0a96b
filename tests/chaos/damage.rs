//! A file of the newest checkpoint is not what it was when the job has to begin with it.

use std::{collections::BTreeSet, fs, time::Duration};

use anyhow::{Context, Result, ensure};
use weir_checkpoint::{
    manifest::{CheckpointId, Manifest},
    storage::layout,
};
use weir_env::{Clock, SystemClock};
use weir_model::{JobId, Phase, api::CheckpointStatus};
use weir_tests::{
    cluster::{is_stopped, kill_hard, signal_continue, signal_stop},
    wait::{Seen, until},
};

use crate::{
    alone,
    job::{self, Events},
    stage::Stage,
};

const EVENTS: Events = Events {
    count: 16_000,
    rate: 1_000,
    seed: 1,
};
const PATIENCE: Duration = Duration::from_mins(1);
/// Longer than the writing of a manifest that was under way when workers were frozen, shorter than until they count as lost.
const SETTLED: Duration = Duration::from_millis(500);

/// What was committed with the damaged checkpoint is written again: only rows with a key are the same as before then.
#[test]
fn a_job_whose_newest_checkpoint_is_damaged_goes_on_with_the_one_before_and_says_so() {
    alone(run());
}

async fn run() -> Result<()> {
    let outputs = job::keyed();
    let expected = job::expected(EVENTS, outputs).await?;
    let stage = Stage::set(&[]).await?;
    let job = stage.start(EVENTS, outputs).await?.id;
    let chaos = stage.chaos(job, EVENTS.seed);
    // Several, so that there is one before.
    for _ in 0..4 {
        chaos
            .wait_checkpoint_after(chaos.newest_checkpoint().await?)
            .await?;
    }
    let damaged = damage_and_kill(&stage, job).await?;
    chaos.recovery().await?;
    let said = stage.cluster.api.events(job).await?.events;
    let said = said.iter().find(|event| event.kind == "checkpoint_unreadable");
    let said = said.with_context(|| format!("no event says that checkpoint {damaged} is damaged"))?;
    println!("{}", said.message);
    ensure!(
        said.message.contains(&format!("checkpoint {damaged} ")) && said.message.contains("checksum"),
        "{}",
        said.message
    );
    let now = stage.cluster.api.job(job).await?;
    ensure!(
        now.restored_from.is_some_and(|from| from < damaged),
        "{damaged} is damaged: {now:?}"
    );
    stage.wait_finished(job, EVENTS).await?;
    for (name, differences) in stage.compare(outputs, &expected).await? {
        ensure!(differences.none(), "{name}: {differences}");
    }
    stage.end().await
}

/// Flips a byte of a file that only the newest checkpoint has, and kills the worker that wrote it. The number of the checkpoint.
async fn damage_and_kill(stage: &Stage, job: JobId) -> Result<u64> {
    let pids: Vec<i32> = stage.workers.iter().map(crate::workers::Worker::pid).collect();
    pids.iter().try_for_each(|pid| signal_stop(*pid))?;
    until("all workers to stand still", PATIENCE, async || {
        let all = pids.iter().all(|pid| is_stopped(*pid));
        Ok(if all {
            Seen::Done(())
        } else {
            Seen::NotYet("one runs".to_owned())
        })
    })
    .await?;
    SystemClock::new().sleep(SETTLED).await;
    let damaged = damage(stage, job).await;
    let writer = damaged.as_ref().map_or(0, |(_, writer)| *writer);
    for pid in pids {
        if pid == writer {
            kill_hard(pid)?;
        } else {
            signal_continue(pid)?;
        }
    }
    let (damaged, _) = damaged?;
    until("the job to notice", PATIENCE, async || {
        let now = stage.cluster.api.job(job).await?;
        Ok(if now.attempt.0 > 1 && now.phase == Phase::Running {
            Seen::Done(())
        } else {
            Seen::NotYet(format!("{now:?}"))
        })
    })
    .await?;
    Ok(damaged)
}

/// Workers read what they have of a checkpoint themselves, which is not damaged.
fn remove_copies(stage: &Stage) -> Result<()> {
    for worker in &stage.workers {
        for folder in fs::read_dir(worker.disk.path.join("state"))? {
            let copies = folder?.path().join("copies");
            if copies.exists() {
                fs::remove_dir_all(copies)?;
            }
        }
    }
    Ok(())
}

/// The number of the damaged checkpoint, and the process that wrote the file.
async fn damage(stage: &Stage, job: JobId) -> Result<(u64, i32)> {
    let api = &stage.cluster.api;
    let list = api.checkpoints(job).await?.checkpoints;
    let mut complete = list.iter().filter(|c| c.status == CheckpointStatus::Completed);
    let newest = complete.next().context("a complete checkpoint")?.number;
    let older: BTreeSet<String> = complete
        .map(|older| manifest(stage, job, older.number))
        .collect::<Result<Vec<_>>>()?
        .iter()
        .flat_map(Manifest::paths)
        .map(str::to_owned)
        .collect();
    let manifest = manifest(stage, job, newest)?;
    let mut own = manifest.subtasks.iter().filter_map(|subtask| {
        let file = subtask
            .files
            .files
            .iter()
            .find(|file| !older.contains(&file.path));
        Some(((subtask.task, subtask.subtask), file?))
    });
    let (place, file) = own.next().context("a file that only the newest has")?;
    let path = stage.state(job).join(&file.path);
    let mut bytes = fs::read(&path)?;
    let middle = bytes.len() / 2;
    *bytes.get_mut(middle).context("an empty file")? ^= 1;
    fs::write(&path, bytes)?;
    remove_copies(stage)?;

    let executions = api.executions(job).await?.executions;
    let placement = &executions.first().context("an execution")?.placement;
    let worker = placement
        .iter()
        .find(|p| (p.task.0, p.subtask.0) == place)
        .context("the file's subtask runs somewhere")?
        .worker;
    let workers = api.workers().await?.workers;
    let worker = workers
        .iter()
        .find(|w| w.id == worker)
        .context("its worker is listed")?;
    Ok((newest, worker.pid as i32))
}

fn manifest(stage: &Stage, job: JobId, number: u64) -> Result<Manifest> {
    let path = stage
        .state(job)
        .join(layout::checkpoint_manifest(CheckpointId(number)));
    let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    Ok(serde_json::from_str(&text)?)
}
