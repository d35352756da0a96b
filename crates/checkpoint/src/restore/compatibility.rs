//! Whether a query can go on from a checkpoint, and what becomes of each operator's state.

use std::fmt;

use weir_model::Failure;

use super::{OperatorShape, Role, Shape, subtasks_of};
use crate::manifest::{Manifest, OperatorState, SubtaskState, TableShape};

/// What becomes of the state of every operator that has or will have some.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Those of the query, in its order, then those that it has no longer.
    pub operators: Vec<OperatorReport>,
}

/// What becomes of an operator's state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OperatorReport {
    /// By which it is found.
    pub uid: String,
    /// What it is called.
    pub name: String,
    /// In a word.
    pub verdict: Verdict,
    /// In a sentence, where there is something to say.
    pub why: Option<String>,
}

/// What becomes of an operator's state, in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The operator goes on with it.
    Keeps,
    /// There is none: the operator begins with nothing.
    New,
    /// No operator of the query has use for it.
    Dropped,
    /// The operator is there and cannot use it.
    Cannot,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Keeps => "keeps",
            Self::New => "new",
            Self::Dropped => "dropped",
            Self::Cannot => "cannot",
        })
    }
}

impl Report {
    /// Why the query cannot go on from the checkpoint, if it cannot.
    pub fn refusal(&self, allow_dropped_state: bool) -> Option<Failure> {
        let of = |verdict| {
            self.operators
                .iter()
                .filter(move |report| report.verdict == verdict)
        };
        let say = |report: &OperatorReport| {
            let why = report.why.as_ref().map(|why| format!(": {why}"));
            format!("{} ({}){}", report.name, report.uid, why.unwrap_or_default())
        };
        let cannot: Vec<String> = of(Verdict::Cannot).map(say).collect();
        if !cannot.is_empty() {
            let cannot = cannot.join("; ");
            return Some(Failure::user(format!(
                "state that the query cannot use: {cannot}"
            )));
        }
        let dropped: Vec<String> = of(Verdict::Dropped).map(say).collect();
        (!dropped.is_empty() && !allow_dropped_state).then(|| {
            let dropped = dropped.join("; ");
            Failure::user(format!(
                "the query has no use for some of the state, which would be lost: {dropped}. Allow dropped state if that is meant"
            ))
        })
    }
}

/// Compares a checkpoint with a query that is to go on from it, operator by operator.
///
/// Tables are compared by the types of their columns: that one SUM(a) became a SUM(b) of the same type cannot be seen in them.
pub fn compatibility(manifest: &Manifest, shape: &Shape) -> Report {
    let of_query = || shape.tasks.iter().flat_map(|task| &task.operators);
    let mut operators: Vec<OperatorReport> = of_query()
        .filter_map(|operator| of_operator(manifest, shape, operator))
        .collect();
    let mut gone: Vec<&str> = Vec::new();
    for operator in manifest.subtasks.iter().flat_map(|state| &state.operators) {
        let is_there = of_query().any(|known| known.uid == operator.uid);
        if !is_there && !gone.contains(&operator.uid.as_str()) {
            gone.push(&operator.uid);
            operators.extend(of_gone(manifest, operator));
        }
    }
    Report { operators }
}

/// What becomes of the state of an operator of the query; none: it has none.
fn of_operator(manifest: &Manifest, shape: &Shape, operator: &OperatorShape) -> Option<OperatorReport> {
    let old = subtasks_of(manifest, &operator.uid);
    let (verdict, why) = if old.is_empty() {
        match operator.role {
            Role::Stateless | Role::Sink => return None,
            Role::Source => (
                Verdict::New,
                Some("it reads its input from the beginning".to_owned()),
            ),
            Role::Stateful => (Verdict::New, None),
        }
    } else if !keeps_some(&old) && operator.tables.as_ref().is_none_or(Vec::is_empty) {
        return None;
    } else if manifest.max_parallelism != shape.max_parallelism {
        let why = format!(
            "it is spread over {} key groups, and the job has {}",
            manifest.max_parallelism, shape.max_parallelism
        );
        (Verdict::Cannot, Some(why))
    } else {
        match misfit(&old, operator) {
            Some(why) => (Verdict::Cannot, Some(why)),
            None => (Verdict::Keeps, unseen(&old, operator)),
        }
    };
    Some(OperatorReport {
        uid: operator.uid.clone(),
        name: operator.name.clone(),
        verdict,
        why,
    })
}

fn keeps_some(old: &[(&SubtaskState, &OperatorState)]) -> bool {
    let has_some = |operator: &OperatorState| {
        !(operator.tables.is_empty() && operator.splits.is_empty() && operator.commits.is_empty())
    };
    old.iter().any(|(_, operator)| has_some(operator))
}

/// The tables of an operator in a checkpoint.
fn tables_of<'a>(old: &[(&'a SubtaskState, &'a OperatorState)]) -> &'a [TableShape] {
    let tables = old.iter().map(|(_, operator)| operator.tables.as_slice());
    tables.max_by_key(|tables| tables.len()).unwrap_or_default()
}

/// That it shows only when the operator starts whether its rows fit.
fn unseen(old: &[(&SubtaskState, &OperatorState)], operator: &OperatorShape) -> Option<String> {
    let is_unseen = operator.tables.is_none() && !tables_of(old).is_empty();
    is_unseen.then(|| "its columns are compared when it starts".to_owned())
}

/// Why the rows of an operator do not fit its tables, if they do not.
fn misfit(old: &[(&SubtaskState, &OperatorState)], operator: &OperatorShape) -> Option<String> {
    let (was, is) = (tables_of(old), operator.tables.as_ref()?);
    // Subtasks that had finished keep none, and need none.
    if was.is_empty() {
        return None;
    }
    for old in was {
        let Some(new) = is.iter().find(|table| table.name == old.name) else {
            return Some(format!("it has no table '{}' any more", old.name));
        };
        if let Some(why) = table_misfit(old, new) {
            return Some(why);
        }
    }
    let missing = is
        .iter()
        .find(|table| was.iter().all(|old| old.name != table.name));
    missing.map(|table| format!("its table '{}' is missing in the state", table.name))
}

fn table_misfit(old: &TableShape, new: &TableShape) -> Option<String> {
    let parts = |table: &TableShape| {
        let (key, values) = table.types.split_at(table.key.min(table.types.len()));
        let (partition, rest) = key.split_at(table.partition.min(key.len()));
        [partition, rest, values].map(|types| format!("({})", types.join(", ")))
    };
    let names = ["the key", "the rest of the key", "what is kept per key"];
    let mut parts = names.into_iter().zip(parts(old)).zip(parts(new));
    let ((part, was), is) = parts.find(|((_, was), is)| was != is)?;
    Some(format!(
        "{part} of its table '{}' was {was} and is {is}",
        old.name
    ))
}

/// What becomes of the state of an operator that the query has no longer; none: nothing is lost.
fn of_gone(manifest: &Manifest, operator: &OperatorState) -> Option<OperatorReport> {
    let old = subtasks_of(manifest, &operator.uid);
    let has_commits = old.iter().any(|(_, operator)| !operator.commits.is_empty());
    let has_ended = old.iter().all(|(state, _)| state.finished);
    if !has_commits && (has_ended || !keeps_some(&old)) {
        return None;
    }
    Some(OperatorReport {
        uid: operator.uid.clone(),
        name: operator.name.clone(),
        verdict: Verdict::Dropped,
        why: has_commits.then(|| "output that it had prepared will never be seen".to_owned()),
    })
}
