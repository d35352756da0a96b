//! One subtask from its parts to its end: opens what it reads and writes, waits for the start, runs, reports.

use std::{any::Any, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use arrow_schema::SchemaRef;
use futures::FutureExt;
use tokio::sync::mpsc::UnboundedSender;
use tokio_util::sync::CancellationToken;
use weir_checkpoint::key_group;
use weir_connector::{RowOutput, Secrets, Split, Table};
use weir_env::Clock;
use weir_functions::chance::Bits;
use weir_model::{Failure, Generation};
use weir_proto::{
    graph::{self, JobGraph, operator::Spec},
    schema,
};

use super::{
    align::{Aligner, Patience},
    alignment::Alignment,
    chain::Chain,
    checkpoint::{Beginning, Checkpoints, Taker, Taking},
    commits::{Commits, masked},
    in_flight::{self, Inputs},
    inbox::Inbox,
    input,
    lookup::{self, Lookups},
    metrics::{Activity, SubtaskCounters},
    news::{Last, News, Stage, SubtaskEvent},
    node::{Node, Outlet, ROWS, Target},
    output::{EdgeWriter, Leaf, Outputs},
    place::Place,
    plan::{self, TaskPlan},
    sink::{OpeningSink, open_sink},
    source,
    splits::Splits,
    watermark::WatermarkMerger,
    wiring::{entries, input_schemas, late_rows, names, outlets},
};
use crate::{
    operator,
    state::rehearse::{Make, Rehearsed},
};

/// What all subtasks of a deployment share.
#[derive(Clone, Debug)]
pub struct Job {
    /// The job's id, or `local`.
    pub job: String,
    /// Fences its deployments.
    pub generation: Generation,
    /// The graph; its settings are set.
    pub graph: Arc<JobGraph>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Where `print` sinks put rows.
    pub output: Arc<dyn RowOutput>,
    /// What functions of chance begin with; another number at each deployment.
    pub seed: u64,
    /// The sources of this process that keep together.
    pub alignment: Arc<Alignment>,
    /// Restores every operator from its own snapshot after so many calls; none: never.
    pub rehearsal: Option<u32>,
    /// What subtasks take checkpoints with; none: no checkpoints are taken.
    pub checkpoints: Option<Arc<Checkpoints>>,
    /// The checkpoint that the deployment begins with.
    pub restored: Option<u64>,
    /// What its sinks here have prepared.
    pub commits: Arc<Commits>,
    /// What its tables name by `${secret:name}`.
    pub secrets: Arc<Secrets>,
}

impl Job {
    /// Where chance comes from in a subtask.
    pub fn chance(&self, task: u32, subtask: u32) -> Bits {
        let place = u64::from(task) << 32 | u64::from(subtask);
        Bits(Bits(self.seed ^ Bits(place).next()).next())
    }

    fn patience(&self) -> Patience {
        self.checkpoints
            .as_ref()
            .map_or(Patience::Endless, |checkpoints| checkpoints.patience)
    }
}

/// A channel of a subtask's inbox.
#[derive(Clone, Debug)]
pub struct InputChannel {
    /// Position in the graph's edges.
    pub edge: usize,
    /// The schema of its rows.
    pub schema: SchemaRef,
}

/// A subtask that is wired to its neighbours but has opened nothing yet.
pub struct Subtask {
    /// What it shares with the others.
    pub job: Job,
    /// Its task.
    pub plan: Arc<TaskPlan>,
    /// Which subtask of the task.
    pub index: u32,
    /// Where its input comes from; none for sources.
    pub inbox: Option<Inbox>,
    /// The channels of the inbox.
    pub channels: Vec<InputChannel>,
    /// The writers of its edges to other tasks, in the order of `plan.outputs`.
    pub writers: Vec<EdgeWriter>,
    /// Its source's splits.
    pub splits: Vec<Split>,
    /// The ids of those of all its siblings, as far as they are known here.
    pub known_splits: Arc<[String]>,
    /// What is left of an earlier deployment.
    pub beginning: Beginning,
    /// What it counts.
    pub counters: Arc<SubtaskCounters>,
    /// Where its news go.
    pub events: UnboundedSender<SubtaskEvent>,
}

impl Subtask {
    /// Runs to the end, a failure or the cancellation, whichever is first; news go to `events`, the final one last.
    pub async fn run(self, start: CancellationToken, cancel: CancellationToken) {
        let place = Arc::new(Place::new(self.index, names(&self.job.graph, &self.plan)));
        let counters = Arc::clone(&self.counters);
        let secrets = Arc::clone(&self.job.secrets);
        let news = self.news();
        let life = AssertUnwindSafe(self.live(start, &news, Arc::clone(&place))).catch_unwind();
        let (stage, last) = tokio::select! {
            biased;
            () = cancel.cancelled() => (Stage::Cancelled, None),
            end = life => match end {
                Ok(Ok(last)) => (Stage::Finished, last),
                Ok(Err(failure)) => (Stage::Failed(masked(place.locate(failure), &secrets)), None),
                Err(panic) => {
                    let failure = Failure::internal(panic_message(panic.as_ref()));
                    (Stage::Failed(masked(place.locate(failure), &secrets)), None)
                }
            },
        };
        counters.activities.enter(Activity::Idle);
        news.tell_end(stage, counters.read(), last);
    }

    fn news(&self) -> News {
        News {
            events: self.events.clone(),
            job: self.job.job.clone(),
            generation: self.job.generation,
            task: self.plan.task,
            subtask: self.index,
        }
    }

    async fn live(
        self,
        start: CancellationToken,
        news: &News,
        place: Arc<Place>,
    ) -> Result<Option<Last>, Failure> {
        let ready = self.open(place).await?;
        news.tell_stage(Stage::Deployed);
        start.cancelled().await;
        news.tell_stage(Stage::Running);
        match ready {
            Ready::Source(source) => source.run().await,
            Ready::Input(input) => input.run().await,
        }
    }

    async fn open(self, place: Arc<Place>) -> Result<Ready, Failure> {
        let nodes = self.nodes(&place)?;
        let news = self.news();
        let Self {
            job,
            plan,
            index,
            inbox,
            channels,
            writers,
            splits,
            known_splits,
            beginning,
            counters,
            ..
        } = self;
        let mut leaves: Vec<Leaf> = writers.into_iter().map(Leaf::Edge).collect();
        let mut lookups = Lookups::new(Arc::clone(&place));
        for (node, &id) in plan.operators.iter().enumerate() {
            let operator = &job.graph.operators[id as usize];
            if let Some(Spec::Sink(sink)) = &operator.spec {
                place.enter(node);
                let opening = OpeningSink {
                    operator,
                    sink,
                    subtask: index,
                    node,
                    beginning: &beginning,
                };
                leaves.push(Leaf::Sink(open_sink(&job, opening).boxed().await?));
            }
            if let Some(Spec::LookupJoin(spec)) = &operator.spec {
                place.enter(node);
                let opening = lookup::Opening {
                    spec,
                    input: input_schemas(&job.graph, operator)?[0].clone(),
                    output: plan::output_schema(operator)?,
                    node,
                    clock: Arc::clone(&job.clock),
                    secrets: &job.secrets,
                };
                lookups.open(opening).await?;
            }
        }
        place.enter(0);
        let entries = entries(&job.graph, &plan, &channels);
        let outputs = Outputs::new(leaves, Arc::clone(&counters), Arc::clone(&place));
        let chance = job.chance(plan.task, index);
        let mut chain = Chain::new(nodes, Arc::clone(&place)).with_chance(chance);
        let (mut taker, mut in_flight) = (None, Vec::new());
        if let Some(checkpoints) = &job.checkpoints {
            let taking = taking(&job, &plan, index, checkpoints, news)?;
            taker = Some(Taker::open(taking, &mut chain, &beginning).boxed().await?);
            let restored = in_flight::restored(&job, &plan, index, &beginning, checkpoints);
            in_flight = restored.boxed().await?;
        }
        let steps = super::Steps {
            chain,
            outputs,
            lookups,
            taker,
            counters,
            clock: Arc::clone(&job.clock),
            is_restored: job.restored.is_some(),
            in_flight,
        };
        let ready = if let Some(inbox) = inbox {
            Ready::Input(Box::new(input::InputTask {
                inbox,
                aligner: Aligner::new(in_flight::recordable(&job.graph, &channels), job.patience()),
                inputs: Inputs::new(&job.graph, &channels)?,
                channels,
                entries,
                steps,
                recording: None,
                looks_for_barriers: false,
            }))
        } else {
            let uid = &job.graph.operators[plan.operators[0] as usize].uid;
            let splits = Splits::new(splits, beginning.of(uid));
            let splits = (splits, known_splits);
            let source = source::open(&job, &plan, index, splits, steps, Arc::clone(&place));
            Ready::Source(Box::new(source.await?))
        };
        place.leave();
        Ok(ready)
    }

    fn nodes(&self, place: &Place) -> Result<Vec<Node>, Failure> {
        let graph = &self.job.graph;
        let mut sinks = self.plan.outputs.len();
        let mut nodes = Vec::with_capacity(self.plan.operators.len());
        for (position, &id) in self.plan.operators.iter().enumerate() {
            place.enter(position);
            let operator = &graph.operators[id as usize];
            let is_source = matches!(operator.spec, Some(Spec::Source(_)));
            let is_sink = matches!(operator.spec, Some(Spec::Sink(_)));
            let is_lookup = matches!(operator.spec, Some(Spec::LookupJoin(_)));
            // What has finished passes on that there is nothing, and does nothing more.
            let step = if is_source || is_lookup || is_sink || self.beginning.has_finished {
                None
            } else {
                Some(self.build(operator)?)
            };
            let mut outlets = outlets(graph, &self.plan, id);
            if is_sink {
                outlets.push(Outlet {
                    output: ROWS,
                    target: Target::Leaf(sinks),
                });
                sinks += 1;
            }
            let internal = self
                .plan
                .internal
                .iter()
                .filter(|&&e| graph.edges[e].to == id)
                .count();
            let external = self
                .channels
                .iter()
                .filter(|c| graph.edges[c.edge].to == id)
                .count();
            nodes.push(Node {
                operator: step,
                is_lookup,
                is_source,
                merger: WatermarkMerger::new(if is_source { 1 } else { internal + external }),
                outlets,
                late: late_rows(graph, id)?,
                counters: Arc::clone(&self.counters.operators[position]),
            });
        }
        Ok(nodes)
    }

    fn build(&self, operator: &graph::Operator) -> Result<Box<dyn operator::Operator>, Failure> {
        let make = make(&self.job.graph, operator)?;
        match self.job.rehearsal {
            Some(every) => Ok(Box::new(Rehearsed::new(make, every)?)),
            None => make(),
        }
    }
}

/// What makes an operator, any number of times.
fn make(graph: &JobGraph, operator: &graph::Operator) -> Result<Make, Failure> {
    let inputs = input_schemas(graph, operator)?;
    let operator = operator.clone();
    Ok(Box::new(move || operator::build(&operator, inputs.clone())))
}

enum Ready {
    Source(Box<source::SourceTask>),
    Input(Box<input::InputTask>),
}

/// What a subtask takes its checkpoints with.
fn taking(
    job: &Job,
    plan: &TaskPlan,
    subtask: u32,
    checkpoints: &Arc<Checkpoints>,
    news: News,
) -> Result<Taking, Failure> {
    let operators = plan.operators.iter().map(|&id| &job.graph.operators[id as usize]);
    let make_of = |operator: &graph::Operator| match operator.spec {
        // Those are the runtime's.
        Some(Spec::Source(_) | Spec::LookupJoin(_) | Spec::Sink(_)) => Ok(None),
        _ if job.rehearsal.is_some() => Ok(None),
        _ => make(&job.graph, operator).map(Some),
    };
    Ok(Taking {
        makes: operators.clone().map(make_of).collect::<Result<_, _>>()?,
        checkpoints: Arc::clone(checkpoints),
        job: job.job.clone(),
        generation: job.generation,
        place: (plan.task, subtask),
        key_groups: key_group::range(subtask, plan.parallelism, job.graph.max_parallelism),
        max_parallelism: job.graph.max_parallelism,
        operators: operators.map(|o| (o.uid.clone(), o.name.clone())).collect(),
        clock: Arc::clone(&job.clock),
        news,
    })
}

/// A table as connectors see it.
pub fn table(table: Option<&graph::Table>, secrets: &Secrets) -> Result<Table, Failure> {
    let table = table.ok_or_else(|| Failure::internal("a source or sink without a table"))?;
    let schema = schema::decode(&table.schema).map_err(|e| {
        Failure::internal(format!(
            "the schema of table '{}' cannot be read: {e}",
            table.name
        ))
    })?;
    let table = Table {
        name: table.name.clone(),
        connector: table.connector.clone(),
        options: table.options.clone().into_iter().collect(),
        schema,
    };
    secrets
        .resolve(&table)
        .map_err(|error| Failure::user(format!("table '{}': {error}", table.name)))
}

/// What a panic said.
fn panic_message(panic: &(dyn Any + Send)) -> String {
    let said = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!(
        "a defect of Weir stopped the task: {}; please report it",
        said.unwrap_or("it panicked")
    )
}

/// Runtime settings of a graph.
pub fn settings(graph: &JobGraph) -> graph::Settings {
    graph.settings.unwrap_or_default()
}

/// How long rows wait for company.
pub fn linger(graph: &JobGraph) -> Duration {
    Duration::from_millis(settings(graph).exchange_linger_ms)
}
