//! A subtask: what it has, and what it does with what comes.

use std::collections::{BTreeMap, BTreeSet};

use weir_checkpoint::{
    coordinator::{Savepoint, Subtask},
    key_group,
    manifest::{CheckpointId, Files, FilesFormat, OperatorState, SplitState, StateFile, SubtaskState},
    storage::layout,
};

use crate::outside::{FOLDER, GROUPS, Output, Row, Target, group_of};

#[derive(Default)]
pub(crate) struct Task {
    pub(crate) splits: Vec<SplitState>,
    pub(crate) told: Option<(CheckpointId, Option<Savepoint>)>,
    /// A source that reads nothing behind the barrier of a savepoint.
    pub(crate) paused: Option<CheckpointId>,
    pub(crate) counts: BTreeMap<u32, u64>,
    /// Those that are aligned, or were: older barriers are nothing any more.
    pub(crate) aligning: Option<(CheckpointId, Option<Savepoint>)>,
    pub(crate) blocked: BTreeSet<Subtask>,
    pub(crate) ended: BTreeSet<Subtask>,
    pub(crate) given_up: Option<CheckpointId>,
    pub(crate) passed: Option<CheckpointId>,
    pub(crate) unprepared: Vec<Output>,
    /// Transactions by the checkpoint that they were prepared for; none: at the end.
    pub(crate) pending: Vec<(Option<CheckpointId>, String)>,
    pub(crate) uploaded: BTreeMap<u32, (u64, String)>,
    pub(crate) undecided: BTreeMap<CheckpointId, BTreeMap<u32, (u64, String)>>,
    pub(crate) last: Option<SubtaskState>,
}

/// What travels from a source to a keyed operator.
pub(crate) enum Data {
    Row(Row),
    Barrier(CheckpointId, Option<Savepoint>),
    End,
}

impl Task {
    pub(crate) fn take(&mut self, from: Subtask, data: Data) {
        match data {
            Data::Row(row) => {
                let count = self.counts.entry(group_of(row)).or_default();
                *count += 1;
                self.unprepared.push(Output { row, count: *count });
            }
            Data::Barrier(checkpoint, _) if Some(checkpoint) <= self.passed.max(self.given_up) => {}
            Data::Barrier(checkpoint, savepoint) => {
                let aligning = self.aligning.as_ref().map(|(aligning, _)| *aligning);
                if aligning.is_some_and(|aligning| checkpoint < aligning) {
                    return;
                }
                if aligning.is_none_or(|aligning| aligning < checkpoint) {
                    self.blocked.clear();
                    self.aligning = Some((checkpoint, savepoint));
                }
                self.blocked.insert(from);
            }
            Data::End => {
                self.ended.insert(from);
            }
        }
    }

    pub(crate) fn give_up(&mut self, checkpoint: CheckpointId) {
        self.given_up = self.given_up.max(Some(checkpoint));
        self.told.take_if(|(told, _)| *told <= checkpoint);
        self.paused.take_if(|paused| *paused <= checkpoint);
        self.undecided.remove(&checkpoint);
        if self
            .aligning
            .take_if(|(aligning, _)| *aligning <= checkpoint)
            .is_some()
        {
            self.blocked.clear();
        }
    }

    pub(crate) fn prepare(
        &mut self,
        generation: u64,
        subtask: Subtask,
        checkpoint: Option<CheckpointId>,
        target: &mut Target,
    ) {
        if !self.unprepared.is_empty() {
            let at = checkpoint.map_or("end".to_owned(), |checkpoint| checkpoint.to_string());
            let transaction = format!("{generation}-{}-{at}", subtask.subtask);
            target.prepare(transaction.clone(), std::mem::take(&mut self.unprepared));
            self.pending.push((checkpoint, transaction));
        }
    }

    pub(crate) fn state(
        Subtask { task, subtask }: Subtask,
        parallelism: u32,
        operator: OperatorState,
        files: Files,
    ) -> SubtaskState {
        SubtaskState {
            task,
            subtask,
            key_groups: key_group::range(subtask, parallelism, GROUPS),
            finished: false,
            operators: vec![operator],
            files,
            in_flight: None,
        }
    }

    pub(crate) fn operator(&self) -> OperatorState {
        OperatorState {
            uid: "keyed".to_owned(),
            commits: self
                .pending
                .iter()
                .map(|(_, transaction)| transaction.clone())
                .collect(),
            ..OperatorState::default()
        }
    }

    pub(crate) fn source_state(&self, subtask: Subtask, parallelism: u32) -> SubtaskState {
        let operator = OperatorState {
            uid: "source".to_owned(),
            splits: self.splits.clone(),
            ..OperatorState::default()
        };
        Self::state(subtask, parallelism, operator, Files::default())
    }

    /// The state at a barrier, and the files to write for it: those of key groups that have not changed are there already.
    pub(crate) fn keyed_state(
        &mut self,
        generation: u64,
        subtask: Subtask,
        parallelism: u32,
        checkpoint: CheckpointId,
        savepoint: Option<&Savepoint>,
    ) -> (Vec<(String, String, u64)>, SubtaskState) {
        let (folder, prefix) = match savepoint {
            None => (FOLDER, layout::state_of(generation, 1, subtask.subtask)),
            Some(savepoint) => (
                savepoint.url.as_str(),
                layout::savepoint_data_of(1, subtask.subtask),
            ),
        };
        let (mut new, mut all) = (Vec::new(), BTreeMap::new());
        for (group, count) in &self.counts {
            let known = self.uploaded.get(group).filter(|known| {
                known.0 == *count
                    && self
                        .undecided
                        .values()
                        .all(|paths| paths.get(group) == Some(*known))
            });
            let path = known
                .filter(|_| savepoint.is_none())
                .map(|(_, path)| path.clone());
            let path = path.unwrap_or_else(|| {
                let path = format!("{prefix}/{checkpoint}-{group}");
                new.push((folder.to_owned(), path.clone(), *count));
                path
            });
            all.insert(*group, (*count, path));
        }
        let file = |(group, (_, path)): (&u32, &(u64, String))| StateFile {
            name: group.to_string(),
            path: path.clone(),
            bytes: 1,
            crc32: 0,
        };
        let files = Files {
            format: FilesFormat::Sorted,
            files: all.iter().map(file).collect(),
        };
        if savepoint.is_none() {
            self.undecided.insert(checkpoint, all);
        }
        (new, Self::state(subtask, parallelism, self.operator(), files))
    }
}
