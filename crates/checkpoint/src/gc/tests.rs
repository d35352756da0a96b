use std::collections::{BTreeMap, BTreeSet, VecDeque};

use proptest::prelude::*;

use super::*;
use crate::{
    manifest::{FORMAT, Files, FilesFormat, StateFile, SubtaskState},
    storage::layout,
};

fn manifest(generation: u64, checkpoint: u64, paths: &[String]) -> Manifest {
    let file = |path: &String| StateFile {
        name: String::new(),
        path: path.clone(),
        bytes: 1,
        crc32: 0,
    };
    Manifest {
        format: FORMAT,
        weir_version: String::new(),
        kind: Kind::Checkpoint,
        job: String::new(),
        checkpoint: CheckpointId(checkpoint),
        generation,
        created_at_ms: 0,
        max_parallelism: 1,
        subtasks: vec![SubtaskState {
            task: 0,
            subtask: 0,
            key_groups: 0..1,
            finished: false,
            operators: vec![],
            files: Files {
                format: FilesFormat::Rocksdb,
                files: paths.iter().map(file).collect(),
            },
            in_flight: None,
        }],
    }
}

fn objects(paths: impl IntoIterator<Item = impl Into<String>>) -> Vec<Object> {
    let object = |path: String| Object { path, bytes: 1 };
    paths.into_iter().map(|path| object(path.into())).collect()
}

/// What is garbage, and why.
fn check(listed: &[&str], needs: &Needs<'_>, expected: &[(&str, &str)]) {
    let garbage = garbage(&objects(listed.iter().copied()), needs);
    let said: Vec<(&str, String)> = garbage
        .iter()
        .map(|g| (g.object.path.as_str(), g.why.to_string()))
        .collect();
    let said: Vec<(&str, &str)> = said.iter().map(|(path, why)| (*path, why.as_str())).collect();
    assert_eq!(said, expected);
}

const LISTED: [&str; 8] = [
    "checkpoints/4/manifest.json",
    "checkpoints/5/manifest.json",
    "checkpoints/6/manifest.json",
    "notes.txt",
    "state/1/0-0/4-a",
    "state/2/0-0/5-b",
    "state/2/0-0/5-c",
    "state/2/0-0/6-d",
];

#[test]
fn a_running_deployment_keeps_what_its_checkpoints_and_those_under_way_have() {
    let five = manifest(2, 5, &["state/2/0-0/5-b".to_owned()]);
    let needs = Needs {
        manifests: vec![&five],
        live: Some(2),
    };
    check(
        &LISTED,
        &needs,
        &[
            ("checkpoints/4/manifest.json", "checkpoint 4 is not kept"),
            (
                "state/1/0-0/4-a",
                "no checkpoint that is kept refers to it, and deployment 1 is gone",
            ),
            (
                "state/2/0-0/5-c",
                "written for checkpoint 5, and no checkpoint that is kept refers to it",
            ),
        ],
    );
}

#[test]
fn a_deployment_without_a_checkpoint_of_its_own_may_still_refer_to_what_it_wrote() {
    let four = manifest(1, 4, &["state/1/0-0/4-a".to_owned()]);
    check(
        &LISTED,
        &Needs {
            manifests: vec![&four],
            live: Some(2),
        },
        &[],
    );
}

#[test]
fn a_job_that_has_ended_needs_nothing_but_what_is_kept() {
    let four = manifest(1, 4, &["state/1/0-0/4-a".to_owned()]);
    check(
        &LISTED,
        &Needs {
            manifests: vec![&four],
            live: None,
        },
        &[
            ("checkpoints/5/manifest.json", "checkpoint 5 is not kept"),
            ("checkpoints/6/manifest.json", "checkpoint 6 is not kept"),
            (
                "state/2/0-0/5-b",
                "no checkpoint that is kept refers to it, and deployment 2 is gone",
            ),
            (
                "state/2/0-0/5-c",
                "no checkpoint that is kept refers to it, and deployment 2 is gone",
            ),
            (
                "state/2/0-0/6-d",
                "no checkpoint that is kept refers to it, and deployment 2 is gone",
            ),
        ],
    );
}

#[derive(Clone, Debug)]
enum Step {
    /// A checkpoint begins, of a database that lost and got so many files since the last.
    Begin(usize, u32),
    /// The oldest one under way is complete, or is given up.
    End(bool),
    /// The worker hears of what became of so many.
    Hear(usize),
    /// A new deployment begins with one of those that are kept; of the old one, a zombie's upload comes late.
    Restart(usize),
    List,
    /// What was needed is noted, apart from the list.
    Look,
    /// What the last list and the last look say is garbage is deleted.
    Collect,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..3_usize, 0..3_u32).prop_map(|(lost, got)| Step::Begin(lost, got)),
        6 => prop::bool::weighted(0.7).prop_map(Step::End),
        4 => (0..4_usize).prop_map(Step::Hear),
        1 => (0..2_usize).prop_map(Step::Restart),
        3 => Just(Step::List),
        3 => Just(Step::Look),
        3 => Just(Step::Collect),
    ]
}

/// A job with one subtask, and its folder.
#[derive(Default)]
struct World {
    folder: BTreeSet<String>,
    generation: u64,
    next: u64,
    next_name: u32,
    /// The files of the database by name.
    names: Vec<u32>,
    /// The path of each as the last complete checkpoint that the worker knows of has it.
    known: BTreeMap<u32, String>,
    /// Those begun, complete or not, that the worker has not heard the end of.
    undecided: VecDeque<(u64, BTreeMap<u32, String>)>,
    /// Ends that the worker has not heard of.
    unheard: VecDeque<(u64, bool)>,
    under_way: VecDeque<(u64, BTreeMap<u32, String>)>,
    kept: VecDeque<(Manifest, BTreeMap<u32, String>)>,
    /// What the deployment began with.
    base: Option<Manifest>,
    listed: Vec<Object>,
    needed: (Vec<Manifest>, Option<u64>),
}

impl World {
    fn new() -> Self {
        let mut world = Self {
            generation: 1,
            next: 1,
            ..Self::default()
        };
        world.look();
        world
    }

    fn take(&mut self, step: &Step) {
        match *step {
            Step::Begin(lost, got) => self.begin(lost, got),
            Step::End(complete) => self.end(complete),
            Step::Hear(n) => (0..n).for_each(|_| self.hear()),
            Step::Restart(at) => self.restart(at),
            Step::List => self.listed = objects(self.folder.iter()),
            Step::Look => self.look(),
            Step::Collect => self.collect(),
        }
    }

    fn begin(&mut self, lost: usize, got: u32) {
        self.names.drain(..lost.min(self.names.len()));
        self.names.extend(self.next_name..self.next_name + got);
        self.next_name += got;
        let checkpoint = self.next;
        self.next += 1;
        let path = |name: &u32| {
            let known = self.known.get(name);
            let known = known.filter(|path| {
                self.undecided
                    .iter()
                    .all(|(_, paths)| paths.get(name) == Some(*path))
            });
            let new = || format!("{}/{checkpoint}-{name}", layout::state_of(self.generation, 0, 0));
            (*name, known.cloned().unwrap_or_else(new))
        };
        let paths: BTreeMap<u32, String> = self.names.iter().map(path).collect();
        self.folder.extend(paths.values().cloned());
        self.undecided.push_back((checkpoint, paths.clone()));
        self.under_way.push_back((checkpoint, paths));
    }

    fn end(&mut self, complete: bool) {
        let Some((checkpoint, paths)) = self.under_way.pop_front() else {
            return;
        };
        self.unheard.push_back((checkpoint, complete));
        if !complete {
            return;
        }
        let files: Vec<String> = paths.values().cloned().collect();
        self.kept
            .push_back((manifest(self.generation, checkpoint, &files), paths));
        self.folder
            .insert(layout::checkpoint_manifest(CheckpointId(checkpoint)));
        self.base = None;
        if self.kept.len() > 2 {
            self.kept.pop_front();
        }
    }

    fn hear(&mut self) {
        let Some((checkpoint, complete)) = self.unheard.pop_front() else {
            return;
        };
        let paths = self
            .undecided
            .iter()
            .find(|(id, _)| *id == checkpoint)
            .map(|(_, paths)| paths.clone());
        self.undecided.retain(|(id, _)| {
            if complete {
                *id > checkpoint
            } else {
                *id != checkpoint
            }
        });
        if let Some(paths) = paths.filter(|_| complete) {
            self.known = paths;
        }
    }

    fn restart(&mut self, at: usize) {
        let late = format!("{}/{}-zombie", layout::state_of(self.generation, 0, 0), self.next);
        self.folder.insert(late);
        self.generation += 1;
        self.next += 1;
        self.undecided.clear();
        self.unheard.clear();
        self.under_way.clear();
        let from = self.kept.get(at.min(self.kept.len().saturating_sub(1)));
        self.known = from.map(|(_, paths)| paths.clone()).unwrap_or_default();
        self.base = from.map(|(manifest, _)| manifest.clone());
        self.names = self.known.keys().copied().collect();
    }

    fn look(&mut self) {
        let manifests = self
            .kept
            .iter()
            .map(|(manifest, _)| manifest.clone())
            .chain(self.base.clone());
        self.needed = (manifests.collect(), Some(self.generation));
    }

    fn collect(&mut self) {
        let (manifests, live) = &self.needed;
        let needs = Needs {
            manifests: manifests.iter().collect(),
            live: *live,
        };
        for garbage in garbage(&self.listed, &needs) {
            self.folder.remove(&garbage.object.path);
        }
    }

    /// All that is kept or may be complete is whole.
    fn check(&self) {
        let kept = self.kept.iter().map(|(_, paths)| paths);
        let under_way = self.under_way.iter().map(|(_, paths)| paths);
        for path in kept.chain(under_way).flat_map(BTreeMap::values) {
            assert!(self.folder.contains(path), "{path} is gone");
        }
        for (manifest, _) in &self.kept {
            assert!(
                self.folder
                    .contains(&layout::checkpoint_manifest(manifest.checkpoint))
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn nothing_that_is_needed_is_ever_garbage_and_all_else_is_in_the_end(
        steps in prop::collection::vec(step(), 0..120),
    ) {
        let mut world = World::new();
        for step in &steps {
            world.take(step);
            world.check();
        }
        world.take(&Step::List);
        world.look();
        world.needed.1 = None;
        world.base = None;
        world.collect();
        let kept = world.kept.iter().flat_map(|(manifest, paths)| {
            let manifest = layout::checkpoint_manifest(manifest.checkpoint);
            paths.values().cloned().chain([manifest])
        });
        let kept: BTreeSet<String> = kept.collect();
        prop_assert_eq!(&world.folder, &kept);
    }

    #[test]
    fn a_checkpoint_leaves_no_garbage_of_those_before_it(steps in prop::collection::vec(step(), 0..120)) {
        let mut world = World::new();
        for step in &steps {
            world.take(step);
        }
        while !world.under_way.is_empty() {
            world.end(false);
        }
        world.begin(0, 1);
        world.end(true);
        world.take(&Step::List);
        world.look();
        world.collect();
        let needed: BTreeSet<String> = world.kept.iter().flat_map(|(_, paths)| paths.values().cloned()).collect();
        let files = world.folder.iter().filter(|path| path.starts_with("state/"));
        prop_assert_eq!(files.cloned().collect::<BTreeSet<_>>(), needed);
    }
}
