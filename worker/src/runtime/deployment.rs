//! The subtasks of one job's deployment that run in this process: wired to each other and to other workers.

use std::{collections::HashMap, sync::Arc};

use tokio::{runtime::Handle, sync::mpsc::UnboundedSender};
use tokio_util::sync::CancellationToken;
use weir_connector::Split;
use weir_functions::wasm::Module;
use weir_model::Failure;
use weir_proto::{
    exchange::ChannelId,
    graph::{JobGraph, edge::Partitioning, operator::Spec},
};

use super::{
    checkpoint::Beginning,
    commits::Commits,
    inbox::{Inbox, InboxSender, inbox},
    metrics::SubtaskCounters,
    news::SubtaskEvent,
    output::{EdgeWriter, Sender, Spread},
    plan::{self, TaskPlan},
    subtask::{InputChannel, Job, Subtask, linger, settings},
};
use crate::exchange::{coalesce::Coalescer, partition::Partitioner, receive::Inbound, remote::Peers};
use crate::state::backend::Restored;

/// Where a subtask runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// In this process.
    Here,
    /// In the worker whose exchange answers at this address, host:port.
    Peer(String),
}

/// What to bring up.
#[derive(Clone, Debug)]
pub struct Order {
    /// The job.
    pub job: Job,
    /// Where every subtask of the job runs, by task and subtask.
    pub placement: HashMap<(u32, u32), Location>,
    /// What the source subtasks here read, by operator and subtask; of sources that discover more, also what others read.
    pub splits: HashMap<(u32, u32), Vec<Split>>,
    /// What subtasks here begin with, by task and subtask.
    pub restore: HashMap<(u32, u32), Vec<Restored>>,
}

/// The way to other workers.
#[derive(Clone, Debug)]
pub struct Network {
    /// Channels from them.
    pub inbound: Arc<Inbound>,
    /// Channels to them.
    pub peers: Arc<Peers>,
}

/// Subtasks that were brought up together.
#[derive(Debug)]
pub struct Deployment {
    /// What they count.
    pub counters: Vec<Arc<SubtaskCounters>>,
    start: CancellationToken,
    cancel: CancellationToken,
    commits: Arc<Commits>,
    /// Kept loaded, so that subtasks find the functions that expressions name.
    _modules: Vec<Arc<Module>>,
}

impl Deployment {
    /// Brings up the subtasks that the order places here. They open what they need on `compute` and wait for the start;
    /// `events` gets their news. Channels to other workers need a network.
    pub fn bring_up(
        order: Order,
        network: Option<&Network>,
        compute: &Handle,
        events: &UnboundedSender<SubtaskEvent>,
    ) -> Result<Self, Failure> {
        let tasks = plan::tasks(&order.job.graph)?;
        let modules = modules(&order.job.graph)?;
        let commits = Arc::clone(&order.job.commits);
        let subtasks = Wiring::new(order, tasks)?.connect(network, events)?;
        let deployment = Self {
            counters: subtasks.iter().map(|s| Arc::clone(&s.counters)).collect(),
            start: CancellationToken::new(),
            cancel: CancellationToken::new(),
            commits,
            _modules: modules,
        };
        for subtask in subtasks {
            compute.spawn(subtask.run(deployment.start.clone(), deployment.cancel.clone()));
        }
        Ok(deployment)
    }

    /// Lets the subtasks run once they are ready.
    pub fn start(&self) {
        self.start.cancel();
    }

    /// What its sinks here have prepared.
    pub fn commits(&self) -> &Arc<Commits> {
        &self.commits
    }

    /// Stops the subtasks that still run.
    pub fn cancel(&self) {
        self.cancel.cancel();
    }
}

/// The modules that came with a job, compiled unless another job has them loaded.
fn modules(graph: &JobGraph) -> Result<Vec<Arc<Module>>, Failure> {
    let modules = graph.wasm_modules.iter().map(|code| {
        Module::load(code).map_err(|e| Failure::internal(format!("a WebAssembly module of the job {e}")))
    });
    modules.collect()
}

/// The ids of the splits of each source.
fn known(splits: &HashMap<(u32, u32), Vec<Split>>) -> HashMap<u32, Arc<[String]>> {
    let mut known: HashMap<u32, Vec<String>> = HashMap::new();
    for ((operator, _), splits) in splits {
        let ids = splits.iter().map(|split| split.id.clone());
        known.entry(*operator).or_default().extend(ids);
    }
    let shared = known.into_iter().map(|(operator, ids)| (operator, ids.into()));
    shared.collect()
}

impl Drop for Deployment {
    fn drop(&mut self) {
        self.cancel.cancel();
    }
}

/// A channel: edge, upstream subtask, downstream subtask.
type Channel = (usize, u32, u32);

/// The channels of a deployment while they are being connected.
struct Wiring {
    order: Order,
    tasks: Vec<Arc<TaskPlan>>,
    senders: HashMap<Channel, InboxSender>,
}

impl Wiring {
    fn new(order: Order, tasks: Vec<TaskPlan>) -> Result<Self, Failure> {
        for task in &tasks {
            for subtask in 0..task.parallelism {
                if !order.placement.contains_key(&(task.task, subtask)) {
                    let missing = format!("subtask {subtask} of task {} was not placed", task.task);
                    return Err(Failure::internal(missing));
                }
            }
        }
        Ok(Self {
            order,
            tasks: tasks.into_iter().map(Arc::new).collect(),
            senders: HashMap::new(),
        })
    }

    fn connect(
        mut self,
        network: Option<&Network>,
        events: &UnboundedSender<SubtaskEvent>,
    ) -> Result<Vec<Subtask>, Failure> {
        let mut inboxes = Vec::new();
        let bytes = self.channel_bytes() as usize;
        for (plan, index) in self.here() {
            let (inbox, channels) = self.inbox(&plan, index, bytes)?;
            inboxes.push((plan, index, inbox, channels));
        }
        self.expect_peers(network)?;
        let known_splits = known(&self.order.splits);
        let mut subtasks = Vec::with_capacity(inboxes.len());
        for (plan, index, inbox, channels) in inboxes {
            let writers = plan
                .outputs
                .iter()
                .map(|&e| self.writer(e, index, network))
                .collect::<Result<_, _>>()?;
            let splits = self
                .order
                .splits
                .remove(&(plan.operators[0], index))
                .unwrap_or_default();
            let known_splits = known_splits.get(&plan.operators[0]).cloned();
            let place = (plan.task, index);
            let beginning = Beginning::new(self.order.restore.remove(&place).unwrap_or_default());
            let clock = Arc::clone(&self.order.job.clock);
            let counters = SubtaskCounters::new(plan.task, index, plan.operators.iter().copied(), clock);
            subtasks.push(Subtask {
                job: self.order.job.clone(),
                plan,
                index,
                inbox,
                channels,
                writers,
                splits,
                known_splits: known_splits.unwrap_or_default(),
                beginning,
                counters: Arc::new(counters),
                events: events.clone(),
            });
        }
        Ok(subtasks)
    }

    /// What each channel here may hold: as the job says, or less where the worker has little memory for all of them.
    fn channel_bytes(&self) -> u64 {
        let bytes = settings(self.graph()).channel_bytes;
        let Some(checkpoints) = &self.order.job.checkpoints else {
            return bytes;
        };
        let mut channels = 0;
        for (plan, index) in self.here() {
            for &edge in &plan.inputs {
                channels += plan::upstream(self.graph(), edge, index).len();
            }
        }
        bytes.min(checkpoints.memory.channel_bytes(channels))
    }

    fn graph(&self) -> &JobGraph {
        &self.order.job.graph
    }

    fn here(&self) -> Vec<(Arc<TaskPlan>, u32)> {
        let placed_here = |task: u32, subtask: u32| self.order.placement[&(task, subtask)] == Location::Here;
        let all = self
            .tasks
            .iter()
            .flat_map(|t| (0..t.parallelism).map(move |subtask| (Arc::clone(t), subtask)));
        all.filter(|(plan, subtask)| placed_here(plan.task, *subtask))
            .collect()
    }

    /// The inbox of a subtask, whose channels may hold so many bytes; the sending ends are kept to be handed out.
    fn inbox(
        &mut self,
        plan: &TaskPlan,
        index: u32,
        bytes: usize,
    ) -> Result<(Option<Inbox>, Vec<InputChannel>), Failure> {
        let mut channels = Vec::new();
        let mut ends = Vec::new();
        for &edge in &plan.inputs {
            let schema = plan::edge_schema(self.graph(), edge)?;
            for from in plan::upstream(self.graph(), edge, index) {
                channels.push(InputChannel {
                    edge,
                    schema: Arc::clone(&schema),
                });
                ends.push((edge, from, index));
            }
        }
        let head = &self.graph().operators[plan.operators[0] as usize];
        if matches!(head.spec, Some(Spec::Source(_))) {
            return Ok((None, channels));
        }
        let (inbox, senders) = inbox(channels.len(), bytes);
        self.senders.extend(ends.into_iter().zip(senders));
        Ok((Some(inbox), channels))
    }

    /// Hands the channels whose senders are elsewhere to the exchange.
    fn expect_peers(&mut self, network: Option<&Network>) -> Result<(), Failure> {
        let remote: Vec<Channel> = self
            .senders
            .keys()
            .filter(|(e, from, _)| self.source_of(*e, *from) != &Location::Here)
            .copied()
            .collect();
        let Some(network) = network else {
            return if remote.is_empty() {
                Ok(())
            } else {
                Err(no_network())
            };
        };
        let channels: Vec<_> = remote
            .into_iter()
            .filter_map(|c| Some((self.channel_id(c), self.senders.remove(&c)?)))
            .collect();
        network.inbound.expect(
            &self.order.job.job,
            self.order.job.generation,
            channels.into_iter(),
        );
        Ok(())
    }

    fn source_of(&self, edge: usize, subtask: u32) -> &Location {
        let from = self.graph().edges[edge].from;
        &self.order.placement[&(self.graph().operators[from as usize].task, subtask)]
    }

    fn channel_id(&self, (edge, from_subtask, to_subtask): Channel) -> ChannelId {
        ChannelId {
            job_id: self.order.job.job.clone(),
            generation: self.order.job.generation.0,
            edge: edge as u32,
            from_subtask,
            to_subtask,
        }
    }

    fn writer(&mut self, edge: usize, from: u32, network: Option<&Network>) -> Result<EdgeWriter, Failure> {
        let to = self.graph().edges[edge].to;
        let task = self.graph().operators[to as usize].task;
        let subtasks = plan::downstream(self.graph(), edge, from);
        let mut channels = Vec::with_capacity(subtasks.len());
        for subtask in subtasks {
            let channel = (edge, from, subtask);
            channels.push(match &self.order.placement[&(task, subtask)] {
                Location::Here => Sender::Local(self.senders.remove(&channel).ok_or_else(|| {
                    Failure::internal(format!(
                        "edge {edge} has no channel from subtask {from} to {subtask}"
                    ))
                })?),
                Location::Peer(address) => {
                    let network = network.ok_or_else(no_network)?;
                    Sender::Remote(Box::new(network.peers.open(address, self.channel_id(channel))))
                }
            });
        }
        Ok(EdgeWriter::new(
            self.spread(edge, from, channels.len())?,
            channels,
            linger(self.graph()),
        ))
    }

    fn spread(&self, edge: usize, from: u32, channels: usize) -> Result<Spread, Failure> {
        let graph = self.graph();
        // Half of what sources aim at: a batch split in two passes at once.
        let gather = || Coalescer::new(settings(graph).batch_rows as usize / 2);
        Ok(match plan::partitioning(&graph.edges[edge])? {
            Partitioning::Forward(_) => Spread::Forward,
            // Each upstream begins with another channel.
            Partitioning::Rebalance(_) => Spread::Rebalance {
                next: from as usize % channels,
                gather: gather(),
            },
            Partitioning::Hash(keys) => Spread::Hash {
                partitioner: Partitioner::new(
                    keys.columns.iter().map(|&c| c as usize).collect(),
                    channels as u32,
                    graph.max_parallelism,
                ),
                gather: (0..channels).map(|_| gather()).collect(),
            },
        })
    }
}

fn no_network() -> Failure {
    Failure::internal("a subtask was placed on another worker, but this process runs alone")
}
