//! Storage that fails for a while.

use std::fs;

use anyhow::{Result, bail, ensure};
use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};
use weir_model::{
    Phase,
    api::{CheckpointStatus, ExceptionList},
};
use weir_tests::wait::Seen;

use super::Chaos;

/// How often the store is taken away from a job that something else ends at the same time.
const TRIES: usize = 3;
/// What the system says of a full disk.
const NO_ROOM: &str = "No space left on device";

impl Chaos<'_> {
    /// Puts a file in the place of the folder of checkpoints until one has failed. The job goes on meanwhile, and a later one is
    /// complete.
    pub(super) async fn lose_store(&mut self) -> Result<()> {
        // What happened before may show only now: a job that is down cannot begin again without the store.
        for _ in 0..TRIES {
            self.recovery().await?;
            let before = self.newest_checkpoint().await?;
            let attempt = self.attempt().await?;
            let Some(failed) = self.without_store(before, attempt).await? else {
                continue;
            };
            self.wait_checkpoint_after(failed).await?;
            let now = self.attempt().await?;
            ensure!(
                now == attempt,
                "the job was deployed anew: attempt {now}, before {attempt}"
            );
            return Ok(());
        }
        bail!("the job was deployed anew {TRIES} times while the store was away")
    }

    /// The checkpoint that has failed for want of the store; none: something else has ended the attempt.
    async fn without_store(&mut self, before: u64, attempt: u32) -> Result<Option<u64>> {
        let (store, away) = (
            self.folder.join("data/state"),
            self.folder.join("data/state.away"),
        );
        fs::write(&away, "")?;
        let swap = || renameat2(AT_FDCWD, &store, AT_FDCWD, &away, RenameFlags::RENAME_EXCHANGE);
        swap()?;
        let failed = self.wait_failed_checkpoint(before, attempt).await;
        self.sleep(0, 2_000).await;
        swap()?;
        fs::remove_file(&away)?;
        failed
    }

    async fn attempt(&self) -> Result<u32> {
        self.look("the job", async |job| Ok(Seen::Done(job.attempt.0)))
            .await
    }

    /// Waits until a checkpoint that was begun after this has failed and says why. Its number; if the job has ended, that of this; none
    /// if the job does not run any more in this attempt.
    async fn wait_failed_checkpoint(&self, number: u64, attempt: u32) -> Result<Option<u64>> {
        self.look("a checkpoint to fail", async |job| {
            let Ok(list) = self.cluster.api.checkpoints(self.job).await else {
                return Ok(Seen::NotYet("no answer".to_owned()));
            };
            let failed = list
                .checkpoints
                .iter()
                .find(|c| c.number > number && c.status == CheckpointStatus::Failed && c.failure.is_some());
            Ok(match failed {
                _ if job.phase.is_terminal() => Seen::Done(Some(number)),
                _ if job.attempt.0 != attempt || job.phase != Phase::Running => Seen::Done(None),
                Some(failed) => Seen::Done(Some(failed.number)),
                None => Seen::NotYet(format!("{:?}", list.checkpoints.first())),
            })
        })
        .await
    }

    /// Fills the disk of a worker until something has failed of it.
    pub(super) async fn fill_disk(&mut self) -> Result<()> {
        self.recovery().await?;
        let since = self.newest_checkpoint().await?;
        let exceptions = self.exceptions_of_room().await.unwrap_or(0);
        let disk = &self.used_worker().await?.disk;
        let failed = self
            .look("something to fail for want of room", async |job| {
                // Again and again: databases give back what they had reserved.
                disk.fill()?;
                let list = self.cluster.api.checkpoints(self.job).await;
                let failed = list.is_ok_and(|list| {
                    let mut newer = list.checkpoints.into_iter().filter(|c| c.number > since);
                    newer.any(|c| c.failure.is_some_and(|why| why.contains(NO_ROOM)))
                });
                let thrown = self.exceptions_of_room().await.unwrap_or(0) > exceptions;
                Ok(if failed || thrown || job.phase.is_terminal() {
                    Seen::Done(())
                } else {
                    Seen::NotYet(format!("{} {:?}", job.phase, job.failure))
                })
            })
            .await;
        disk.empty()?;
        failed
    }

    async fn exceptions_of_room(&self) -> Result<usize> {
        let path = format!("jobs/{}/exceptions", self.job);
        let list: ExceptionList = self.cluster.api.get(&path).await?;
        let of_room = list
            .exceptions
            .iter()
            .filter(|exception| exception.failure.message.contains(NO_ROOM));
        Ok(of_room.count())
    }
}
