//! Random histories: changes, checkpoints, savepoints, restarts of either kind and at any parallelism.

use std::collections::HashSet;

use proptest::prelude::*;

use super::*;

/// What a row becomes.
#[derive(Clone, Copy, Debug)]
enum To {
    Value(Option<i64>),
    Nothing,
}

impl To {
    fn is_written(self) -> bool {
        matches!(self, Self::Value(_))
    }
}

#[derive(Clone, Debug)]
enum Step {
    Change(Vec<(Key, To)>),
    /// So many rows that they make a file of their own.
    ChangeMany(i64),
    Checkpoint {
        aborted: bool,
    },
    Savepoint,
    /// From the last checkpoint or savepoint, where rows of these operators stay in the database, if there is one.
    Restart(Kind, u32, [bool; 3]),
}

fn key() -> impl Strategy<Value = Key> {
    let tables = prop::sample::select(vec![(0, 0), (0, 1), (2, 0)]);
    (tables, 0..12_i64, "[ab]{0,2}").prop_map(|((operator, table), key, rest)| (operator, table, key, rest))
}

fn kind() -> impl Strategy<Value = Kind> {
    prop_oneof![Just(Kind::Rocksdb), Just(Kind::Memory)]
}

fn leaves() -> impl Strategy<Value = [bool; 3]> {
    prop_oneof![
        Just([false; 3]),
        Just([true; 3]),
        prop::array::uniform3(prop::bool::ANY)
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let value = prop::option::of(0..100_i64).prop_map(To::Value);
    let value = prop_oneof![value, Just(To::Nothing)];
    prop_oneof![
        6 => prop::collection::vec((key(), value), 1..12).prop_map(Step::Change),
        1 => (0..4_i64).prop_map(Step::ChangeMany),
        4 => prop::bool::weighted(0.25).prop_map(|aborted| Step::Checkpoint { aborted }),
        1 => Just(Step::Savepoint),
        2 => (kind(), 1..5_u32, leaves()).prop_map(|(kind, p, leaves)| Step::Restart(kind, p, leaves)),
    ]
}

/// A job: what its operators have in memory, and their backends.
struct Job {
    world: World,
    generation: u32,
    next: u64,
    rows: Rows,
    subtasks: Vec<Subtask>,
    /// What the last checkpoint or savepoint holds, and where.
    last: Option<(Rows, Vec<SubtaskState>)>,
    paths: HashSet<String>,
}

struct Subtask {
    backend: Backend,
    /// What was changed since the last checkpoint.
    changes: Vec<Vec<Change>>,
}

impl Job {
    async fn start(kind: Kind, parallelism: u32) -> Self {
        let mut job = Self {
            world: World::new(),
            generation: 0,
            next: 1,
            rows: Rows::new(),
            subtasks: Vec::new(),
            last: None,
            paths: HashSet::new(),
        };
        job.restart(kind, parallelism, [false; 3]).await;
        job
    }

    async fn step(&mut self, step: &Step) {
        match step {
            Step::Change(changes) => self.change(changes),
            Step::ChangeMany(from) => {
                let value = |at: i64| ((0, 1, at, "x".repeat(1000)), To::Value(Some(at)));
                let changes: Vec<_> = (from * 500..from * 500 + 4000).map(value).collect();
                self.change(&changes);
            }
            Step::Checkpoint { aborted } => self.checkpoint(*aborted).await,
            Step::Savepoint => self.savepoint().await,
            Step::Restart(kind, parallelism, leaves) => self.restart(*kind, *parallelism, *leaves).await,
        }
    }

    fn change(&mut self, changes: &[(Key, To)]) {
        for subtask in &mut self.subtasks {
            let groups = subtask.backend.shared.config.key_groups.clone();
            let here = |key: &Key| groups.contains(&group_of(key.2));
            // Runs of writes make a batch, as operators make them.
            let here: Vec<_> = changes.iter().filter(|(key, _)| here(key)).collect();
            for run in here.chunk_by(|(_, a), (_, b)| a.is_written() && b.is_written()) {
                let mut writes = Vec::new();
                for (key, to) in run {
                    if let To::Value(value) = to {
                        writes.push((key, *value));
                    }
                }
                if writes.is_empty() {
                    delete(&run[0].0, &mut subtask.changes);
                }
                write(&writes, &mut subtask.changes);
            }
        }
        for (key, to) in changes {
            match to {
                To::Value(value) => self.rows.insert(key.clone(), *value),
                To::Nothing => self.rows.remove(key),
            };
        }
    }

    /// All rows of a subtask.
    fn rows_of(&self, subtask: &Subtask) -> Rows {
        let groups = &subtask.backend.shared.config.key_groups;
        let rows = self
            .rows
            .iter()
            .filter(|(key, _)| groups.contains(&group_of(key.2)));
        rows.map(|(key, value)| (key.clone(), *value)).collect()
    }

    async fn checkpoint(&mut self, aborted: bool) {
        let checkpoint = CheckpointId(self.next);
        self.next += 1;
        let everything: Vec<_> = self
            .subtasks
            .iter()
            .map(|subtask| self.rows_of(subtask))
            .collect();
        let mut states = Vec::new();
        for ((number, subtask), rows) in (0..).zip(&mut self.subtasks).zip(everything) {
            let noted = std::mem::replace(&mut subtask.changes, no_changes());
            let changes = match subtask.backend.scope() {
                Scope::Changes => noted,
                Scope::All => all(&rows),
            };
            let persisted = subtask.backend.persist(checkpoint, changes, Persist::Checkpoint);
            if aborted {
                subtask.backend.abort(checkpoint);
                // It may have been fast enough.
                let _ = persisted.await;
                continue;
            }
            let persisted = persisted.await.expect("is written");
            hold(&self.world, &persisted);
            states.push(state(&subtask.backend.shared.config, number, &persisted));
        }
        if !aborted {
            self.subtasks
                .iter_mut()
                .for_each(|subtask| subtask.backend.complete(checkpoint));
            self.last = Some((self.rows.clone(), states));
        }
    }

    async fn savepoint(&mut self) {
        let checkpoint = CheckpointId(self.next);
        self.next += 1;
        let everything: Vec<_> = self
            .subtasks
            .iter()
            .map(|subtask| self.rows_of(subtask))
            .collect();
        let mut states = Vec::new();
        for ((number, subtask), rows) in (0..).zip(&mut self.subtasks).zip(everything) {
            let folder = self.world.files(&format!("savepoint-{checkpoint}/{number}"));
            let to = Persist::Savepoint(folder);
            let persisted = subtask
                .backend
                .persist(checkpoint, all(&rows), to)
                .await
                .expect("is written");
            hold(&self.world, &persisted);
            for file in &persisted.files.files {
                assert!(
                    self.paths.insert(file.path.clone()),
                    "a savepoint has all files of its own"
                );
            }
            states.push(state(&subtask.backend.shared.config, number, &persisted));
        }
        self.last = Some((self.rows.clone(), states));
    }

    async fn restart(&mut self, kind: Kind, parallelism: u32, leaves: [bool; 3]) {
        let leaves = leaves.map(|leaves| leaves && kind == Kind::Rocksdb);
        self.subtasks.clear();
        self.generation += 1;
        let (expected, states) = self.last.clone().unwrap_or_default();
        self.rows.clear();
        for number in 0..parallelism {
            let config = self.world.config(kind, self.generation, number, parallelism);
            let groups = config.key_groups.clone();
            let mut backend = Backend::open(config).await.expect("opens");
            let overlaps =
                |old: &SubtaskState| old.key_groups.start < groups.end && groups.start < old.key_groups.end;
            let from: Vec<_> = states.iter().filter(|old| overlaps(old)).cloned().collect();
            let from: Vec<_> = from.into_iter().map(|old| self.world.restored(old)).collect();
            let mut rows = restore_leaving(&mut backend, &from, &leaves)
                .await
                .expect("is read");
            rows.extend(lazily::left(&backend).await);
            assert!(
                rows.keys().all(|key| groups.contains(&group_of(key.2))),
                "{groups:?}"
            );
            self.rows.extend(rows);
            self.subtasks.push(Subtask {
                backend,
                changes: no_changes(),
            });
        }
        assert_eq!(self.rows, expected, "all rows are there, and no others");
    }
}

/// What was written down is there.
fn hold(world: &World, persisted: &Persisted) {
    for file in &persisted.files.files {
        let bytes = std::fs::read(world.on_disk(&file.path)).expect("the file is there");
        assert_eq!(
            (bytes.len() as u64, crc32fast::hash(&bytes)),
            (file.bytes, file.crc32),
            "{}",
            file.path
        );
    }
    let all: u64 = persisted.files.files.iter().map(|file| file.bytes).sum();
    assert_eq!(persisted.bytes_full, all);
    assert!(persisted.bytes_new <= all);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn a_job_goes_on_with_the_rows_of_its_last_checkpoint(
        kind in kind(),
        parallelism in 1..4_u32,
        steps in prop::collection::vec(step(), 1..25),
        last in (kind(), 1..5_u32, leaves()),
    ) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        runtime.expect("threads").block_on(async {
            let mut job = Job::start(kind, parallelism).await;
            for step in &steps {
                job.step(step).await;
            }
            job.checkpoint(false).await;
            job.restart(last.0, last.1, last.2).await;
        });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_redistributed_from_1_to_3_to_2() {
    let mut job = Job::start(Kind::Rocksdb, 1).await;
    for (kind, parallelism) in [
        (Kind::Rocksdb, 3),
        (Kind::Rocksdb, 2),
        (Kind::Memory, 5),
        (Kind::Rocksdb, 1),
    ] {
        job.step(&Step::ChangeMany(i64::from(parallelism))).await;
        job.checkpoint(false).await;
        job.change(&[((2, 0, 7, "not in the checkpoint".to_owned()), To::Value(None))]);
        job.restart(kind, parallelism, [parallelism == 2; 3]).await;
        assert!(job.rows.len() >= 4000);
        assert!(!job.rows.keys().any(|key| key.0 == 2));
    }
}
