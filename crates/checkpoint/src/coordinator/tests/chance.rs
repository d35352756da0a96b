//! Any order of events, with losses and repetitions: what must hold all the same.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Step {
    /// A message arrives, the how-manieth of those on their way.
    Arrive(usize),
    /// The same, and it will once more.
    ArriveTwice(usize),
    /// A report is lost.
    Lose(usize),
    /// The barrier that a subtask has been told of passes it.
    Pass(usize),
    /// A subtask cannot store its state.
    Fail(usize),
    /// A subtask finishes.
    Finish(usize),
    /// The manifest on its way is not written.
    NotWritten,
    Wait(u64),
    Savepoint(After),
    Interrupt,
    /// A region fails: the sources, or the sink.
    LoseRegion(usize),
    /// Regions that have failed begin again, if it is known with what.
    BeginAgain,
}

/// Those that fail together.
const REGIONS: [&[usize]; 2] = [&[0, 1], &[2]];

fn step() -> impl Strategy<Value = Step> {
    let after = prop_oneof![6 => Just(After::GoOn), 1 => Just(After::Suspend), 1 => Just(After::Drain)];
    prop_oneof![
        20 => (0_usize..8).prop_map(Step::Arrive),
        4 => (0_usize..8).prop_map(Step::ArriveTwice),
        2 => (0_usize..8).prop_map(Step::Lose),
        20 => (0_usize..3).prop_map(Step::Pass),
        1 => (0_usize..3).prop_map(Step::Fail),
        1 => (0_usize..3).prop_map(Step::Finish),
        1 => Just(Step::NotWritten),
        8 => (1_u64..9000).prop_map(Step::Wait),
        1 => after.prop_map(Step::Savepoint),
        1 => Just(Step::Interrupt),
        1 => (0_usize..2).prop_map(Step::LoseRegion),
        3 => Just(Step::BeginAgain),
    ]
}

/// A deployment as its coordinator sees it, and all that was ever asked for.
struct World {
    coordinator: Coordinator,
    now: Duration,
    on_their_way: Vec<Event>,
    told: [Option<CheckpointId>; 3],
    passed: [Option<CheckpointId>; 3],
    finished: [bool; 3],
    /// It has failed and does not run again yet.
    is_lost: [bool; 3],
    /// How often it has begun again.
    attempts: [u32; 3],
    /// What it began with.
    began_with: [Option<CheckpointId>; 3],
    begun: BTreeSet<CheckpointId>,
    asked: BTreeMap<CheckpointId, Manifest>,
    /// Those whose manifest is there, and what the job does then.
    complete: BTreeMap<CheckpointId, Option<After>>,
    wanted: BTreeMap<CheckpointId, Option<After>>,
    discarded: BTreeSet<CheckpointId>,
    /// Checkpoint and subtask of commits that were not said to be done.
    uncommitted: BTreeSet<(CheckpointId, Subtask)>,
    /// Those that were: they may be asked for again.
    said_done: BTreeSet<(CheckpointId, Subtask)>,
    committed: BTreeSet<String>,
    end: Option<Action>,
}

impl World {
    fn new() -> Self {
        let mut world = Self {
            coordinator: Coordinator::new(SETTINGS, deployment()),
            now: Duration::ZERO,
            on_their_way: vec![],
            told: [None; 3],
            passed: [None; 3],
            finished: [false; 3],
            is_lost: [false; 3],
            attempts: [0; 3],
            began_with: [None; 3],
            begun: BTreeSet::new(),
            asked: BTreeMap::new(),
            complete: BTreeMap::new(),
            wanted: BTreeMap::new(),
            discarded: BTreeSet::new(),
            uncommitted: BTreeSet::new(),
            said_done: BTreeSet::new(),
            committed: BTreeSet::new(),
            end: None,
        };
        world.hear(Event::Running);
        world
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Arrive(at) if at < self.on_their_way.len() => {
                let event = self.on_their_way.remove(at);
                self.hear(event);
            }
            Step::ArriveTwice(at) if at < self.on_their_way.len() => {
                let event = self.on_their_way[at].clone();
                self.hear(event);
            }
            Step::Lose(at) => {
                // Ends are told again, and whoever writes manifests says what came of it.
                let lossy = |event: &Event| matches!(event, Event::Snapshot { .. } | Event::Committed { .. });
                if self.on_their_way.get(at).is_some_and(lossy) {
                    self.on_their_way.remove(at);
                }
            }
            Step::Pass(at) => self.pass(at),
            Step::Fail(at) => {
                if let Some(checkpoint) = self.told[at].take().filter(|_| !self.finished[at]) {
                    let (subtask, why) = (SUBTASKS[at].1, broken());
                    self.on_their_way.push(Event::SnapshotFailed {
                        subtask,
                        checkpoint,
                        why,
                    });
                }
            }
            Step::Finish(at) => self.finish(at),
            Step::NotWritten => {
                for event in &mut self.on_their_way {
                    if let Event::ManifestWritten(checkpoint) = *event {
                        *event = Event::ManifestFailed {
                            checkpoint,
                            why: broken(),
                        };
                    }
                }
            }
            Step::Wait(ms) => {
                self.now += Duration::from_millis(ms);
                self.hear(Event::Tick);
            }
            Step::Savepoint(after) => self.hear(Event::Savepoint(Savepoint {
                url: "s".to_owned(),
                after,
            })),
            Step::Interrupt => self.hear(Event::Interrupted(broken())),
            Step::LoseRegion(at) => self.lose_region(REGIONS[at]),
            Step::BeginAgain => self.begin_again(),
            Step::Arrive(_) | Step::ArriveTwice(_) => {}
        }
    }

    fn lose_region(&mut self, region: &[usize]) {
        if self.end.is_some() {
            return;
        }
        let subtasks: BTreeSet<Subtask> = region.iter().map(|at| SUBTASKS[*at].1).collect();
        // What they have said and was not heard is of an old generation now.
        self.on_their_way.retain(|event| match event {
            Event::Snapshot { subtask, .. }
            | Event::SnapshotFailed { subtask, .. }
            | Event::Finished { subtask, .. }
            | Event::Committed { subtask, .. } => !subtasks.contains(subtask),
            _ => true,
        });
        for &at in region {
            self.is_lost[at] = true;
            self.told[at] = None;
            self.passed[at] = None;
            self.finished[at] = false;
        }
        let why = broken();
        self.hear(Event::RegionFailed { subtasks, why });
    }

    fn begin_again(&mut self) {
        if self.end.is_some() || !self.coordinator.is_settled() || !self.is_lost.contains(&true) {
            return;
        }
        let mut checkpoints = self.complete.iter().filter(|(_, after)| after.is_none());
        let newest = checkpoints.next_back().map(|(checkpoint, _)| *checkpoint);
        for at in (0..3).filter(|at| self.is_lost[*at]) {
            self.attempts[at] += 1;
            self.began_with[at] = newest;
            // What the checkpoint has of it is committed before it runs; what came after was never complete.
            self.uncommitted.retain(|(_, subtask)| *subtask != SUBTASKS[at].1);
        }
        self.is_lost = [false; 3];
        self.hear(Event::Running);
    }

    fn pass(&mut self, at: usize) {
        let Some(checkpoint) = self.told[at].take().filter(|_| !self.finished[at]) else {
            return;
        };
        self.passed[at] = Some(checkpoint);
        self.on_their_way.push(Event::Snapshot {
            subtask: SUBTASKS[at].1,
            checkpoint,
            state: tagged(&format!("snapshot {checkpoint}"), at),
            cost: Cost::default(),
        });
    }

    fn finish(&mut self, at: usize) {
        if !self.is_lost[at] && !std::mem::replace(&mut self.finished[at], true) {
            self.on_their_way.push(Event::Finished {
                subtask: SUBTASKS[at].1,
                state: tagged(&self.final_tag(at), at),
                passed: self.passed[at],
            });
        }
    }

    fn final_tag(&self, at: usize) -> String {
        format!("final of attempt {}", self.attempts[at])
    }

    fn hear(&mut self, event: Event) {
        match &event {
            Event::ManifestWritten(checkpoint) => {
                let after = self.wanted[checkpoint];
                self.complete.insert(*checkpoint, after);
            }
            Event::Committed { subtask, checkpoint } => {
                self.uncommitted.remove(&(*checkpoint, *subtask));
                self.said_done.insert((*checkpoint, *subtask));
            }
            _ => {}
        }
        for action in self.coordinator.on(event, self.now) {
            self.act(action);
        }
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Trigger {
                checkpoint,
                savepoint,
            } => {
                self.begin(checkpoint);
                self.wanted
                    .insert(checkpoint, savepoint.map(|savepoint| savepoint.after));
                self.told = [Some(checkpoint); 3];
            }
            Action::WriteManifest { manifest, savepoint } => {
                let checkpoint = manifest.checkpoint;
                if self.begun.last() != Some(&checkpoint) {
                    self.begin(checkpoint);
                    self.wanted
                        .insert(checkpoint, savepoint.map(|savepoint| savepoint.after));
                }
                self.check_manifest(&manifest);
                assert!(
                    self.asked.insert(checkpoint, manifest).is_none(),
                    "{checkpoint} is written twice"
                );
                self.on_their_way.push(Event::ManifestWritten(checkpoint));
            }
            Action::Commit { checkpoint, finished } => self.commit(checkpoint, &finished),
            Action::Discard(checkpoints) => {
                for checkpoint in checkpoints {
                    assert_eq!(
                        self.complete.get(&checkpoint),
                        Some(&None),
                        "{checkpoint} is no checkpoint"
                    );
                    assert!(
                        self.discarded.insert(checkpoint),
                        "{checkpoint} is discarded twice"
                    );
                }
            }
            Action::Stop(_) | Action::JobDone | Action::FailJob(_) => {
                assert!(self.end.is_none(), "it ends twice: {action:?}");
                self.end = Some(action);
            }
            Action::Abort(checkpoint) => {
                assert!(
                    !self.complete.contains_key(&checkpoint),
                    "{checkpoint} is complete"
                );
            }
            Action::Completed(_) | Action::Failed { .. } | Action::Refused { .. } => {}
        }
    }

    fn begin(&mut self, checkpoint: CheckpointId) {
        assert!(
            self.begun.last() < Some(&checkpoint),
            "{checkpoint} is no new number"
        );
        assert!(self.end.is_none(), "{checkpoint} begins after the end");
        assert_eq!(self.is_lost, [false; 3], "{checkpoint} begins without a region");
        assert!(
            self.uncommitted.is_empty(),
            "{checkpoint} begins before commits are done"
        );
        self.begun.insert(checkpoint);
    }

    /// One state per subtask: that at the barrier, or the last one of a subtask that never passed it.
    fn check_manifest(&self, manifest: &Manifest) {
        let expected: Vec<(u32, u32)> = SUBTASKS.map(|(_, s)| (s.task, s.subtask)).to_vec();
        let subtasks: Vec<(u32, u32)> = manifest.subtasks.iter().map(|s| (s.task, s.subtask)).collect();
        assert_eq!(subtasks, expected);
        for (at, state) in manifest.subtasks.iter().enumerate() {
            let has_passed = self.passed[at] >= Some(manifest.checkpoint);
            let tag = format!("snapshot {}", manifest.checkpoint);
            let tag = if has_passed { tag } else { self.final_tag(at) };
            assert_eq!(
                state.operators[0].uid, tag,
                "of {} in {manifest:?}",
                SUBTASKS[at].0
            );
            assert_eq!(state.finished, !has_passed);
        }
    }

    fn commit(&mut self, checkpoint: CheckpointId, finished: &[Subtask]) {
        let after = self.complete.get(&checkpoint);
        assert!(
            matches!(after, Some(None | Some(After::Suspend | After::Drain))),
            "{checkpoint} is committed and is {after:?}"
        );
        for (at, state) in self.asked[&checkpoint].subtasks.iter().enumerate() {
            let commits = &state.operators[0].commits;
            let subtask = Subtask {
                task: state.task,
                subtask: state.subtask,
            };
            assert_eq!(finished.contains(&subtask), state.finished);
            if commits.is_empty() {
                continue;
            }
            self.committed.extend(commits.iter().cloned());
            // Else it commits, or has committed, as it begins with the checkpoint.
            if !self.is_lost[at] && self.began_with[at] < Some(checkpoint) {
                if !self.said_done.contains(&(checkpoint, subtask)) {
                    self.uncommitted.insert((checkpoint, subtask));
                }
                self.on_their_way.push(Event::Committed { subtask, checkpoint });
            }
        }
    }

    /// Everything that is complete and not discarded is as much as is wanted, and the newest.
    fn check_retained(&self) {
        let checkpoints = self.complete.iter().filter(|(_, after)| after.is_none());
        let checkpoints: Vec<CheckpointId> = checkpoints.map(|(checkpoint, _)| *checkpoint).collect();
        let kept = checkpoints.len().min(SETTINGS.retained as usize);
        let (old, new) = checkpoints.split_at(checkpoints.len() - kept);
        assert!(old.iter().all(|checkpoint| self.discarded.contains(checkpoint)));
        assert!(new.iter().all(|checkpoint| !self.discarded.contains(checkpoint)));
    }

    /// From here on all goes well.
    fn come_to_an_end(&mut self) {
        for _ in 0..500 {
            if self.end.is_some() {
                return;
            }
            self.begin_again();
            for at in 0..3 {
                self.pass(at);
                self.finish(at);
            }
            for event in std::mem::take(&mut self.on_their_way) {
                self.hear(event);
            }
            self.take(Step::Wait(1000));
        }
        panic!("it never ends: {:?}", self.coordinator);
    }
}

/// The state of a subtask, which says what it is of; the commits of the sink and of one source too, which writes what it reads.
fn tagged(tag: &str, at: usize) -> SubtaskState {
    let mut state = state(&[]);
    tag.clone_into(&mut state.operators[0].uid);
    if SUBTASKS[at].0 != "b" {
        state.operators[0].commits.push(tag.to_owned());
    }
    state
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn the_protocol_holds_in_any_order_of_events(steps in proptest::collection::vec(step(), 0..200)) {
        let mut world = World::new();
        for step in steps {
            world.take(step);
            world.check_retained();
        }
        world.come_to_an_end();
        world.check_retained();
        if world.end == Some(Action::JobDone) {
            let last = world.final_tag(2);
            assert!(world.committed.contains(&last), "the last rows are not committed");
            assert!(world.uncommitted.is_empty());
        }
    }
}
