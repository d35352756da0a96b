//! Which faults a run has, and in which order: chance by a seed.

use std::{fmt, time::Duration};

/// Something that goes wrong, or that is asked of the job meanwhile.
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
    /// The job gets another parallelism.
    Rescale,
    /// The same, and a worker is killed shortly before or shortly after it is asked for.
    RescaleAndKill,
    /// A savepoint is taken.
    Savepoint,
    /// The job is stopped with a savepoint, perhaps a worker is killed on the way, and it is resumed.
    StopAndResume,
    /// A worker's connection to the control plane breaks, and cannot be made anew for a moment.
    CutControl,
    /// Nothing passes between a worker and the control plane until it counts as lost; the worker itself goes on.
    StallControl,
    /// The connections on which a worker gets rows break, and cannot be made anew for a moment.
    CutRows,
    /// Nothing passes on these connections for a while.
    StallRows,
    /// The connections between two workers break, both ways, and cannot be made anew for a moment; both go on with all others.
    CutPair,
    /// Nothing passes between two workers for a while.
    StallPair,
    /// Nothing can be written to, or read from, the folder of checkpoints for a while.
    LoseStore,
    /// A worker's disk is full for a while.
    FillDisk,
    /// The control plane's PostgreSQL is restarted.
    RestartMetadata,
    /// The PostgreSQL that the job writes to is restarted.
    RestartOutput,
    /// The broker that the job writes to is killed and started again.
    RestartKafka,
}

/// All kinds. A run does each at least once, if it is long enough.
pub(crate) const FAULTS: &[Fault] = &[
    Fault::KillWorker,
    Fault::FreezeUntilLost,
    Fault::KillControlPlane,
    Fault::KillBoth,
    Fault::FreezeShortly,
    Fault::Rescale,
    Fault::RescaleAndKill,
    Fault::Savepoint,
    Fault::StopAndResume,
    Fault::CutControl,
    Fault::StallControl,
    Fault::CutRows,
    Fault::StallRows,
    Fault::CutPair,
    Fault::StallPair,
    Fault::LoseStore,
    Fault::FillDisk,
    Fault::RestartMetadata,
    Fault::RestartOutput,
];

/// Those for a job that writes to topics.
pub(crate) const FAULTS_OF_TOPICS: &[Fault] = &[
    Fault::RestartKafka,
    Fault::KillWorker,
    Fault::KillControlPlane,
    Fault::KillBoth,
    Fault::FreezeUntilLost,
    Fault::StopAndResume,
    Fault::RescaleAndKill,
];

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::KillWorker => "worker killed",
            Self::KillControlPlane => "control plane killed",
            Self::KillBoth => "worker and control plane killed",
            Self::FreezeShortly => "worker frozen shortly",
            Self::FreezeUntilLost => "worker frozen until lost, then woken",
            Self::Rescale => "job rescaled",
            Self::RescaleAndKill => "job rescaled, worker killed shortly before or after",
            Self::Savepoint => "savepoint taken and verified",
            Self::StopAndResume => {
                "job stopped with a savepoint, perhaps a worker killed meanwhile, and resumed"
            }
            Self::CutControl => "worker cut off from the control plane shortly",
            Self::StallControl => "worker and control plane do not hear each other until it is lost",
            Self::CutRows => "connections between workers broken",
            Self::StallRows => "connections between workers stalled",
            Self::CutPair => "connections between one pair of workers broken",
            Self::StallPair => "connections between one pair of workers stalled",
            Self::LoseStore => "checkpoint store away until a checkpoint has failed",
            Self::FillDisk => "worker's disk full until something has failed",
            Self::RestartMetadata => "control plane's PostgreSQL restarted",
            Self::RestartOutput => "job's PostgreSQL restarted",
            Self::RestartKafka => "job's Kafka killed and started again",
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

    pub(crate) fn ms(&mut self, least: u64, most: u64) -> Duration {
        Duration::from_millis(least + self.below(most - least + 1))
    }
}

/// The faults of a run, in their order: first so many kinds once, then any.
pub(crate) struct Plan {
    /// Those to come that have not been yet, the next one last.
    first: Vec<Fault>,
    kinds: Vec<Fault>,
    chance: Chance,
}

impl Plan {
    /// Of these kinds, of which so many come once at first.
    pub(crate) fn new(seed: u64, mut kinds: Vec<Fault>, first: usize) -> Self {
        let mut chance = Chance(seed);
        for i in (1..kinds.len()).rev() {
            kinds.swap(i, chance.below(i as u64 + 1) as usize);
        }
        Self {
            first: kinds[..first.min(kinds.len())].to_vec(),
            kinds,
            chance,
        }
    }

    /// Those that surely come.
    pub(crate) fn first(&self) -> &[Fault] {
        &self.first
    }

    pub(crate) fn next(&mut self) -> Fault {
        match self.first.pop() {
            Some(fault) => fault,
            None => self.kinds[self.chance.below(self.kinds.len() as u64) as usize],
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_makes_one_plan_in_which_as_many_kinds_as_asked_for_come_first() {
        let faults = |seed, first| {
            let mut plan = Plan::new(seed, FAULTS.to_vec(), first);
            (0..40).map(|_| plan.next()).collect::<Vec<_>>()
        };
        assert_eq!(faults(7, 40), faults(7, 40));
        assert_ne!(faults(7, 40), faults(8, 40));
        for first in [3, FAULTS.len()] {
            let mut begin = faults(7, first)[..first].to_vec();
            begin.sort_unstable();
            begin.dedup();
            assert_eq!(begin.len(), first);
        }
    }
}
