//! What a new deployment begins with: the state of a checkpoint or a savepoint, spread over its subtasks.

use std::collections::BTreeMap;

use weir_checkpoint::{
    manifest::{Manifest, SplitState, TableShape},
    restore::{
        self, Assigned, FoundSplits, OperatorReport, OperatorShape, Report, Role, Shape, TaskShape, Verdict,
    },
};
use weir_model::{
    Failure,
    api::{Compatibility, OperatorCompatibility, StateFate},
};
use weir_proto::{
    control::{RestoredState, SourceSplits, Split, SubtaskRestore},
    graph::{JobGraph, Operator, operator::Spec},
};

use super::{
    coordinate::Known,
    folder,
    history::{self, Trouble},
    settings,
};
use crate::{
    context::Context,
    job::{Job, splits},
};

/// What a deployment begins with.
#[derive(Clone, Debug, Default)]
pub struct Beginning {
    /// The job's checkpoint that it begins with.
    pub restored_from: Option<u64>,
    /// The same, if it is one of the job's savepoints too.
    pub number: Option<u64>,
    /// The same for people; none when it begins empty.
    pub said: Option<String>,
    /// What its sources read, and from where on.
    pub splits: Vec<SourceSplits>,
    /// The state of its subtasks.
    pub restore: Vec<SubtaskRestore>,
    /// What its coordinator has to know.
    pub known: Known,
}

/// What the job's next deployment begins with; `splits` are those that its sources have now.
pub async fn begin(
    context: &Context,
    job: &Job,
    graph: &JobGraph,
    splits: Vec<SourceSplits>,
) -> Result<Beginning, Trouble> {
    if context.state_url.is_none() {
        if job.base.savepoint.is_some() || job.last_checkpoint.is_some() {
            let why = "the control plane was started without --checkpoint-dir, where the job's state is";
            return Err(Failure::external(why).into());
        }
        return Ok(Beginning {
            splits,
            ..Beginning::default()
        });
    }
    history::settle(context, job).await?;
    let known = history::known(context, job).await?;
    let suspect = job.restored_from.filter(|_| job.failed_coming_up);
    let own = history::newest(context, job, suspect).await?;
    let state = match own {
        Some((number, folder, manifest)) => Some(State {
            restored_from: Some(number),
            number: Some(number),
            said: format!("with the state of checkpoint {number}"),
            folder,
            manifest,
        }),
        None => base(context, job, graph).await?,
    };
    let Some(state) = state else {
        return Ok(Beginning {
            splits,
            known,
            ..Beginning::default()
        });
    };
    let (splits, restore) = spread(&state.manifest, &state.folder, graph, &splits)?;
    Ok(Beginning {
        restored_from: state.restored_from,
        number: state.number,
        said: Some(state.said),
        splits,
        restore,
        known,
    })
}

struct State {
    restored_from: Option<u64>,
    number: Option<u64>,
    said: String,
    folder: String,
    manifest: Manifest,
}

/// The savepoint that the job begins with when it has no checkpoint.
async fn base(context: &Context, job: &Job, graph: &JobGraph) -> Result<Option<State>, Trouble> {
    let Some(id) = job.base.savepoint else {
        return Ok(None);
    };
    let savepoint = context.store.savepoint(id).await?;
    let manifest = folder::manifest_of(context, &savepoint).await?;
    if let Some(refusal) = compare(context, &manifest, graph).refusal(job.base.allow_dropped_state) {
        return Err(refusal.into());
    }
    Ok(Some(State {
        restored_from: None,
        number: savepoint.number.filter(|_| savepoint.job == job.id),
        said: format!("with the state of savepoint '{}' ({id})", savepoint.name),
        folder: savepoint.url,
        manifest,
    }))
}

/// The state of each subtask, and where each source reads on.
fn spread(
    manifest: &Manifest,
    folder: &str,
    graph: &JobGraph,
    has_now: &[SourceSplits],
) -> Result<(Vec<SourceSplits>, Vec<SubtaskRestore>), Failure> {
    let assigned = restore::assign(
        manifest,
        &shape(graph, &mut BTreeMap::new()),
        &found(manifest, graph, has_now)?,
    )?;
    let splits = read(graph, &assigned);
    let restores: Result<Vec<_>, Failure> = assigned.iter().map(|a| restore_of(a, folder)).collect();
    Ok((splits, restores?))
}

fn restore_of(assigned: &Assigned, folder: &str) -> Result<SubtaskRestore, Failure> {
    let Assigned {
        task,
        subtask,
        states,
    } = assigned;
    let states: Result<Vec<_>, _> = states.iter().map(serde_json::to_vec).collect();
    let states = states.map_err(|error| Failure::internal(format!("a state cannot be written: {error}")))?;
    let restored = |state| RestoredState {
        state,
        folder_url: folder.to_owned(),
    };
    Ok(SubtaskRestore {
        task: *task,
        subtask: *subtask,
        states: states.into_iter().map(restored).collect(),
    })
}

fn sources(graph: &JobGraph) -> impl Iterator<Item = &Operator> {
    let is_source = |operator: &&Operator| matches!(operator.spec, Some(Spec::Source(_)));
    graph.operators.iter().filter(is_source)
}

/// What the sources have that the checkpoint does not know, by their uid.
///
/// A source that it knows goes on with its splits, and with those that have come to be since if it discovers such: else what a connector
/// finds now may be the same rows, cut otherwise for another parallelism.
fn found(manifest: &Manifest, graph: &JobGraph, has_now: &[SourceSplits]) -> Result<FoundSplits, Failure> {
    let known = || manifest.subtasks.iter().flat_map(|state| &state.operators);
    let mut found = FoundSplits::new();
    for source in sources(graph) {
        let is_known = known().any(|operator| operator.uid == source.uid);
        let of_source = has_now.iter().filter(|splits| splits.operator == source.id);
        let of_source = of_source.flat_map(|splits| &splits.splits);
        let read = of_source.filter_map(|split| {
            let split = split.clone();
            if is_known {
                splits::found_later(source, split)
            } else {
                Some(split)
            }
        });
        let splits: Result<Vec<_>, _> = read.map(|split| unread(&split)).collect();
        found.entry(source.uid.clone()).or_default().extend(splits?);
    }
    Ok(found)
}

/// A split of which nothing was read.
fn unread(split: &Split) -> Result<SplitState, Failure> {
    let state = String::from_utf8(split.state.clone())
        .map_err(|_| Failure::internal(format!("what split '{}' says of itself is no text", split.id)))?;
    Ok(SplitState {
        id: split.id.clone(),
        state,
        ended: false,
        watermark_ms: None,
    })
}

/// What each subtask of each source reads, an empty list if there is nothing for it.
///
/// Of a source that discovers splits those too that have ended, so that they are not found anew; that they have is in the subtask's state.
fn read(graph: &JobGraph, assigned: &[Assigned]) -> Vec<SourceSplits> {
    let of_subtask = |source: &Operator, subtask: u32| {
        let own = assigned
            .iter()
            .filter(|a| a.task == source.task && a.subtask == subtask);
        let operators = own.flat_map(|a| &a.states).flat_map(|state| &state.operators);
        let splits = operators.filter(|o| o.uid == source.uid).flat_map(|o| &o.splits);
        let knows_ended = splits::discovers(source);
        let listed = splits
            .filter(|split| knows_ended || !split.ended)
            .map(|split| Split {
                id: split.id.clone(),
                state: split.state.clone().into_bytes(),
            });
        SourceSplits {
            operator: source.id,
            subtask,
            splits: listed.collect(),
        }
    };
    sources(graph)
        .flat_map(|source| (0..source.parallelism).map(move |subtask| of_subtask(source, subtask)))
        .collect()
}

/// The graph, as far as state goes; the tables are taken from those that are known.
fn shape(graph: &JobGraph, tables: &mut BTreeMap<String, Vec<TableShape>>) -> Shape {
    let mut operators = |task: u32| {
        let of_task = graph
            .operators
            .iter()
            .filter(move |operator| operator.task == task);
        let of_task = of_task.map(|operator| OperatorShape {
            uid: operator.uid.clone(),
            name: operator.name.clone(),
            role: role(operator),
            tables: tables.remove(&operator.uid),
        });
        of_task.collect()
    };
    let tasks = settings::tasks(graph)
        .into_iter()
        .map(|(task, parallelism)| TaskShape {
            task,
            parallelism,
            operators: operators(task),
        });
    Shape {
        max_parallelism: graph.max_parallelism,
        tasks: tasks.collect(),
    }
}

fn role(operator: &Operator) -> Role {
    match &operator.spec {
        Some(Spec::Source(_)) => Role::Source,
        Some(Spec::Sink(_)) => Role::Sink,
        // Pre-aggregations emit what they hold before each barrier.
        None
        | Some(
            Spec::Calc(_)
            | Spec::Union(_)
            | Spec::Unnest(_)
            | Spec::LookupJoin(_)
            | Spec::ProcessingTime(_)
            | Spec::WindowTable(_)
            | Spec::LocalWindowAggregate(_)
            | Spec::LocalGroupAggregate(_),
        ) => Role::Stateless,
        Some(
            Spec::WindowAggregate(_)
            | Spec::GroupAggregate(_)
            | Spec::Join(_)
            | Spec::Rank(_)
            | Spec::Sort(_)
            | Spec::SessionAggregate(_)
            | Spec::SessionTable(_)
            | Spec::CountWindow(_)
            | Spec::CountWindowAggregate(_)
            | Spec::TemporalJoin(_)
            | Spec::MatchRecognize(_)
            | Spec::OverAggregate(_),
        ) => Role::Stateful,
    }
}

/// What becomes of the state of each operator when a job with this graph begins with it.
pub fn compare(context: &Context, manifest: &Manifest, graph: &JobGraph) -> Report {
    restore::compatibility(manifest, &shape(graph, &mut (context.tables)(graph)))
}

/// The same as a REST body.
pub fn to_api(report: &Report) -> Compatibility {
    let of_operator = |operator: &OperatorReport| OperatorCompatibility {
        uid: operator.uid.clone(),
        name: operator.name.clone(),
        fate: match operator.verdict {
            Verdict::Keeps => StateFate::Kept,
            Verdict::New => StateFate::New,
            Verdict::Dropped => StateFate::Dropped,
            Verdict::Cannot => StateFate::Unusable,
        },
        reason: operator.why.clone().unwrap_or_default(),
    };
    Compatibility {
        compatible: report.refusal(false).is_none(),
        compatible_if_dropped: report.refusal(true).is_none(),
        operators: report.operators.iter().map(of_operator).collect(),
    }
}

#[cfg(test)]
mod tests {
    use weir_checkpoint::manifest::{CheckpointId, FORMAT, Files, Kind, OperatorState, SubtaskState};
    use weir_proto::{graph::Source, schema};

    use super::*;

    fn source(id: u32, uid: &str) -> Operator {
        Operator {
            id,
            uid: uid.to_owned(),
            task: id,
            parallelism: 3,
            spec: Some(Spec::Source(Source::default())),
            ..Operator::default()
        }
    }

    fn split(id: &str) -> Split {
        Split {
            id: id.to_owned(),
            state: b"{}".to_vec(),
        }
    }

    fn manifest(uid: &str, splits: &[&str]) -> Manifest {
        let operator = OperatorState {
            uid: uid.to_owned(),
            splits: splits
                .iter()
                .map(|id| unread(&split(id)).expect("text"))
                .collect(),
            ..OperatorState::default()
        };
        Manifest {
            format: FORMAT,
            weir_version: String::new(),
            kind: Kind::Checkpoint,
            job: String::new(),
            checkpoint: CheckpointId(1),
            generation: 1,
            created_at_ms: 0,
            max_parallelism: 128,
            subtasks: vec![SubtaskState {
                task: 0,
                subtask: 0,
                key_groups: 0..128,
                finished: false,
                operators: vec![operator],
                files: Files::default(),
                in_flight: None,
            }],
        }
    }

    #[test]
    fn a_source_that_discovers_splits_goes_on_with_those_that_are_new_at_their_start() {
        let of_topic = |partition: u32, next: u32| Split {
            id: format!("t/{partition}"),
            state: format!("{{\"topic\":\"t\",\"partition\":{partition},\"next\":{next}}}").into_bytes(),
        };
        let options = [
            ("topic", "t"),
            ("properties.bootstrap.servers", "localhost:1"),
            ("format", "json"),
            ("scan.startup.mode", "latest-offset"),
        ];
        // Any columns will do.
        let nexmark = weir_connector::connector("nexmark").expect("a connector");
        let columns = nexmark.default_schema().expect("it has columns");
        let table = weir_proto::graph::Table {
            name: "t".into(),
            connector: "kafka".into(),
            options: options
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .into(),
            schema: schema::encode(&columns).expect("encodes"),
        };
        let mut source = source(0, "known");
        source.spec = Some(Spec::Source(Source {
            table: Some(table),
            ..Source::default()
        }));
        let graph = JobGraph {
            operators: vec![source],
            max_parallelism: 128,
            ..JobGraph::default()
        };
        let has_now = SourceSplits {
            operator: 0,
            subtask: 0,
            splits: vec![of_topic(0, 90), of_topic(1, 40)],
        };
        let mut manifest = manifest("known", &["t/0"]);
        manifest.subtasks[0].operators[0].splits[0].state = "kept".into();
        let (splits, _) = spread(&manifest, "", &graph, &[has_now]).expect("it goes on");
        let mut read: Vec<_> = splits
            .iter()
            .flat_map(|splits| &splits.splits)
            .map(|split| (split.id.as_str(), String::from_utf8_lossy(&split.state)))
            .collect();
        read.sort_unstable();
        let at_its_start = "{\"topic\":\"t\",\"partition\":1}".into();
        assert_eq!(read, [("t/0", "kept".into()), ("t/1", at_its_start)]);
    }

    #[test]
    fn what_a_watched_folder_had_is_known_when_the_job_goes_on_though_it_has_ended() {
        let read = |options: &[(&str, &str)]| {
            let all = [("path", "/nowhere"), ("format", "json")];
            // Any columns will do.
            let nexmark = weir_connector::connector("nexmark").expect("a connector");
            let columns = nexmark.default_schema().expect("it has columns");
            let table = weir_proto::graph::Table {
                name: "t".into(),
                connector: "filesystem".into(),
                options: all
                    .iter()
                    .chain(options)
                    .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
                    .collect(),
                schema: schema::encode(&columns).expect("encodes"),
            };
            let mut source = source(0, "known");
            source.spec = Some(Spec::Source(Source {
                table: Some(table),
                ..Source::default()
            }));
            let graph = JobGraph {
                operators: vec![source],
                max_parallelism: 128,
                ..JobGraph::default()
            };
            let mut manifest = manifest("known", &["a.json", "b.json"]);
            manifest.subtasks[0].operators[0].splits[0].ended = true;
            let has_now = SourceSplits {
                operator: 0,
                subtask: 0,
                splits: vec![split("a.json"), split("b.json"), split("c.json")],
            };
            let (splits, _) = spread(&manifest, "", &graph, &[has_now]).expect("it goes on");
            let ids = splits.iter().flat_map(|splits| &splits.splits);
            let mut ids: Vec<_> = ids.map(|split| split.id.clone()).collect();
            ids.sort_unstable();
            ids
        };
        assert_eq!(
            read(&[("source.monitor-interval", "1 s")]),
            ["a.json", "b.json", "c.json"]
        );
        assert_eq!(read(&[]), ["b.json"]);
    }

    #[test]
    fn a_source_goes_on_with_its_splits_however_they_are_cut_now_and_a_new_one_begins() {
        let graph = JobGraph {
            operators: vec![source(0, "old"), source(1, "new")],
            max_parallelism: 128,
            ..JobGraph::default()
        };
        let now = |operator| SourceSplits {
            operator,
            subtask: 0,
            splits: vec![split("0-of-3"), split("1-of-3"), split("2-of-3")],
        };
        let manifest = manifest("old", &["0-of-2", "1-of-2"]);
        let (splits, _) = spread(&manifest, "", &graph, &[now(0), now(1)]).expect("it goes on");
        let read = |operator| {
            let of_operator = splits.iter().filter(|splits| splits.operator == operator);
            let ids = of_operator
                .flat_map(|splits| &splits.splits)
                .map(|split| split.id.as_str());
            ids.collect::<Vec<_>>()
        };
        assert_eq!(read(0), ["0-of-2", "1-of-2"]);
        assert_eq!(read(1).len(), 3);
    }
}
