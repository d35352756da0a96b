//! Processes that are killed, frozen and restarted.

use std::fs;

use anyhow::{Context, Result};
use weir_env::{Clock, SystemClock};
use weir_tests::{
    cluster::{is_running, is_stopped, kill_hard, signal_continue, signal_interrupt, signal_stop},
    wait::{Seen, until},
};

use super::{Chaos, PATIENCE};

impl Chaos<'_> {
    pub(super) async fn kill_worker(&mut self) -> Result<()> {
        let worker = self.used_worker().await?.pid();
        self.kill(&[worker]).await
    }

    pub(super) async fn kill_control_plane(&self) -> Result<()> {
        self.kill(&[self.control_plane().await?]).await
    }

    pub(super) async fn kill_both(&mut self) -> Result<()> {
        let worker = self.used_worker().await?.pid();
        self.kill(&[worker, self.control_plane().await?]).await
    }

    async fn kill(&self, pids: &[i32]) -> Result<()> {
        pids.iter().try_for_each(|pid| kill_hard(*pid))?;
        for pid in pids {
            wait_end(*pid).await?;
        }
        Ok(())
    }

    async fn control_plane(&self) -> Result<i32> {
        until("a control plane", PATIENCE, async || {
            Ok(match self.cluster.control_plane_pid()? {
                Some(pid) => Seen::Done(pid),
                None => Seen::NotYet("none runs".to_owned()),
            })
        })
        .await
    }

    pub(super) async fn freeze_shortly(&mut self) -> Result<()> {
        let moment = self.chance.ms(100, 2_500);
        let pid = self.freeze().await?;
        SystemClock::new().sleep(moment).await;
        signal_continue(pid)
    }

    pub(super) async fn freeze_until_lost(&mut self) -> Result<()> {
        let pid = self.freeze().await?;
        let lost = self.wait_lost(pid).await;
        // Long enough for its tasks to run elsewhere: a zombie wakes.
        self.sleep(0, 4_000).await;
        signal_continue(pid)?;
        lost
    }

    async fn freeze(&mut self) -> Result<i32> {
        let pid = self.used_worker().await?.pid();
        signal_stop(pid)?;
        until("a frozen worker to stand still", PATIENCE, async || {
            Ok(if is_stopped(pid) {
                Seen::Done(())
            } else {
                Seen::NotYet(format!("{pid} runs"))
            })
        })
        .await?;
        Ok(pid)
    }

    /// The job goes on meanwhile, and its checkpoints go on behind it.
    pub(super) async fn restart_metadata(&mut self) -> Result<()> {
        let before = self.newest_checkpoint().await?;
        self.restart_database("data").await?;
        self.wait_checkpoint_after(before).await
    }

    /// Kills the broker that the job writes to, and starts it again after a while.
    pub(super) async fn restart_kafka(&mut self) -> Result<()> {
        let mut kafka = self.kafka.context("the job writes to no topic")?.lock().await;
        kafka.kill()?;
        self.sleep(0, 5_000).await;
        kafka.start_again().await
    }

    /// Restarts the private database in a folder of the cluster.
    pub(super) async fn restart_database(&self, folder: &str) -> Result<()> {
        let file = self.folder.join(folder).join("postgres/postmaster.pid");
        // The first line is the process, the eighth how far it is.
        let running = || {
            let text = fs::read_to_string(&file).unwrap_or_default();
            let pid = text.lines().next()?.trim().parse::<i32>().ok()?;
            (text.lines().nth(7)?.trim() == "ready").then_some(pid)
        };
        let old = running().with_context(|| format!("no database runs in {folder}"))?;
        signal_interrupt(old)?;
        wait_end(old).await?;
        until("a database to run again", PATIENCE, async || {
            Ok(match running() {
                Some(new) if new != old => Seen::Done(()),
                other => Seen::NotYet(format!("{other:?}, before {old}")),
            })
        })
        .await
    }
}

async fn wait_end(pid: i32) -> Result<()> {
    until("a process to be gone", PATIENCE, async || {
        Ok(if is_running(pid) {
            Seen::NotYet(format!("{pid} runs"))
        } else {
            Seen::Done(())
        })
    })
    .await
}
