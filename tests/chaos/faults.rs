//! What is done to the cluster, by a seeded plan, and the proof that it happened.

use std::{fmt, time::Duration};

use anyhow::{Context, Result, ensure};
use weir_env::{Clock, SystemClock};
use weir_model::{JobId, Phase, api::WorkerState};
use weir_tests::{
    cluster::{Cluster, is_running, is_stopped, kill_hard, signal_continue, signal_stop},
    wait::{Seen, until},
};

/// How long a fault may take to show.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long the job may take to get on after a fault.
const RECOVERY: Duration = Duration::from_secs(90);

/// Something that goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Fault {
    /// `kill -9` of a worker that the job uses.
    KillWorker,
    /// `kill -9` of the control plane.
    KillControlPlane,
    /// Both at once.
    KillBoth,
    /// A worker stands still for a moment that nobody need notice.
    FreezeShortly,
    /// A worker stands still until it counts as lost, and then goes on.
    FreezeUntilLost,
}

/// All kinds. A run does each at least once, if it is long enough.
pub(crate) const FAULTS: &[Fault] = &[
    Fault::KillWorker,
    Fault::FreezeUntilLost,
    Fault::KillControlPlane,
    Fault::KillBoth,
    Fault::FreezeShortly,
];

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::KillWorker => "worker killed",
            Self::KillControlPlane => "control plane killed",
            Self::KillBoth => "worker and control plane killed",
            Self::FreezeShortly => "worker frozen shortly",
            Self::FreezeUntilLost => "worker frozen until lost, then woken",
        })
    }
}

/// Chance by a seed: SplitMix64.
#[derive(Clone, Debug)]
pub(crate) struct Chance(pub(crate) u64);

impl Chance {
    /// One of `0..end`.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % end
    }

    fn ms(&mut self, least: u64, most: u64) -> Duration {
        Duration::from_millis(least + self.below(most - least + 1))
    }
}

/// The faults of a run, in their order: first each kind once, then any.
pub(crate) struct Plan {
    first: Vec<Fault>,
    chance: Chance,
}

impl Plan {
    pub(crate) fn new(seed: u64) -> Self {
        let mut chance = Chance(seed);
        let mut first = FAULTS.to_vec();
        for i in (1..first.len()).rev() {
            first.swap(i, chance.below(i as u64 + 1) as usize);
        }
        Self { first, chance }
    }

    pub(crate) fn next(&mut self) -> Fault {
        match self.first.pop() {
            Some(fault) => fault,
            None => FAULTS[self.chance.below(FAULTS.len() as u64) as usize],
        }
    }

    /// How long the job is left alone before the next one.
    pub(crate) fn pause(&mut self) -> Duration {
        self.chance.ms(300, 3_000)
    }

    /// Whether the next fault comes before the job has got over this one.
    pub(crate) fn is_impatient(&mut self) -> bool {
        self.chance.below(4) == 0
    }
}

/// A fault that happened.
#[derive(Clone, Debug)]
pub(crate) struct Done {
    pub(crate) fault: Fault,
    /// How long until the job got on; none if nobody waited.
    pub(crate) recovered_after: Option<Duration>,
}

/// Does things to a cluster that runs a job.
pub(crate) struct Chaos<'a> {
    pub(crate) cluster: &'a Cluster,
    pub(crate) job: JobId,
    pub(crate) chance: Chance,
}

impl Chaos<'_> {
    /// Makes a fault happen, and makes sure that it did.
    pub(crate) async fn inflict(&mut self, fault: Fault) -> Result<()> {
        match fault {
            Fault::KillWorker => {
                let worker = self.used_worker().await?;
                self.kill(&[worker]).await
            }
            Fault::KillControlPlane => self.kill(&[self.control_plane().await?]).await,
            Fault::KillBoth => {
                let worker = self.used_worker().await?;
                self.kill(&[worker, self.control_plane().await?]).await
            }
            Fault::FreezeShortly => {
                let moment = self.chance.ms(100, 2_500);
                let pid = self.freeze().await?;
                SystemClock::new().sleep(moment).await;
                signal_continue(pid)
            }
            Fault::FreezeUntilLost => {
                let pid = self.freeze().await?;
                let lost = self.wait_lost(pid).await;
                // Long enough for its tasks to run elsewhere: a zombie wakes.
                SystemClock::new().sleep(self.chance.ms(0, 4_000)).await;
                signal_continue(pid)?;
                lost
            }
        }
    }

    async fn kill(&self, pids: &[i32]) -> Result<()> {
        pids.iter().try_for_each(|pid| kill_hard(*pid))?;
        for pid in pids {
            until("a killed process to be gone", PATIENCE, async || {
                Ok(if is_running(*pid) {
                    Seen::NotYet(format!("{pid} runs"))
                } else {
                    Seen::Done(())
                })
            })
            .await?;
        }
        Ok(())
    }

    async fn freeze(&mut self) -> Result<i32> {
        let pid = self.used_worker().await?;
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

    async fn wait_lost(&self, pid: i32) -> Result<()> {
        until("a frozen worker to count as lost", PATIENCE, async || {
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

    async fn control_plane(&self) -> Result<i32> {
        until("a control plane", PATIENCE, async || {
            Ok(match self.cluster.control_plane_pid()? {
                Some(pid) => Seen::Done(pid),
                None => Seen::NotYet("none runs".to_owned()),
            })
        })
        .await
    }

    /// The process of a worker that the job's newest execution uses.
    async fn used_worker(&mut self) -> Result<i32> {
        let nth = self.chance.below(1_000) as usize;
        until("a worker that runs the job", PATIENCE, async || {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_makes_one_plan_in_which_each_kind_comes_first() {
        let faults = |seed| {
            let mut plan = Plan::new(seed);
            (0..20).map(|_| plan.next()).collect::<Vec<_>>()
        };
        assert_eq!(faults(7), faults(7));
        assert_ne!(faults(7), faults(8));
        let mut first = faults(7)[..FAULTS.len()].to_vec();
        first.sort_unstable();
        let mut all = FAULTS.to_vec();
        all.sort_unstable();
        assert_eq!(first, all);
    }
}
