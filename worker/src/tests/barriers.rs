//! Checkpoints of subtasks whose two inputs do not bring their barriers together: aligned, unaligned, at least once.

use std::{collections::BTreeMap, ops::Range, sync::Arc, time::Duration};

use arrow_array::{ArrayRef, Int64Array, RecordBatch, UInt32Array};
use arrow_select::take::take_record_batch;
use tempfile::TempDir;
use tokio::{
    sync::{
        mpsc::{UnboundedReceiver, unbounded_channel},
        watch,
    },
    time::timeout,
};
use tokio_util::sync::CancellationToken;
use weir_checkpoint::{
    manifest::{self, CheckpointId, Kind, Manifest, SubtaskState},
    restore::{FoundSplits, OperatorShape, Role, Shape, TaskShape, assign},
};
use weir_connector::RowOutput;
use weir_env::{Clock, SystemClock};
use weir_model::{Failure, Generation};
use weir_proto::graph::JobGraph;

use super::{
    graphs::{Collected, Graph, collected, forward, number, sequence},
    jobs,
};
use crate::{
    exchange::{
        ipc::Encoder,
        partition::{Partitioned, Partitioner},
    },
    runtime::{
        align::Patience,
        checkpoint::Beginning,
        commands::Commands,
        inbox::{InboxSender, Item, inbox},
        message::{Barrier, Message},
        metrics::SubtaskCounters,
        news::{Happened, Stage, SubtaskEvent, Taken},
        plan,
        subtask::{InputChannel, Job, Subtask},
    },
    state::{StateFolder, backend::Restored, in_flight},
};

const WAIT: Duration = Duration::from_mins(1);
const TASK: u32 = 2;
const LEFT: usize = 0;
const RIGHT: usize = 1;

fn counting(parallelism: u32) -> JobGraph {
    let mut graph = Graph::new();
    let sources = [0, 1].map(|task| graph.source(task, 1, sequence(1)));
    let count = graph.count_numbers(TASK, parallelism, sources);
    let schema = graph.output(count);
    let sink = graph.print(TASK, parallelism, &schema);
    graph.edge(count, sink, forward());
    graph.build()
}

/// What outlives a deployment.
struct World {
    root: TempDir,
    clock: Arc<dyn Clock>,
}

/// The subtasks of the task that counts, whose inputs the test holds.
struct Deployed {
    /// By subtask and input.
    inputs: Vec<Vec<InboxSender>>,
    partitioner: Partitioner,
    output: Arc<Collected>,
    news: UnboundedReceiver<SubtaskEvent>,
    commands: watch::Sender<Commands>,
    clock: Arc<dyn Clock>,
    start: CancellationToken,
    cancel: CancellationToken,
}

impl World {
    fn new() -> Self {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        Self {
            root: tempfile::tempdir().expect("a folder"),
            clock,
        }
    }

    fn folder(&self) -> StateFolder {
        jobs::folder(self.root.path(), &self.clock)
    }

    /// Brings the task up, going on from these states if there are any.
    fn deploy(&self, parallelism: u32, patience: Patience, from: Vec<SubtaskState>) -> Deployed {
        let graph = counting(parallelism);
        let plan = plan::tasks(&graph)
            .expect("executable")
            .swap_remove(TASK as usize);
        let (plan, groups) = (Arc::new(plan), graph.max_parallelism);
        let (commands, heard) = watch::channel(Commands::default());
        let (output, (events, news)) = (collected(), unbounded_channel());
        let (start, cancel) = (CancellationToken::new(), CancellationToken::new());
        let is_restored = !from.is_empty();
        let mut left = assigned(from, &graph, parallelism).expect("goes on");
        let rows = Arc::clone(&output) as Arc<dyn RowOutput>;
        let job = Job {
            generation: Generation(if is_restored { 2 } else { 1 }),
            restored: is_restored.then_some(1),
            ..jobs::job(graph, self.root.path(), &self.clock, patience, heard, rows)
        };
        let mut inputs = Vec::new();
        for index in 0..parallelism {
            let channel = |&edge: &usize| InputChannel {
                edge,
                schema: plan::edge_schema(&job.graph, edge).expect("has columns"),
            };
            let channels: Vec<InputChannel> = plan.inputs.iter().map(channel).collect();
            let (inbox, senders) = inbox(channels.len(), 1 << 20);
            inputs.push(senders);
            let restored = |state| Restored {
                state,
                folder: self.folder(),
            };
            let states = left.remove(&index).unwrap_or_default();
            let counters = SubtaskCounters::new(
                TASK,
                index,
                plan.operators.iter().copied(),
                Arc::clone(&self.clock),
            );
            let subtask = Subtask {
                job: job.clone(),
                plan: Arc::clone(&plan),
                index,
                inbox: Some(inbox),
                channels,
                writers: Vec::new(),
                splits: Vec::new(),
                known_splits: Arc::default(),
                beginning: Beginning::new(states.into_iter().map(restored).collect()),
                counters: Arc::new(counters),
                events: events.clone(),
            };
            tokio::spawn(subtask.run(start.clone(), cancel.clone()));
        }
        Deployed {
            inputs,
            partitioner: Partitioner::new(vec![0], parallelism, groups),
            output,
            news,
            commands,
            clock: Arc::clone(&self.clock),
            start,
            cancel,
        }
    }

    /// How many rows were in flight.
    async fn rows_in_flight(&self, states: &[SubtaskState]) -> usize {
        let (mut rows, folder) = (0, self.folder());
        for in_flight in states.iter().filter_map(|state| state.in_flight.as_ref()) {
            let scratch = self.root.path().join("looked at");
            let read = in_flight::read(&in_flight.file, &folder, scratch, &*self.clock);
            for (_, encoded) in read.await.expect("is read") {
                let batch = crate::exchange::ipc::decode(encoded, &super::graphs::numbers());
                rows += batch.expect("decodes").num_rows();
            }
        }
        rows
    }
}

/// What each subtask begins with.
fn assigned(
    from: Vec<SubtaskState>,
    graph: &JobGraph,
    parallelism: u32,
) -> Result<BTreeMap<u32, Vec<SubtaskState>>, Failure> {
    let written = Manifest {
        format: manifest::format(&from),
        weir_version: "0".to_owned(),
        kind: Kind::Checkpoint,
        job: "job".to_owned(),
        checkpoint: CheckpointId(1),
        generation: 1,
        created_at_ms: 0,
        max_parallelism: graph.max_parallelism,
        subtasks: from,
    };
    let text = serde_json::to_vec(&written).expect("a manifest is JSON");
    let read: Manifest = serde_json::from_slice(&text).expect("and is read");
    let operators = graph.operators.iter().filter(|operator| operator.task == TASK);
    let operators = operators.map(|operator| OperatorShape {
        uid: operator.uid.clone(),
        name: operator.name.clone(),
        role: Role::Stateful,
        tables: None,
    });
    let shape = Shape {
        max_parallelism: graph.max_parallelism,
        tasks: vec![TaskShape {
            task: TASK,
            parallelism,
            operators: operators.collect(),
        }],
    };
    let assigned = assign(&read, &shape, &FoundSplits::new())?;
    Ok(assigned.into_iter().map(|a| (a.subtask, a.states)).collect())
}

impl Deployed {
    fn start(&self) {
        self.start.cancel();
    }

    /// Sends numbers on an input, in batches of so many, each to the subtask that counts it; as if from another process, if `encoded`.
    fn send(&mut self, input: usize, numbers: Range<i64>, at_once: usize, encoded: bool) {
        let numbers: Vec<i64> = numbers.collect();
        for numbers in numbers.chunks(at_once) {
            let column: ArrayRef = Arc::new(Int64Array::from(numbers.to_vec()));
            let batch = RecordBatch::try_new(super::graphs::numbers(), vec![column]).expect("one column");
            let parts: Vec<(usize, RecordBatch)> = match self.partitioner.partition(&batch).expect("has keys")
            {
                Partitioned::One(to) => vec![(to, batch)],
                Partitioned::Spread(rows) => {
                    let part = |rows: &Vec<u32>| take_record_batch(&batch, &UInt32Array::from(rows.clone()));
                    let parts = rows.iter().map(|rows| part(rows).expect("there are such rows"));
                    parts
                        .enumerate()
                        .filter(|(_, part)| part.num_rows() > 0)
                        .collect()
                }
            };
            for (to, part) in parts {
                let item = if encoded {
                    Item::Encoded(Encoder::default().encode(&part).expect("encodes"))
                } else {
                    Item::Message(Message::Batch(part))
                };
                self.inputs[to][input].deliver(item, 64).expect("it runs");
            }
        }
    }

    fn say(&mut self, input: usize, message: &Message) {
        for inputs in &self.inputs {
            inputs[input]
                .deliver(Item::Message(message.clone()), 64)
                .expect("it runs");
        }
    }

    fn barrier(&mut self, input: usize, checkpoint: u64) {
        let savepoint_url = None;
        self.say(
            input,
            &Message::Barrier(Arc::new(Barrier {
                checkpoint,
                savepoint_url,
            })),
        );
    }

    /// The last count of each number.
    fn counts(&self) -> BTreeMap<i64, i64> {
        let rows = self.output.rows();
        let count = |line: &str| (number(line, "n"), number(line, "rows"));
        let added = rows.iter().filter(|(_, line)| !line.contains("\"-U\""));
        added.map(|(_, line)| count(line)).collect()
    }

    /// Waits until these were counted.
    async fn counted(&self, numbers: Range<i64>) {
        let waited = timeout(WAIT, async {
            while !numbers.clone().all(|n| self.counts().contains_key(&n)) {
                self.clock.sleep(Duration::from_millis(1)).await;
            }
        });
        let waited = waited.await;
        assert!(waited.is_ok(), "{numbers:?} are not all in {:?}", self.counts());
    }

    /// What each subtask says of a checkpoint.
    async fn snapshots(&mut self, checkpoint: u64) -> Vec<Result<Box<Taken>, Failure>> {
        let mut all = Vec::new();
        while all.len() < self.inputs.len() {
            if let Happened::Snapshot {
                checkpoint: of,
                taken,
            } = self.next().await
            {
                assert_eq!(of, checkpoint);
                all.push(taken);
            }
        }
        all
    }

    /// The states of a checkpoint, which succeeds.
    async fn states(&mut self, checkpoint: u64) -> Vec<SubtaskState> {
        let taken = self.snapshots(checkpoint).await;
        let states = taken.into_iter().map(|taken| {
            let taken = taken.expect("is taken");
            let in_flight = taken.state.in_flight.as_ref();
            assert_eq!(taken.bytes_in_flight, in_flight.map_or(0, |rows| rows.file.bytes));
            taken.state
        });
        states.collect()
    }

    async fn next(&mut self) -> Happened {
        let event = timeout(WAIT, self.news.recv()).await.expect("something happens");
        let happened = event.expect("subtasks are there").happened;
        if let Happened::Stage { stage, .. } = &happened {
            assert!(!matches!(stage, Stage::Failed(_)), "{stage:?}");
        }
        happened
    }

    async fn finish(&mut self) {
        for input in [LEFT, RIGHT] {
            self.say(input, &Message::End);
        }
        let mut running = self.inputs.len();
        while running > 0 {
            if let Happened::Stage { stage, .. } = self.next().await {
                running -= usize::from(stage.is_final());
            }
        }
    }
}

/// Left brings rows, its barrier and rows behind it; right brings its barrier when rows behind left's were counted, unless they are to
/// wait. Returns what the checkpoint has.
async fn checkpoint_while_right_is_late(world: &World, patience: Patience) -> Vec<SubtaskState> {
    let mut before = world.deploy(2, patience, Vec::new());
    before.start();
    before.send(LEFT, 0..40, 8, false);
    before.counted(0..40).await;
    before.barrier(LEFT, 1);
    before.send(LEFT, 40..80, 8, false);
    if patience == Patience::Endless {
        before.send(RIGHT, 0..1, 1, false);
        while before.counts()[&0] < 2 {
            before.clock.sleep(Duration::from_millis(1)).await;
        }
        assert_eq!(before.counts().len(), 40, "rows behind a barrier wait");
        before.send(RIGHT, 1..60, 8, false);
    } else {
        before.counted(40..80).await;
        before.send(RIGHT, 0..60, 8, false);
    }
    before.barrier(RIGHT, 1);
    before.send(RIGHT, 60..80, 8, false);
    let states = before.states(1).await;
    before.cancel.cancel();
    states
}

/// Goes on from the checkpoint: left and right bring again what was behind their barriers, and left every number once more. Returns the
/// count of each number.
async fn go_on(world: &World, states: Vec<SubtaskState>, parallelism: u32) -> Vec<i64> {
    let mut after = world.deploy(parallelism, Patience::Endless, states);
    after.send(LEFT, 40..80, 8, false);
    after.send(RIGHT, 60..80, 8, false);
    after.send(LEFT, 0..80, 8, false);
    after.start();
    after.finish().await;
    let counts = after.counts();
    assert_eq!(counts.len(), 80);
    counts.into_values().collect()
}

#[tokio::test]
async fn rows_behind_a_barrier_wait_in_an_aligned_checkpoint() {
    let world = World::new();
    let states = checkpoint_while_right_is_late(&world, Patience::Endless).await;
    assert_eq!(world.rows_in_flight(&states).await, 0);
    assert_eq!(go_on(&world, states, 3).await, [3; 80]);
}

#[tokio::test]
async fn an_unaligned_checkpoint_has_the_rows_that_were_in_flight_and_no_others() {
    for (timeout_ms, parallelism) in [(0, 2), (30, 3), (5, 1)] {
        let world = World::new();
        let patience = Patience::Until(Duration::from_millis(timeout_ms));
        let states = checkpoint_while_right_is_late(&world, patience).await;
        assert_eq!(
            world.rows_in_flight(&states).await,
            60,
            "right's before its barrier"
        );
        assert_eq!(manifest::format(&states), manifest::FORMAT);
        assert_eq!(
            go_on(&world, states, parallelism).await,
            [3; 80],
            "gone on with at p={parallelism}"
        );
    }
}

#[tokio::test]
async fn at_least_once_rows_behind_a_barrier_are_counted_and_come_again() {
    let world = World::new();
    let states = checkpoint_while_right_is_late(&world, Patience::None).await;
    assert_eq!(world.rows_in_flight(&states).await, 0);
    let counts = go_on(&world, states, 3).await;
    assert_eq!(counts[..40], [3; 40], "no row is lost");
    assert_eq!(
        counts[40..],
        [4; 40],
        "left's rows behind its barrier were in the checkpoint"
    );
}

#[tokio::test]
async fn a_barrier_overtakes_the_rows_that_wait_before_it() {
    for parallelism in [2, 3] {
        let world = World::new();
        let mut before = world.deploy(2, Patience::Until(Duration::ZERO), Vec::new());
        before.send(LEFT, 0..40, 40, false);
        before.barrier(LEFT, 1);
        before.send(LEFT, 40..80, 8, false);
        before.send(RIGHT, 0..60, 1, true);
        before.barrier(RIGHT, 1);
        before.send(RIGHT, 60..80, 8, true);
        before.start();
        let states = before.states(1).await;
        let in_flight = world.rows_in_flight(&states).await;
        assert!(in_flight >= 50, "{in_flight} of right's 60 rows were overtaken");
        before.counted(40..80).await;
        before.cancel.cancel();
        assert_eq!(go_on(&world, states, parallelism).await, [3; 80]);
    }
}

#[tokio::test]
async fn what_was_recorded_for_a_checkpoint_that_is_given_up_is_in_no_other() {
    let world = World::new();
    let mut before = world.deploy(2, Patience::Until(Duration::ZERO), Vec::new());
    before.start();
    before.send(LEFT, 0..20, 8, false);
    before.barrier(LEFT, 1);
    before.send(LEFT, 20..40, 8, false);
    before.counted(0..40).await;
    before.send(RIGHT, 0..60, 8, false);
    before.counted(40..60).await;
    before.commands.send_modify(|commands| commands.aborted = 1);
    for taken in before.snapshots(1).await {
        let failure = taken.expect_err("it is given up");
        assert!(failure.message.contains("given up"), "{failure}");
    }
    before.barrier(RIGHT, 1);
    before.barrier(LEFT, 2);
    before.barrier(RIGHT, 2);
    before.send(LEFT, 40..80, 8, false);
    before.send(RIGHT, 60..80, 8, false);
    let states = before.states(2).await;
    assert_eq!(world.rows_in_flight(&states).await, 0, "none were on their way");
    before.cancel.cancel();
    assert_eq!(go_on(&world, states, 2).await, [3; 80]);
}

#[tokio::test]
async fn rows_in_flight_to_an_operator_that_is_gone_or_takes_others_are_refused() {
    let world = World::new();
    let patience = Patience::Until(Duration::ZERO);
    let mut states = checkpoint_while_right_is_late(&world, patience).await;
    for state in &mut states {
        let in_flight = state.in_flight.as_mut().expect("rows are in flight");
        for input in &mut in_flight.inputs {
            input.operator = "gone".to_owned();
        }
    }
    let refused = assigned(states, &counting(2), 2).expect_err("rows would be lost");
    assert!(refused.message.contains("on their way to 'gone'"), "{refused}");
}
