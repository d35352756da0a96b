//! What this worker knows of its deployments and has to say about them. Pure.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use weir_checkpoint::fence::{Verdict, judge};
use weir_model::Generation;
use weir_proto::control::{RunningDeployment, TaskReport, TaskState};

/// How long a deployment whose subtasks have all ended is listed, when nobody cancels it.
const KEPT: Duration = Duration::from_mins(10);

/// A deployment: the job and the generation.
pub type Key = (String, Generation);

/// The state of every deployment's subtasks here, kept until the control plane has surely heard of their ends.
#[derive(Debug, Default)]
pub struct Ledger {
    /// The newest generation known of each job: older ones are refused. Kept as long as the process lives.
    newest: HashMap<String, Generation>,
    entries: BTreeMap<Key, Entry>,
}

#[derive(Debug)]
struct Entry {
    attempt: u32,
    subtasks: usize,
    tasks: BTreeMap<(u32, u32), TaskReport>,
    cancelled: bool,
    ended: Option<Duration>,
}

impl Entry {
    fn has_ended(&self) -> bool {
        self.tasks.len() == self.subtasks && self.tasks.values().all(is_final)
    }
}

/// Whether nothing follows the report.
pub fn is_final(report: &TaskReport) -> bool {
    matches!(
        report.state(),
        TaskState::Finished | TaskState::Cancelled | TaskState::Failed
    )
}

impl Ledger {
    /// How a deployment stands to the newest known of its job.
    pub fn judge(&self, job: &str, generation: Generation) -> Verdict {
        judge(self.newest.get(job).copied(), generation)
    }

    /// Takes a newer deployment of so many subtasks in: older ones that have ended are forgotten. Returns those that still run.
    pub fn begin(&mut self, key: &Key, attempt: u32, subtasks: usize) -> Vec<Key> {
        self.newest.insert(key.0.clone(), key.1);
        self.entries
            .retain(|(job, _), entry| *job != key.0 || !entry.has_ended());
        let older = self
            .entries
            .keys()
            .filter(|(job, _)| *job == key.0)
            .cloned()
            .collect();
        let entry = Entry {
            attempt,
            subtasks,
            tasks: BTreeMap::new(),
            cancelled: false,
            ended: None,
        };
        self.entries.insert(key.clone(), entry);
        older
    }

    /// Keeps what a subtask has come to. `reported`: whether the control plane hears of it now.
    ///
    /// Returns whether this ended the deployment.
    pub fn record(&mut self, report: TaskReport, now: Duration, reported: bool) -> bool {
        let key = (report.job_id.clone(), Generation(report.generation));
        let Some(entry) = self.entries.get_mut(&key) else {
            return false;
        };
        entry.tasks.insert((report.task, report.subtask), report);
        let ended = entry.has_ended();
        if ended {
            entry.ended = Some(now);
            if entry.cancelled && reported {
                self.entries.remove(&key);
            }
        }
        ended
    }

    /// A cancel of the job's deployments up to a generation: none of them will be taken in any more.
    ///
    /// Returns the ones that still run, and the last reports of those that have ended, which are forgotten.
    pub fn cancel(&mut self, job: &str, generation: Generation) -> (Vec<Key>, Vec<TaskReport>) {
        let newest = self.newest.entry(job.to_owned()).or_insert(generation);
        *newest = generation.max(*newest);
        let named: Vec<Key> = self
            .entries
            .keys()
            .filter(|(j, g)| j == job && *g <= generation)
            .cloned()
            .collect();
        let (mut running, mut reports) = (Vec::new(), Vec::new());
        for key in named {
            let Some(entry) = self.entries.get_mut(&key) else {
                continue;
            };
            if entry.has_ended() {
                reports.extend(
                    self.entries
                        .remove(&key)
                        .into_iter()
                        .flat_map(|e| e.tasks.into_values()),
                );
            } else {
                entry.cancelled = true;
                running.push(key);
            }
        }
        (running, reports)
    }

    /// Whether the deployment is kept here.
    pub fn knows(&self, key: &Key) -> bool {
        self.entries.contains_key(key)
    }

    /// What the subtasks of a deployment have come to.
    pub fn reports(&self, key: &Key) -> Vec<TaskReport> {
        self.entries
            .get(key)
            .into_iter()
            .flat_map(|e| e.tasks.values().cloned())
            .collect()
    }

    /// Everything, for the control plane to adopt.
    pub fn list(&self) -> Vec<RunningDeployment> {
        self.entries
            .iter()
            .map(|((job, generation), entry)| RunningDeployment {
                job_id: job.clone(),
                generation: generation.0,
                attempt: entry.attempt,
                tasks: entry.tasks.values().cloned().collect(),
            })
            .collect()
    }

    /// Forgets deployments that ended long ago.
    pub fn expire(&mut self, now: Duration) {
        self.entries
            .retain(|_, entry| entry.ended.is_none_or(|ended| now < ended + KEPT));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(generation: u64, subtask: u32, state: TaskState) -> TaskReport {
        let state = state.into();
        TaskReport {
            job_id: "j".to_owned(),
            generation,
            task: 0,
            subtask,
            state,
            ..TaskReport::default()
        }
    }

    fn key(generation: u64) -> Key {
        ("j".to_owned(), Generation(generation))
    }

    /// A deployment of two subtasks, the first of which has finished.
    fn half_done() -> Ledger {
        let mut ledger = Ledger::default();
        assert_eq!(ledger.begin(&key(3), 1, 2), []);
        assert!(!ledger.record(report(3, 1, TaskState::Running), NOW, true));
        assert!(!ledger.record(report(3, 0, TaskState::Finished), NOW, true));
        ledger
    }

    const NOW: Duration = Duration::from_secs(5);

    #[test]
    fn an_end_stays_listed_until_a_cancel_names_it() {
        let mut ledger = half_done();
        assert!(ledger.record(report(3, 1, TaskState::Finished), NOW, false));
        assert_eq!(ledger.list()[0].tasks.len(), 2);
        let (running, reports) = ledger.cancel("j", Generation(3));
        assert_eq!((running, reports.len()), (vec![], 2));
        assert_eq!(ledger.list(), []);
    }

    #[test]
    fn a_cancelled_deployment_is_forgotten_once_its_end_is_reported() {
        for reported in [true, false] {
            let mut ledger = half_done();
            assert_eq!(ledger.cancel("j", Generation(7)), (vec![key(3)], vec![]));
            assert!(ledger.record(report(3, 1, TaskState::Cancelled), NOW, reported));
            assert_eq!(ledger.list().is_empty(), reported);
        }
    }

    #[test]
    fn a_cancel_fences_what_it_names_and_leaves_newer_deployments_alone() {
        let mut ledger = half_done();
        assert_eq!(ledger.cancel("j", Generation(2)), (vec![], vec![]));
        assert_eq!(ledger.judge("j", Generation(2)), Verdict::Stale);
        assert_eq!(ledger.judge("j", Generation(3)), Verdict::Current);
        assert_eq!(ledger.judge("j", Generation(4)), Verdict::Newer);
        ledger.cancel("j", Generation(9));
        assert_eq!(ledger.judge("j", Generation(4)), Verdict::Stale);
    }

    #[test]
    fn a_newer_deployment_finds_the_older_one_that_still_runs() {
        let mut ledger = half_done();
        assert_eq!(ledger.begin(&key(4), 2, 2), [key(3)]);
        ledger.record(report(3, 1, TaskState::Cancelled), NOW, false);
        assert_eq!(ledger.list().len(), 2);
        assert_eq!(ledger.begin(&key(5), 3, 2), [key(4)]);
        let listed: Vec<_> = ledger.list().iter().map(|d| d.generation).collect();
        assert_eq!(listed, [4, 5], "the one that has ended is forgotten");
    }

    #[test]
    fn an_end_that_nobody_cancels_expires() {
        let mut ledger = half_done();
        ledger.record(report(3, 1, TaskState::Finished), NOW, true);
        ledger.expire(KEPT);
        assert_eq!(ledger.list().len(), 1);
        ledger.expire(NOW + KEPT);
        assert_eq!(ledger.list(), []);
    }
}
