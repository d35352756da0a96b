//! What outlives every process: the object store, the metadata store, and the system that sinks write to.

use std::collections::{BTreeMap, BTreeSet};

use weir_checkpoint::{
    coordinator::{After, Savepoint, Subtask},
    key_group,
    manifest::{CheckpointId, Kind, Manifest, SubtaskState},
    storage::{Object, layout},
};

/// How many splits the source has, how long each is, and how many key groups there are.
pub(crate) const SPLITS: u64 = 3;
pub(crate) const ROWS: u64 = 150;
pub(crate) const GROUPS: u32 = 8;

/// A row: its split and its place there.
pub(crate) type Row = (u64, u64);

pub(crate) fn group_of((split, n): Row) -> u32 {
    key_group::of_hash(key_group::mix(key_group::mix(0, split), n), GROUPS)
}

/// What the keyed operator makes of a row: the how-manieth of its key group it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    pub(crate) row: Row,
    pub(crate) count: u64,
}

/// The job's folder, and those of its savepoints.
#[derive(Default)]
pub(crate) struct Store {
    /// How many rows of a key group were counted, by the folder's URL and the path.
    pub(crate) files: BTreeMap<(String, String), u64>,
    /// None: the place of one that must not come to be.
    pub(crate) manifests: BTreeMap<CheckpointId, Option<Manifest>>,
    /// Of what was given up, long ago.
    pub(crate) voids_deleted: BTreeSet<CheckpointId>,
}

pub(crate) const FOLDER: &str = "jobs/j";

impl Store {
    /// Creates a manifest if there is none. What is there.
    pub(crate) fn create(&mut self, id: CheckpointId, manifest: Option<Manifest>) -> Option<&Manifest> {
        self.manifests.entry(id).or_insert(manifest).as_ref()
    }

    pub(crate) fn manifest(&self, id: CheckpointId) -> Option<&Manifest> {
        self.manifests.get(&id)?.as_ref()
    }

    /// Everything in the job's folder.
    pub(crate) fn list(&self) -> Vec<Object> {
        let files = self.files.keys().filter(|(folder, _)| folder == FOLDER);
        let files = files.map(|(_, path)| path.clone());
        let is_here =
            |manifest: &Option<Manifest>| manifest.as_ref().is_none_or(|m| m.kind == Kind::Checkpoint);
        let manifests = self.manifests.iter().filter(|(_, manifest)| is_here(manifest));
        let manifests = manifests.map(|(id, _)| layout::checkpoint_manifest(*id));
        files
            .chain(manifests)
            .map(|path| Object { path, bytes: 1 })
            .collect()
    }

    pub(crate) fn delete(&mut self, path: &str) {
        match layout::entry(path) {
            Some(layout::Entry::Manifest(id)) => {
                if let Some(None) = self.manifests.remove(&id) {
                    self.voids_deleted.insert(id);
                }
            }
            _ => {
                self.files.remove(&(FOLDER.to_owned(), path.to_owned()));
            }
        }
    }
}

/// The system that sinks write to: rows of a transaction are seen when it is committed, which it may be again and again.
#[derive(Default)]
pub(crate) struct Target {
    prepared: BTreeMap<String, Vec<Output>>,
    committed: BTreeSet<String>,
    /// What a complete manifest says is to be committed.
    pub(crate) allowed: BTreeSet<String>,
    pub(crate) rows: BTreeSet<Row>,
    counts: BTreeSet<(u32, u64)>,
}

impl Target {
    pub(crate) fn prepare(&mut self, transaction: String, rows: Vec<Output>) {
        let before = self.prepared.insert(transaction.clone(), rows);
        assert!(before.is_none(), "{transaction} is prepared twice");
    }

    /// Whether anything came of it.
    pub(crate) fn commit(&mut self, transaction: &str) -> bool {
        assert!(
            self.allowed.contains(transaction),
            "{transaction} is committed, and no manifest has it"
        );
        let rows = self.prepared.get(transaction);
        let rows = rows.unwrap_or_else(|| panic!("{transaction} was never prepared"));
        if !self.committed.insert(transaction.to_owned()) {
            return false;
        }
        for Output { row, count } in rows {
            assert!(
                self.rows.insert(*row),
                "{row:?} is there twice, now by {transaction}"
            );
            let group = group_of(*row);
            assert!(
                self.counts.insert((group, *count)),
                "key group {group} counts {count} twice, now by {transaction}"
            );
        }
        true
    }

    pub(crate) fn rows_of(&self, transaction: &str) -> &[Output] {
        &self.prepared[transaction]
    }

    /// All rows are there, once, and counted without a gap.
    pub(crate) fn check_complete(&self) {
        let all: BTreeSet<Row> = (0..SPLITS)
            .flat_map(|split| (0..ROWS).map(move |n| (split, n)))
            .collect();
        let missing: Vec<&Row> = all.difference(&self.rows).collect();
        assert!(missing.is_empty(), "rows are lost: {missing:?}");
        for group in 0..GROUPS {
            let rows = all.iter().filter(|row| group_of(**row) == group).count() as u64;
            let counts = self
                .counts
                .range((group, 0)..(group + 1, 0))
                .map(|(_, count)| *count);
            assert!(counts.eq(1..=rows), "key group {group} was miscounted");
        }
    }
}

/// What the metadata store knows of the job.
#[derive(Default)]
pub(crate) struct Metadata {
    pub(crate) generation: u64,
    pub(crate) phase: Phase,
    /// Which worker runs what.
    pub(crate) assignment: BTreeMap<Subtask, usize>,
    pub(crate) parallelism: [u32; 2],
    pub(crate) history: BTreeMap<CheckpointId, Entry>,
    /// The savepoint that the job is to stop with.
    pub(crate) stop: Option<Savepoint>,
    /// The savepoint behind which the job does not go back: it was about to stop with it when that was there.
    pub(crate) base: Option<CheckpointId>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Phase {
    /// It is to be deployed, as soon as nothing of the last deployment is on its way.
    #[default]
    Down,
    Deployed,
    Done,
}

pub(crate) struct Entry {
    pub(crate) generation: u64,
    /// Of a savepoint: what the job does when it is there, and its folder.
    pub(crate) after: Option<After>,
    pub(crate) folder: String,
    pub(crate) status: Status,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    InProgress,
    Complete,
    Failed,
    Discarded,
}

impl Metadata {
    /// Complete checkpoints that are kept.
    pub(crate) fn retained(&self) -> Vec<CheckpointId> {
        let is_kept = |entry: &Entry| entry.status == Status::Complete && entry.after.is_none();
        self.history
            .iter()
            .filter(|(_, entry)| is_kept(entry))
            .map(|(id, _)| *id)
            .collect()
    }

    /// What the job begins with: its newest checkpoint, if that is newer than its base.
    pub(crate) fn start(&self) -> Option<CheckpointId> {
        let newest = self.retained().last().copied();
        newest.max(self.base)
    }

    /// The newest of the deployment that commits something: a checkpoint, or the savepoint to stop with.
    pub(crate) fn newest_to_commit(&self) -> Option<CheckpointId> {
        let commits = |(id, entry): &(&CheckpointId, &Entry)| {
            entry.status == Status::Complete
                && entry.generation == self.generation
                && (entry.after.is_none() || self.stops_with(**id))
        };
        self.history.iter().rev().find(commits).map(|(id, _)| *id)
    }

    /// Whether it is the savepoint to stop with, and the job begins with it from now on.
    pub(crate) fn stops_with(&self, id: CheckpointId) -> bool {
        self.base == Some(id) && self.is_asked(id)
    }

    fn is_asked(&self, id: CheckpointId) -> bool {
        let folder = self.history.get(&id).map(|entry| &entry.folder);
        self.stop.as_ref().map(|stop| &stop.url) == folder
    }

    /// Keeps how it ended. The job begins with the savepoint to stop with from the moment at which that is known to be there.
    pub(crate) fn end(&mut self, id: CheckpointId, status: Status) {
        self.history.get_mut(&id).expect("it was begun").status = status;
        if status == Status::Complete && self.is_asked(id) {
            self.base = Some(id);
        }
    }

    pub(crate) fn in_progress(&self) -> Vec<CheckpointId> {
        let is = |entry: &Entry| entry.status == Status::InProgress;
        self.history
            .iter()
            .filter(|(_, entry)| is(entry))
            .map(|(id, _)| *id)
            .collect()
    }

    pub(crate) fn next(&self) -> CheckpointId {
        CheckpointId(self.history.keys().last().map_or(1, |last| last.0 + 1))
    }
}

/// How far each split was read.
pub(crate) fn positions(states: &[SubtaskState]) -> BTreeMap<u64, u64> {
    let operators = states.iter().flat_map(|state| &state.operators);
    let splits = operators.flat_map(|operator| &operator.splits);
    splits
        .map(|split| {
            let number = |text: &str| text.parse().expect("a number");
            (number(&split.id), number(&split.state))
        })
        .collect()
}

/// A manifest is a cut through the flow: what was counted is exactly what was read.
pub(crate) fn check_cut(manifest: &Manifest, store: &Store, folder: &str) {
    let positions = positions(&manifest.subtasks);
    assert_eq!(positions.len() as u64, SPLITS, "a split is lost: {manifest:?}");
    for state in manifest
        .subtasks
        .iter()
        .filter(|state| state.task == 1 && !state.finished)
    {
        let mut counted: BTreeMap<u32, u64> = BTreeMap::new();
        for file in &state.files.files {
            let count = store.files.get(&(folder.to_owned(), file.path.clone()));
            let count = count.unwrap_or_else(|| panic!("{} is not there", file.path));
            let group = file.name.parse().expect("the name of a file is its key group");
            assert!(counted.insert(group, *count).is_none());
        }
        for group in state.key_groups.clone() {
            let read =
                |(split, end): (&u64, &u64)| (0..*end).filter(|n| group_of((*split, *n)) == group).count();
            let read: usize = positions.iter().map(read).sum();
            let counted = counted.get(&group).copied().unwrap_or(0);
            assert_eq!(
                counted, read as u64,
                "of key group {group} in checkpoint {}",
                manifest.checkpoint
            );
        }
    }
}

/// The output of all rows before a cut is there, or is committed with it.
pub(crate) fn check_output(manifest: &Manifest, target: &Target) {
    let operators = manifest.subtasks.iter().flat_map(|state| &state.operators);
    let transactions = operators.flat_map(|operator| &operator.commits);
    let outputs = transactions.flat_map(|transaction| target.rows_of(transaction));
    let pending: BTreeSet<Row> = outputs.map(|output| output.row).collect();
    let positions = positions(&manifest.subtasks);
    for (split, end) in &positions {
        for row in (0..*end).map(|n| (*split, n)) {
            assert!(
                target.rows.contains(&row) || pending.contains(&row),
                "the output of {row:?}, before checkpoint {}, is lost",
                manifest.checkpoint
            );
        }
    }
    let ahead = target.rows.iter().find(|(split, n)| *n >= positions[split]);
    assert_eq!(
        ahead, None,
        "is there, and will be written again behind checkpoint {}",
        manifest.checkpoint
    );
}
