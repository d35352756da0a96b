//! What is done to the cluster, and the proof that it happened.
//!
//! - `processes`: they are killed and frozen, and databases restarted.
//! - `network`: links are cut and stalled.
//! - `requests`: the job is rescaled, savepoints are taken.
//! - `stores`: the store is away, a disk is full.

use std::{path::Path, time::Duration};

use anyhow::{Context, Result, ensure};
use tokio::sync::Mutex;
use weir_env::{Clock, SystemClock};
use weir_model::{
    JobId, Phase, SavepointId,
    api::{self, WorkerState},
};
use weir_tests::{
    cluster::{Cluster, is_running, is_stopped},
    kafka::Kafka,
    wait::{Seen, until},
};

use crate::{
    plan::{Chance, Fault},
    workers::Worker,
};

mod network;
mod processes;
mod requests;
mod stores;

/// How long a fault may take to show.
const PATIENCE: Duration = Duration::from_mins(1);
/// How long the job may take to get on after a fault.
const RECOVERY: Duration = Duration::from_secs(90);

/// Does things to a cluster that runs a job.
pub(crate) struct Chaos<'a> {
    pub(crate) cluster: &'a Cluster,
    pub(crate) workers: &'a [Worker],
    /// The cluster's, with `data`, and the database of the outputs in `outputs`.
    pub(crate) folder: &'a Path,
    pub(crate) kafka: Option<&'a Mutex<Kafka>>,
    pub(crate) job: JobId,
    pub(crate) chance: Chance,
    /// Those that were taken.
    pub(crate) savepoints: Vec<SavepointId>,
}

impl<'a> Chaos<'a> {
    /// Makes a fault happen, and makes sure that it did.
    pub(crate) async fn inflict(&mut self, fault: Fault) -> Result<()> {
        match fault {
            Fault::KillWorker => self.kill_worker().await,
            Fault::KillControlPlane => self.kill_control_plane().await,
            Fault::KillBoth => self.kill_both().await,
            Fault::FreezeShortly => self.freeze_shortly().await,
            Fault::FreezeUntilLost => self.freeze_until_lost().await,
            Fault::Rescale => self.rescale().await,
            Fault::RescaleAndKill => self.rescale_and_kill().await,
            Fault::Savepoint => self.take_savepoint().await,
            Fault::StopAndResume => self.stop_and_resume().await,
            Fault::CutControl => self.cut_control().await,
            Fault::StallControl => self.stall_control().await,
            Fault::CutRows => self.cut_rows().await,
            Fault::StallRows => self.stall_rows().await,
            Fault::CutPair => self.cut_pair().await,
            Fault::StallPair => self.stall_pair().await,
            Fault::LoseStore => self.lose_store().await,
            Fault::FillDisk => self.fill_disk().await,
            Fault::RestartMetadata => self.restart_metadata().await,
            Fault::RestartOutput => self.restart_database("outputs").await,
            Fault::RestartKafka => self.restart_kafka().await,
        }
    }

    async fn sleep(&mut self, least_ms: u64, most_ms: u64) {
        SystemClock::new().sleep(self.chance.ms(least_ms, most_ms)).await;
    }

    /// Looks at the job until this finds something in it. No answer is nothing.
    async fn look<T>(
        &self,
        what: &str,
        mut find: impl AsyncFnMut(&api::Job) -> Result<Seen<T>>,
    ) -> Result<T> {
        until(what, PATIENCE, async || {
            match self.cluster.api.job(self.job).await {
                Ok(job) => find(&job).await,
                Err(error) => Ok(Seen::NotYet(format!("{error:#}"))),
            }
        })
        .await
    }

    /// A worker that the job's newest execution uses and that lives.
    async fn used_worker(&mut self) -> Result<&'a Worker> {
        let nth = self.chance.below(1_000) as usize;
        let pid = until("a worker that runs the job", PATIENCE, async || {
            let api = &self.cluster.api;
            let (Ok(workers), Ok(executions)) = (api.workers().await, api.executions(self.job).await) else {
                return Ok(Seen::NotYet("no answer".to_owned()));
            };
            let placement = executions
                .executions
                .first()
                .map(|execution| &execution.placement);
            let mut used: Vec<_> = workers
                .workers
                .iter()
                .filter(|w| {
                    w.state == WorkerState::Alive && is_running(w.pid as i32) && !is_stopped(w.pid as i32)
                })
                .filter(|w| placement.is_some_and(|p| p.iter().any(|place| place.worker == w.id)))
                .map(|w| w.pid as i32)
                .collect();
            used.sort_unstable();
            Ok(match used.len() {
                0 => Seen::NotYet(format!("{workers:?}, {executions:?}")),
                count => Seen::Done(used[nth % count]),
            })
        })
        .await?;
        let of_pid = self.workers.iter().find(|worker| worker.pid() == pid);
        of_pid.with_context(|| format!("no worker of ours is process {pid}"))
    }

    /// Waits until a worker counts as lost.
    async fn wait_lost(&self, pid: i32) -> Result<()> {
        until("a worker to count as lost", PATIENCE, async || {
            let Ok(workers) = self.cluster.api.workers().await else {
                return Ok(Seen::NotYet("no answer".to_owned()));
            };
            let alive = workers
                .workers
                .iter()
                .any(|w| w.pid == pid as u32 && w.state == WorkerState::Alive);
            Ok(if alive {
                Seen::NotYet(format!("{workers:?}"))
            } else {
                Seen::Done(())
            })
        })
        .await
    }

    /// Waits until the job reads on, or has ended.
    pub(crate) async fn recovery(&self) -> Result<Duration> {
        let clock = SystemClock::new();
        let mut seen: Option<(u32, u64)> = None;
        until("the job to get on", RECOVERY, async || {
            let api = &self.cluster.api;
            let (Ok(job), Ok(rows)) = (api.job(self.job).await, api.rows_read(self.job).await) else {
                return Ok(Seen::NotYet("no answer".to_owned()));
            };
            ensure!(
                !matches!(job.phase, Phase::Failed | Phase::Cancelled),
                "the job is {}: {:?}",
                job.phase,
                job.failure
            );
            if job.phase == Phase::Finished {
                return Ok(Seen::Done(()));
            }
            let now = (job.attempt.0, rows);
            let before = seen.replace(now);
            // Rows are counted anew in each execution.
            let got_on = job.phase == Phase::Running && before.is_some_and(|b| b.0 == now.0 && now.1 > b.1);
            Ok(if got_on {
                Seen::Done(())
            } else {
                Seen::NotYet(format!(
                    "{} {:?}, {rows} rows read, {:?}",
                    job.phase, job.phase_reason, job.failure
                ))
            })
        })
        .await
        .context("after a fault")?;
        Ok(clock.elapsed())
    }
}
