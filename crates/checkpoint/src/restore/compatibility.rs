//! Whether a query can go on from a checkpoint, and what becomes of each operator's state.

use std::fmt;

use weir_model::Failure;

use super::{OperatorShape, Role, Shape, columns, subtasks_of};
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
    /// What of its state is lost though it goes on with the rest.
    pub loses: Vec<String>,
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
        let loses = self.operators.iter().filter(|report| !report.loses.is_empty());
        let dropped: Vec<String> = of(Verdict::Dropped).chain(loses).map(say).collect();
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
/// Columns of tables are found by what they are of, as far as both say it, and else by their places: that one SUM(a) became a SUM(b) of
/// the same type cannot be seen then.
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
    let mut loses = Vec::new();
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
        match fit(&old, operator) {
            Err(why) => (Verdict::Cannot, Some(why)),
            Ok(changes) => {
                let why = changes.said().or_else(|| unseen(&old, operator));
                loses = changes.gone;
                (Verdict::Keeps, why)
            }
        }
    };
    Some(OperatorReport {
        uid: operator.uid.clone(),
        name: operator.name.clone(),
        verdict,
        why,
        loses,
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

/// What changes in the rows of an operator that goes on with them.
#[derive(Default)]
struct Changes {
    begins: Vec<String>,
    gone: Vec<String>,
}

impl Changes {
    fn said(&self) -> Option<String> {
        let say = |names: &[String], singular: &str, plural: &str| {
            let verb = if names.len() == 1 { singular } else { plural };
            (!names.is_empty()).then(|| format!("{} {verb}", names.join(", ")))
        };
        let begins = say(&self.begins, "begins now", "begin now");
        let gone = say(&self.gone, "is dropped", "are dropped");
        let parts: Vec<String> = begins.into_iter().chain(gone).collect();
        (!parts.is_empty()).then(|| parts.join("; "))
    }
}

/// How the rows of an operator fit its tables, or why they do not.
fn fit(old: &[(&SubtaskState, &OperatorState)], operator: &OperatorShape) -> Result<Changes, String> {
    let mut changes = Changes::default();
    let was = tables_of(old);
    // Subtasks that had finished keep none, and need none.
    let Some(is) = operator.tables.as_ref().filter(|_| !was.is_empty()) else {
        return Ok(changes);
    };
    for old in was {
        let Some(new) = is.iter().find(|table| table.name == old.name) else {
            return Err(format!("it has no table '{}' any more", old.name));
        };
        check_key(old, new)?;
        let fit = columns::fit(old, new)?;
        for (all, names) in [(&mut changes.begins, fit.begins), (&mut changes.gone, fit.gone)] {
            let unsaid: Vec<String> = names.into_iter().filter(|name| !all.contains(name)).collect();
            all.extend(unsaid);
        }
    }
    match is
        .iter()
        .find(|table| was.iter().all(|old| old.name != table.name))
    {
        Some(table) => Err(format!("its table '{}' is missing in the state", table.name)),
        None => Ok(changes),
    }
}

fn check_key(old: &TableShape, new: &TableShape) -> Result<(), String> {
    let parts = |table: &TableShape| {
        let (key, _) = table.types.split_at(table.key.min(table.types.len()));
        let (partition, rest) = key.split_at(table.partition.min(key.len()));
        [partition, rest].map(|types| format!("({})", types.join(", ")))
    };
    let names = ["the key", "the rest of the key"];
    let mut parts = names.into_iter().zip(parts(old)).zip(parts(new));
    match parts.find(|((_, was), is)| was != is) {
        Some(((part, was), is)) => Err(format!(
            "{part} of its table '{}' was {was} and is {is}",
            old.name
        )),
        None => Ok(()),
    }
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
        loses: Vec::new(),
    })
}
