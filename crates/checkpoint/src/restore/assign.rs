//! The states that each subtask of a new deployment begins with.

use std::collections::{BTreeMap, HashMap, HashSet};

use weir_model::Failure;

use super::{OperatorShape, Role, Shape, TaskShape, subtasks_of};
use crate::{
    key_group,
    manifest::{Files, Manifest, OperatorState, SplitState, SubtaskState},
};

/// What a subtask begins with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assigned {
    /// Which task of the new graph.
    pub task: u32,
    /// Which subtask of it.
    pub subtask: u32,
    /// States of subtasks of before, of which the rows of its own key groups and operators are for it. Their splits and commits are all
    /// of its own, each once. If all of them have finished, it has nothing left to do but to end.
    pub states: Vec<SubtaskState>,
}

/// What the connectors of sources find to read now, by the uid of the source.
pub type FoundSplits = BTreeMap<String, Vec<SplitState>>;

/// What every subtask of a job begins with when it goes on from a checkpoint.
///
/// At the parallelism of before, a subtask gets exactly what it had. Else its key groups' rows come from all subtasks that had some of
/// them, splits are dealt out in turn, the commits of a subtask go to the one with its number modulo the parallelism, and an operator's
/// event time is that of its subtask that was the furthest behind.
/// Splits that are found and were not known are read too, unless the source had come to its end.
pub fn assign(manifest: &Manifest, shape: &Shape, found: &FoundSplits) -> Result<Vec<Assigned>, Failure> {
    if manifest.max_parallelism != shape.max_parallelism {
        return Err(Failure::user(format!(
            "the state is spread over {} key groups, and the job has {}: they stay the same for the life of its state",
            manifest.max_parallelism, shape.max_parallelism
        )));
    }
    check_in_flight(manifest, shape)?;
    let none = Vec::new();
    let mut assigned = Vec::new();
    for task in &shape.tasks {
        let share = |operator: &OperatorShape| {
            let found = found.get(&operator.uid).filter(|_| operator.role == Role::Source);
            Shares::new(manifest, &operator.uid, task.parallelism, found.unwrap_or(&none))
        };
        let shares: Vec<Shares> = task.operators.iter().map(share).collect();
        for subtask in 0..task.parallelism {
            assigned.push(Assigned {
                task: task.task,
                subtask,
                states: states(manifest, task, subtask, &shares),
            });
        }
    }
    Ok(assigned)
}

/// Rows on their way are part of the state of those that sent them: they must come to where they were sent.
fn check_in_flight(manifest: &Manifest, shape: &Shape) -> Result<(), Failure> {
    let operators: HashSet<&str> = shape
        .tasks
        .iter()
        .flat_map(|task| &task.operators)
        .map(|operator| operator.uid.as_str())
        .collect();
    let in_flight = manifest
        .subtasks
        .iter()
        .filter_map(|state| state.in_flight.as_ref());
    let mut inputs = in_flight.flat_map(|in_flight| &in_flight.inputs);
    match inputs.find(|input| !operators.contains(input.operator.as_str())) {
        None => Ok(()),
        Some(input) => Err(Failure::user(format!(
            "the checkpoint is unaligned: rows were on their way to '{}', which the query has no more. \
             Change the query with a savepoint, which has no such rows",
            input.operator
        ))),
    }
}

/// What the new subtasks of an operator get of what is not rows.
struct Shares {
    /// It is in the checkpoint.
    is_known: bool,
    of_subtask: Vec<Share>,
}

#[derive(Clone, Default)]
struct Share {
    splits: Vec<SplitState>,
    commits: Vec<String>,
    watermark_ms: Option<i64>,
    finished: bool,
}

impl Shares {
    fn new(manifest: &Manifest, uid: &str, parallelism: u32, found: &[SplitState]) -> Self {
        let old = subtasks_of(manifest, uid);
        let mut of_subtask = if old.len() == parallelism as usize {
            old.iter().map(own).collect()
        } else {
            dealt(&old, parallelism as usize)
        };
        add_found(&mut of_subtask, found);
        Self {
            is_known: !old.is_empty(),
            of_subtask,
        }
    }
}

/// What a subtask had.
fn own((state, operator): &(&SubtaskState, &OperatorState)) -> Share {
    Share {
        splits: operator.splits.clone(),
        commits: operator.commits.clone(),
        watermark_ms: operator.watermark_ms,
        finished: state.finished,
    }
}

/// What all subtasks had, dealt out in turn.
fn dealt(old: &[(&SubtaskState, &OperatorState)], parallelism: usize) -> Vec<Share> {
    let share = Share {
        watermark_ms: watermark(old),
        finished: !old.is_empty() && old.iter().all(|(state, _)| state.finished),
        ..Share::default()
    };
    let mut shares = vec![share; parallelism];
    let splits = old.iter().flat_map(|(state, operator)| {
        let of_subtask = operator.splits.iter().cloned();
        of_subtask.map(|split| SplitState {
            ended: split.ended || state.finished,
            ..split
        })
    });
    // Those that have ended are remembered so that they are not found anew; they are no work.
    let (ended, live): (Vec<_>, Vec<_>) = splits.partition(|split| split.ended);
    for splits in [live, ended] {
        for (i, split) in splits.into_iter().enumerate() {
            shares[i % parallelism].splits.push(split);
        }
    }
    // Those of one subtask stay together: what it left besides is for whoever has committed them.
    for (state, operator) in old {
        let share = &mut shares[state.subtask as usize % parallelism];
        share.commits.extend(operator.commits.iter().cloned());
    }
    shares
}

/// How far event time had come in all subtasks. One that has finished holds nothing back.
fn watermark(old: &[(&SubtaskState, &OperatorState)]) -> Option<i64> {
    let running: Vec<_> = old.iter().filter(|(state, _)| !state.finished).collect();
    if running.is_empty() {
        return old.iter().filter_map(|(_, operator)| operator.watermark_ms).min();
    }
    let watermarks: Option<Vec<i64>> = running
        .iter()
        .map(|(_, operator)| operator.watermark_ms)
        .collect();
    watermarks?.into_iter().min()
}

/// Gives splits that were not known to the subtasks that have the fewest to read. A subtask that has finished has told those behind it
/// that nothing more comes.
fn add_found(shares: &mut [Share], found: &[SplitState]) {
    let splits = shares.iter().flat_map(|share| &share.splits);
    let known: HashSet<String> = splits.map(|split| split.id.clone()).collect();
    for split in found.iter().filter(|split| !known.contains(&split.id)) {
        let running = shares.iter_mut().filter(|share| !share.finished);
        let load = |share: &&mut Share| share.splits.iter().filter(|split| !split.ended).count();
        if let Some(share) = running.min_by_key(load) {
            share.splits.push(split.clone());
        }
    }
}

/// The states that one subtask begins with.
fn states(manifest: &Manifest, task: &TaskShape, subtask: u32, shares: &[Shares]) -> Vec<SubtaskState> {
    let mut shares: HashMap<&str, (&Shares, Share)> = task
        .operators
        .iter()
        .zip(shares)
        .map(|(operator, of)| {
            (
                operator.uid.as_str(),
                (of, of.of_subtask[subtask as usize].clone()),
            )
        })
        .collect();
    let finished = shares.values().all(|(of, share)| of.is_known && share.finished);
    let range = key_group::range(subtask, task.parallelism, manifest.max_parallelism);
    let is_read = |state: &&SubtaskState| {
        let overlaps = state.key_groups.start < range.end && range.start < state.key_groups.end;
        overlaps
            && state
                .operators
                .iter()
                .any(|operator| shares.contains_key(operator.uid.as_str()))
    };
    let mut states: Vec<SubtaskState> = manifest.subtasks.iter().filter(is_read).cloned().collect();
    for state in &mut states {
        state.finished = finished;
        for operator in &mut state.operators {
            let share = shares.get_mut(operator.uid.as_str());
            let Some((_, share)) = share else {
                operator.splits.clear();
                operator.commits.clear();
                continue;
            };
            // What is its own goes with the first state that has the operator.
            operator.splits = std::mem::take(&mut share.splits);
            operator.commits = std::mem::take(&mut share.commits);
            operator.watermark_ms = share.watermark_ms;
        }
    }
    // A source that was not there has splits all the same.
    let new = task.operators.iter().filter_map(|operator| {
        let (_, share) = shares.get(operator.uid.as_str())?;
        let has_some = !share.splits.is_empty() || !share.commits.is_empty();
        has_some.then(|| OperatorState {
            uid: operator.uid.clone(),
            name: operator.name.clone(),
            tables: Vec::new(),
            watermark_ms: share.watermark_ms,
            splits: share.splits.clone(),
            commits: share.commits.clone(),
        })
    });
    let operators: Vec<OperatorState> = new.collect();
    if !operators.is_empty() {
        states.push(SubtaskState {
            task: task.task,
            subtask,
            key_groups: range,
            finished,
            operators,
            files: Files::default(),
            in_flight: None,
        });
    }
    states
}
