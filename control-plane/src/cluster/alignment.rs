//! Sources that keep together over several workers: each is told how far those of the others have come.

use std::collections::BTreeMap;

use weir_model::WorkerId;
use weir_proto::control::GroupProgress;

/// How far the groups of a deployment have come in each worker. Pure.
#[derive(Clone, Debug, Default)]
pub struct Alignment {
    /// The least watermark, ms, by group and worker. Who is not there holds nobody back.
    least_ms: BTreeMap<String, BTreeMap<WorkerId, i64>>,
}

impl Alignment {
    /// Takes a worker's word, which takes the place of what it said before.
    pub fn report(&mut self, worker: WorkerId, groups: &[GroupProgress]) {
        self.forget(worker);
        for GroupProgress { group, least_ms } in groups {
            if let Some(least_ms) = least_ms {
                let workers = self.least_ms.entry(group.clone()).or_default();
                workers.insert(worker, *least_ms);
            }
        }
    }

    /// The worker holds nobody back any more.
    pub fn forget(&mut self, worker: WorkerId) {
        for workers in self.least_ms.values_mut() {
            workers.remove(&worker);
        }
    }

    /// The least of each group in the other workers.
    pub fn elsewhere(&self, worker: WorkerId) -> Vec<GroupProgress> {
        let groups = self.least_ms.iter().map(|(group, workers)| {
            let others = workers.iter().filter(|(other, _)| **other != worker);
            GroupProgress {
                group: group.clone(),
                least_ms: others.map(|(_, least_ms)| *least_ms).min(),
            }
        });
        groups.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn progress(least_ms: impl Into<Option<i64>>) -> Vec<GroupProgress> {
        vec![GroupProgress {
            group: "g".into(),
            least_ms: least_ms.into(),
        }]
    }

    #[test]
    fn each_worker_hears_the_least_of_the_others() {
        let [one, two, three] = [1, 2, 3].map(|n: u128| WorkerId(uuid::Uuid::from_u128(n)));
        let mut alignment = Alignment::default();
        assert_eq!(alignment.elsewhere(one), []);
        alignment.report(one, &progress(5));
        assert_eq!(
            alignment.elsewhere(one),
            progress(None),
            "its own word is not told back"
        );
        alignment.report(two, &progress(7));
        alignment.report(three, &progress(9));
        assert_eq!(alignment.elsewhere(one), progress(7));
        assert_eq!(alignment.elsewhere(two), progress(5));
        alignment.report(one, &progress(8));
        assert_eq!(alignment.elsewhere(two), progress(8));
        alignment.report(one, &progress(None));
        assert_eq!(alignment.elsewhere(two), progress(9), "idle");
        alignment.forget(three);
        assert_eq!(alignment.elsewhere(two), progress(None), "gone");
    }
}
