//! Rows in flight: what an unaligned checkpoint records on the channels of a subtask, and where they enter when a job goes on from it.

use std::{path::PathBuf, sync::Arc};

use arrow_array::{RecordBatch, UInt32Array};
use arrow_schema::SchemaRef;
use arrow_select::take::take_record_batch;
use base64::{Engine, engine::general_purpose::STANDARD};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use weir_checkpoint::{
    key_group,
    manifest::{CheckpointId, InFlight, InputShape},
};
use weir_env::Clock;
use weir_model::Failure;
use weir_proto::{
    graph::{JobGraph, edge::Partitioning},
    schema,
};

use super::{
    checkpoint::{Beginning, Checkpoints},
    inbox::Item,
    message::Message,
    node::Target,
    plan::{self, TaskPlan},
    subtask::{InputChannel, Job},
};
use crate::{
    exchange::{
        ipc,
        partition::{Partitioned, Partitioner},
    },
    state::{
        StateFolder,
        in_flight::{self, Entry, Rows},
    },
};

/// Where the channels of a subtask lead.
#[derive(Clone, Debug)]
pub struct Inputs {
    /// By channel.
    of_channel: Vec<u32>,
    shapes: Arc<Vec<InputShape>>,
}

impl Inputs {
    /// Those of these channels.
    pub fn new(graph: &JobGraph, channels: &[InputChannel]) -> Result<Self, Failure> {
        let (mut of_channel, mut edges, mut shapes) = (Vec::new(), Vec::new(), Vec::new());
        for channel in channels {
            let known = edges.iter().position(|edge| *edge == channel.edge);
            of_channel.push(known.unwrap_or(edges.len()) as u32);
            if known.is_none() {
                edges.push(channel.edge);
                shapes.push(shape(graph, channel)?);
            }
        }
        Ok(Self {
            of_channel,
            shapes: Arc::new(shapes),
        })
    }

    /// A record of what comes on the channels from now on, and where it is read.
    pub fn record(&self) -> (Recording, Recorded) {
        let (entries, rows) = unbounded_channel();
        let recording = Recording {
            of_channel: self.of_channel.clone(),
            entries,
        };
        let inputs = Arc::clone(&self.shapes);
        (recording, Recorded { inputs, rows })
    }
}

fn shape(graph: &JobGraph, channel: &InputChannel) -> Result<InputShape, Failure> {
    let edge = &graph.edges[channel.edge];
    let schema = schema::encode(&channel.schema)
        .map_err(|e| Failure::internal(format!("the columns of an edge cannot be written down: {e}")))?;
    Ok(InputShape {
        operator: graph.operators[edge.to as usize].uid.clone(),
        port: edge.port,
        schema: STANDARD.encode(schema),
    })
}

/// By channel, whether its rows may be in flight: those of a forward edge may not, as their order would be lost when they came to another
/// subtask than those that follow.
pub fn recordable(graph: &JobGraph, channels: &[InputChannel]) -> Vec<bool> {
    let partitioning = |channel: &InputChannel| &graph.edges[channel.edge].partitioning;
    channels
        .iter()
        .map(|channel| !matches!(partitioning(channel), Some(Partitioning::Forward(_))))
        .collect()
}

/// Rows in flight while they are recorded, which are written as they come. Given up when it is dropped.
#[derive(Debug)]
pub struct Recording {
    of_channel: Vec<u32>,
    entries: UnboundedSender<Entry>,
}

/// The rows in flight of a checkpoint, in the order in which they come.
#[derive(Debug)]
pub struct Recorded {
    inputs: Arc<Vec<InputShape>>,
    rows: UnboundedReceiver<Entry>,
}

impl Recording {
    /// A batch has come on a channel.
    pub fn add(&mut self, channel: usize, batch: RecordBatch) {
        self.add_rows(channel, Rows::Batch(batch));
    }

    /// Something waits in a channel.
    pub fn add_item(&mut self, channel: usize, item: Item) {
        match item {
            Item::Message(Message::Batch(batch)) => self.add(channel, batch),
            Item::Encoded(encoded) => self.add_rows(channel, Rows::Encoded(encoded)),
            // Of time it is said again how far it has come.
            Item::Message(Message::Watermark(_) | Message::Idle | Message::Barrier(_) | Message::End) => {}
        }
    }

    fn add_rows(&mut self, channel: usize, rows: Rows) {
        // Should nobody write them any more, the checkpoint has failed, and says so.
        let _ = self.entries.send(Entry::Rows(self.of_channel[channel], rows));
    }

    /// That was all.
    pub fn finish(self) {
        let _ = self.entries.send(Entry::End);
    }
}

/// Where the rows in flight of a subtask are kept.
#[derive(Clone, Debug)]
pub struct Keeper {
    /// In the object store.
    pub folder: StateFolder,
    /// On this machine, while they are written: a path that is followed by the checkpoint's number.
    pub scratch: PathBuf,
    /// Time.
    pub clock: Arc<dyn Clock>,
}

impl Keeper {
    /// Writes rows as they come; none if there are none. Done when all were recorded and are in the object store.
    pub async fn keep(
        self,
        checkpoint: CheckpointId,
        recorded: Recorded,
    ) -> Result<Option<InFlight>, Failure> {
        let Recorded { inputs, rows } = recorded;
        let mut scratch = self.scratch.into_os_string();
        scratch.push(checkpoint.to_string());
        let file = in_flight::write(rows, checkpoint, &self.folder, scratch.into(), &*self.clock).await?;
        Ok(file.map(|file| InFlight {
            inputs: inputs.to_vec(),
            file,
        }))
    }
}

/// The rows that were in flight to a subtask when the checkpoint was taken that it begins with, and where they enter its chain.
pub async fn restored(
    job: &Job,
    plan: &TaskPlan,
    subtask: u32,
    beginning: &Beginning,
    checkpoints: &Checkpoints,
) -> Result<Vec<(Target, RecordBatch)>, Failure> {
    let mut rows = Vec::new();
    for (number, left) in beginning.from.iter().enumerate() {
        let Some(in_flight) = &left.state.in_flight else {
            continue;
        };
        let entrance = |input| Entrance::find(&job.graph, plan, subtask, input, left.state.key_groups.start);
        let mut entrances: Vec<Option<Entrance>> =
            in_flight.inputs.iter().map(entrance).collect::<Result<_, _>>()?;
        if entrances.iter().all(Option::is_none) {
            continue;
        }
        let local = checkpoints.local_folder(&job.job, job.generation);
        let scratch = local.join(format!("{}-{subtask}-left-in-flight-{number}", plan.task));
        for (input, encoded) in in_flight::read(&in_flight.file, &left.folder, scratch, &*job.clock).await? {
            let Some(Some(entrance)) = entrances.get_mut(input as usize) else {
                continue;
            };
            let batch = ipc::decode(encoded, &entrance.schema)?;
            rows.extend(
                entrance
                    .own(batch, subtask)?
                    .map(|batch| (entrance.target, batch)),
            );
        }
    }
    Ok(rows)
}

/// Where rows in flight enter a chain.
struct Entrance {
    target: Target,
    schema: SchemaRef,
    share: Share,
}

/// Which of the rows that were in flight to a subtask of before are for this one.
enum Share {
    All,
    None,
    /// Those of its key groups.
    Keys(Partitioner),
}

impl Entrance {
    /// The entrance of an input; none if its operator is another task's, or another subtask takes its rows. `first` is the first key group
    /// of the subtask that the rows were on their way to.
    fn find(
        graph: &JobGraph,
        plan: &TaskPlan,
        subtask: u32,
        input: &InputShape,
        first: u32,
    ) -> Result<Option<Self>, Failure> {
        let mut operators = plan.operators.iter().map(|&id| &graph.operators[id as usize]);
        let Some(node) = operators.position(|operator| operator.uid == input.operator) else {
            return Ok(None);
        };
        let (id, name) = (
            plan.operators[node],
            &graph.operators[plan.operators[node] as usize].name,
        );
        let leads_there = |edge: &weir_proto::graph::Edge| edge.to == id && edge.port == input.port;
        let edge = graph
            .edges
            .iter()
            .position(leads_there)
            .ok_or_else(|| changed(name))?;
        let schema = plan::edge_schema(graph, edge)?;
        let old = STANDARD
            .decode(&input.schema)
            .ok()
            .and_then(|old| schema::decode(&old).ok())
            .ok_or_else(|| {
                Failure::external(format!(
                    "the columns of rows in flight to '{name}' cannot be read"
                ))
            })?;
        let types = |schema: &SchemaRef| -> Vec<_> {
            let fields = schema.fields().iter();
            fields.map(|field| field.data_type().clone()).collect()
        };
        if types(&old) != types(&schema) {
            return Err(changed(name));
        }
        let target = Target::Node {
            node,
            port: input.port as usize,
            // None of them is idle yet, so it makes no difference by which they come.
            input: 0,
        };
        let share = Share::new(graph, plan, subtask, edge, first)?;
        Ok(Some(Self {
            target,
            schema,
            share,
        }))
    }

    /// Those of the rows that are for this subtask.
    fn own(&mut self, batch: RecordBatch, subtask: u32) -> Result<Option<RecordBatch>, Failure> {
        let partitioner = match &mut self.share {
            Share::All => return Ok(Some(batch)),
            Share::None => return Ok(None),
            Share::Keys(partitioner) => partitioner,
        };
        match partitioner.partition(&batch)? {
            Partitioned::One(to) => Ok((to == subtask as usize).then_some(batch)),
            Partitioned::Spread(rows) => {
                let rows = &rows[subtask as usize];
                if rows.is_empty() {
                    return Ok(None);
                }
                let own = take_record_batch(&batch, &UInt32Array::from(rows.clone()));
                own.map(Some)
                    .map_err(|e| Failure::internal(format!("cannot pick rows in flight: {e}")))
            }
        }
    }
}

impl Share {
    /// Rows with keys go where their keys are. Others stay together: they go where the first key group of their subtask is.
    fn new(
        graph: &JobGraph,
        plan: &TaskPlan,
        subtask: u32,
        edge: usize,
        first: u32,
    ) -> Result<Self, Failure> {
        let (parallelism, groups) = (plan.parallelism, graph.max_parallelism);
        if let Partitioning::Hash(keys) = plan::partitioning(&graph.edges[edge])?
            && !keys.columns.is_empty()
        {
            let columns = keys.columns.iter().map(|&column| column as usize);
            return Ok(Self::Keys(Partitioner::new(
                columns.collect(),
                parallelism,
                groups,
            )));
        }
        let is_own = key_group::range(subtask, parallelism, groups).contains(&first);
        Ok(if is_own { Self::All } else { Self::None })
    }
}

fn changed(operator: &str) -> Failure {
    Failure::user(format!(
        "the checkpoint is unaligned: rows were on their way to '{operator}', which takes other rows now. Change the query with a \
         savepoint, which has no such rows"
    ))
}
