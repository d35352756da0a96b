//! What people ask of a job while things happen to it: another parallelism, savepoints.

use anyhow::{Result, ensure};
use serde_json::json;
use weir_model::{
    Phase, SavepointId,
    api::{CheckpointStatus, Job, RescaleList, RescaleStatus, Savepoint, SavepointStatus, Verification},
};
use weir_tests::wait::Seen;

use super::Chaos;

/// The parallelisms that the job gets.
const MOST: u64 = 3;

impl Chaos<'_> {
    pub(super) async fn rescale(&mut self) -> Result<()> {
        self.ask_rescale(1).await?;
        self.wait_rescaled().await
    }

    pub(super) async fn rescale_and_kill(&mut self) -> Result<()> {
        if self.chance.below(2) == 0 {
            self.kill_worker().await?;
            self.ask_rescale(1).await?;
        } else {
            self.ask_rescale(1).await?;
            self.sleep(0, 1_500).await;
            self.kill_worker().await?;
        }
        self.wait_rescaled().await
    }

    /// Sees to it that workers send rows to each other.
    pub(super) async fn spread(&mut self) -> Result<()> {
        let job = self
            .look("the job", async |job| Ok(Seen::Done(job.clone())))
            .await?;
        if job.rescale_to.unwrap_or(job.parallelism) == 1 {
            self.ask_rescale(2).await?;
        }
        self.wait_rescaled().await
    }

    /// Asks for another parallelism than the job has, of at least this.
    async fn ask_rescale(&mut self, least: u64) -> Result<()> {
        let nth = self.chance.below(1_000);
        let path = format!("jobs/{}/rescale", self.job);
        self.look("a rescale to be accepted", async |job| {
            let now = u64::from(job.rescale_to.unwrap_or(job.parallelism));
            let others: Vec<u64> = (least..=MOST).filter(|other| *other != now).collect();
            let to = json!({ "parallelism": others[nth as usize % others.len()] });
            let asked: Result<Job> = self.cluster.api.post(&path, &to).await;
            Ok(match asked {
                Ok(_) => Seen::Done(()),
                Err(_) if job.phase.is_terminal() => Seen::Done(()),
                Err(refused) => Seen::NotYet(format!("{refused:#}")),
            })
        })
        .await
    }

    /// Waits until the job runs at the parallelism that was asked for last, or has ended.
    async fn wait_rescaled(&self) -> Result<()> {
        let path = format!("jobs/{}/rescales", self.job);
        self.look("the job to run at its new parallelism", async |job| {
            let Ok(list) = self.cluster.api.get::<RescaleList>(&path).await else {
                return Ok(Seen::NotYet("no answer".to_owned()));
            };
            let open = list
                .rescales
                .iter()
                .find(|rescale| rescale.status == RescaleStatus::InProgress);
            Ok(match open {
                Some(open) if !job.phase.is_terminal() => Seen::NotYet(format!(
                    "{open:?}, {} {:?} {:?}",
                    job.phase, job.phase_reason, job.failure
                )),
                _ => Seen::Done(()),
            })
        })
        .await
    }

    pub(super) async fn take_savepoint(&mut self) -> Result<()> {
        let mut asked: Option<SavepointId> = None;
        let path = format!("jobs/{}/savepoints", self.job);
        let api = &self.cluster.api;
        let taken = self
            .look("a savepoint", async |job| {
                if job.phase.is_terminal() {
                    return Ok(Seen::Done(None));
                }
                let now: Result<Savepoint> = match asked {
                    None => api.post(&path, &json!({})).await,
                    Some(id) => api.get(&format!("savepoints/{id}")).await,
                };
                Ok(match now {
                    Ok(savepoint) if savepoint.status == SavepointStatus::Completed => {
                        Seen::Done(Some(savepoint.id))
                    }
                    Ok(savepoint) => {
                        // One that was under way when something else happened may fail: it says why, and another is asked for.
                        let failed = savepoint.status == SavepointStatus::Failed;
                        ensure!(
                            !failed || savepoint.failure.is_some(),
                            "{savepoint:?} says nothing"
                        );
                        asked = (!failed).then_some(savepoint.id);
                        Seen::NotYet(format!("{:?}", savepoint.failure))
                    }
                    Err(error) => Seen::NotYet(format!("{error:#}")),
                })
            })
            .await?;
        let Some(id) = taken else { return Ok(()) };
        let found: Verification = api.post(&format!("savepoints/{id}/verify"), &json!({})).await?;
        ensure!(found.intact && found.files > 1, "{found:?}");
        self.savepoints.push(id);
        Ok(())
    }

    pub(super) async fn stop_and_resume(&mut self) -> Result<()> {
        self.ask_stop().await?;
        if self.chance.below(2) == 0 {
            self.sleep(0, 500).await;
            self.kill_worker().await?;
        }
        if self.wait_stopped().await? {
            self.resume().await?;
        }
        Ok(())
    }

    /// Asks the job to stop with a savepoint.
    pub(crate) async fn ask_stop(&self) -> Result<()> {
        let path = format!("jobs/{}/stop", self.job);
        self.look("a stop to be accepted", async |job| {
            let asked: Result<Job> = self.cluster.api.post(&path, &json!({})).await;
            Ok(match asked {
                Ok(_) => Seen::Done(()),
                Err(_) if job.phase.is_terminal() => Seen::Done(()),
                Err(refused) => Seen::NotYet(format!("{refused:#}")),
            })
        })
        .await
    }

    /// Waits until the job has stopped, or ended (false). One whose savepoint fails goes on, and is asked again.
    pub(crate) async fn wait_stopped(&self) -> Result<bool> {
        let path = format!("jobs/{}/stop", self.job);
        self.look("the job to stop", async |job| match job.phase {
            Phase::Stopped => Ok(Seen::Done(true)),
            Phase::Running => {
                // It may begin to stop meanwhile.
                let asked: Result<Job> = self.cluster.api.post(&path, &json!({})).await;
                Ok(Seen::NotYet(format!("it runs; asked again: {asked:?}")))
            }
            phase if phase.is_terminal() => Ok(Seen::Done(false)),
            phase => Ok(Seen::NotYet(format!(
                "{phase} {:?} {:?}",
                job.phase_reason, job.failure
            ))),
        })
        .await
    }

    /// Lets a stopped job go on.
    pub(crate) async fn resume(&self) -> Result<()> {
        let path = format!("jobs/{}/resume", self.job);
        self.look("a resume to be accepted", async |job| {
            if job.phase != Phase::Stopped {
                return Ok(Seen::Done(()));
            }
            let asked: Result<Job> = self.cluster.api.post(&path, &json!({})).await;
            Ok(Seen::NotYet(format!("{asked:?}")))
        })
        .await
    }

    /// The number of the newest checkpoint that was begun.
    pub(crate) async fn newest_checkpoint(&self) -> Result<u64> {
        self.look("the job's checkpoints", async |_| {
            Ok(match self.cluster.api.checkpoints(self.job).await {
                Ok(list) => Seen::Done(list.checkpoints.first().map_or(0, |newest| newest.number)),
                Err(error) => Seen::NotYet(format!("{error:#}")),
            })
        })
        .await
    }

    /// Waits until one that was begun after this is complete, or the job has ended.
    pub(crate) async fn wait_checkpoint_after(&self, number: u64) -> Result<()> {
        self.look("a later checkpoint to be complete", async |job| {
            let Ok(list) = self.cluster.api.checkpoints(self.job).await else {
                return Ok(Seen::NotYet("no answer".to_owned()));
            };
            let later = list
                .checkpoints
                .iter()
                .any(|c| c.number > number && c.status == CheckpointStatus::Completed);
            Ok(if later || job.phase.is_terminal() {
                Seen::Done(())
            } else {
                let newest: Vec<_> = list.checkpoints.into_iter().take(3).collect();
                Seen::NotYet(format!("{newest:?}, {} {:?}", job.phase, job.failure))
            })
        })
        .await
    }
}
