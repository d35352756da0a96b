//! Rows in order through the partial matches of their keys.
//!
//! Each key goes ahead on its own until its next row has to fulfil a condition that looks back; when all keys have come that far,
//! the conditions of all of them are computed at once.

use arrow_array::{Array, ArrayRef, BooleanArray, RecordBatch, UInt32Array, cast::AsArray};
use arrow_select::take::take_record_batch;
use weir_model::Failure;

use super::{
    nfa::{Position, START, Step},
    plan::{Condition, Plan},
    runs::{Match, NextRow, Run, Stuck},
    state::{Key, State},
    values::Picked,
};
use crate::{expression::describe_row, operator::rank::rows::FRESH};

/// Rows of an emitted batch at most.
const EMIT_ROWS: usize = 8192;

/// The rows of all keys whose time has come.
pub(super) struct Firing<'a> {
    plan: &'a Plan,
    state: &'a mut State,
    rows: &'a RecordBatch,
    times: &'a [i64],
    /// Which conditions that read the row alone each row fulfils, by variable.
    truths: Vec<u64>,
    /// The rows of each key together.
    order: Vec<u32>,
    questions: Vec<Questions>,
    found: Found,
    /// Places of rows that no partial match needs any more.
    released: Vec<u32>,
    steps: Vec<Step>,
    matches: Vec<Match>,
}

/// A key on its way through its rows.
struct Cursor {
    key: u32,
    /// The rows that are left, in the firing's order.
    at: usize,
    end: usize,
    /// What the row at hand fulfils as the next one of each partial match, the new one last.
    truths: Vec<u64>,
    /// Whether those are known, since the row was offered before.
    is_answered: bool,
}

/// Partial matches that wait for a variable's condition.
#[derive(Default)]
struct Questions {
    picked: Picked,
    /// The cursor and the number of the partial match.
    askers: Vec<(u32, u32)>,
}

/// Matches to be emitted.
#[derive(Default)]
struct Found {
    picked: Picked,
    /// The row that completed each.
    rows: Vec<u32>,
}

impl<'a> Firing<'a> {
    /// Of rows in order with their times, ms.
    pub(super) fn new(plan: &'a Plan, state: &'a mut State, rows: &'a RecordBatch, times: &'a [i64]) -> Self {
        Self {
            truths: truths(plan, rows),
            plan,
            state,
            rows,
            times,
            order: Vec::new(),
            questions: plan.conditions.iter().map(|_| Questions::default()).collect(),
            found: Found::default(),
            released: Vec::new(),
            steps: Vec::new(),
            matches: Vec::new(),
        }
    }

    /// Matches the rows; the output rows of the matches found, in the order in which they were.
    pub(super) fn run(mut self) -> Result<Vec<RecordBatch>, Failure> {
        let mut cursors = self.cursors()?;
        let mut going: Vec<u32> = (0..cursors.len() as u32).collect();
        while !going.is_empty() {
            let mut waiting = Vec::new();
            for number in going {
                if self.go_ahead(number, &mut cursors[number as usize])? {
                    waiting.push(number);
                }
            }
            self.answer(&mut cursors)?;
            going = waiting;
        }
        let touched: Vec<u32> = cursors.iter().map(|cursor| cursor.key).collect();
        self.finish(&touched)
    }

    /// Drops the partial matches of all keys that no row after a time can complete; the output rows of matches that waited for them.
    pub(super) fn expire(mut self, now_ms: i64) -> Result<Vec<RecordBatch>, Failure> {
        let mut touched = Vec::new();
        for number in 0..self.state.len() {
            let key = self.state.key(number);
            if !key.runs.is_empty() {
                let expired = key.runs.expire(&self.plan.rules, now_ms, &mut self.matches);
                if expired.map_err(|stuck| self.stuck(stuck, None))? {
                    self.report(number, u32::MAX);
                    touched.push(number);
                }
            }
        }
        self.finish(&touched)
    }

    fn cursors(&mut self) -> Result<Vec<Cursor>, Failure> {
        let keys: Vec<ArrayRef> = self
            .plan
            .keys
            .iter()
            .map(|k| ArrayRef::clone(self.rows.column(*k)))
            .collect();
        let numbers = self.state.number(&keys, self.rows.num_rows())?;
        let mut by_key: Vec<u64> = (0..)
            .zip(&numbers)
            .map(|(row, key): (u64, _)| u64::from(*key) << 32 | row)
            .collect();
        if !keys.is_empty() {
            by_key.sort_unstable();
        }
        self.order = by_key.iter().map(|packed| *packed as u32).collect();
        let (mut cursors, mut at) = (Vec::new(), 0);
        for same in by_key.chunk_by(|a, b| a >> 32 == b >> 32) {
            cursors.push(Cursor {
                key: (same[0] >> 32) as u32,
                at,
                end: at + same.len(),
                truths: Vec::new(),
                is_answered: false,
            });
            at += same.len();
        }
        Ok(cursors)
    }

    /// Takes a key's rows one by one; whether it stopped at one that has to fulfil a condition that looks back.
    fn go_ahead(&mut self, number: u32, cursor: &mut Cursor) -> Result<bool, Failure> {
        while cursor.at < cursor.end {
            let row = self.order[cursor.at];
            if !cursor.is_answered {
                let truth = self.truths[row as usize];
                let key = self.state.key(cursor.key);
                if key.runs.is_empty() && truth & self.plan.begins == 0 {
                    cursor.at += 1;
                    continue;
                }
                self.offer(cursor, row)?;
                if truth & self.plan.look_back != 0 && self.ask(number, cursor, row) {
                    return Ok(true);
                }
            }
            self.take(cursor, row)?;
            cursor.at += 1;
            cursor.is_answered = false;
        }
        Ok(false)
    }

    /// Brings a key to a row's time, and the row to the key's others.
    fn offer(&mut self, cursor: &mut Cursor, row: u32) -> Result<(), Failure> {
        let (now_ms, truth) = (self.times[row as usize], self.truths[row as usize]);
        let key = self.state.key(cursor.key);
        if !key.runs.is_empty() && self.plan.rules.within_ms.is_some() {
            let expired = key.runs.expire(&self.plan.rules, now_ms, &mut self.matches);
            expired.map_err(|stuck| self.stuck(stuck, Some(row)))?;
            self.report(cursor.key, row);
        }
        let key = self.state.key(cursor.key);
        key.rows.push(row | FRESH);
        cursor.truths.clear();
        cursor.truths.resize(key.runs.partial().len() + 1, truth);
        Ok(())
    }

    /// Notes the conditions that look back and decide on the row; whether there are any.
    fn ask(&mut self, number: u32, cursor: &mut Cursor, row: u32) -> bool {
        let Key { runs, rows, .. } = self.state.key(cursor.key);
        let next = NextRow {
            number: rows.last(),
            ms: self.times[row as usize],
        };
        let (plan, questions) = (self.plan, &mut self.questions);
        let of_interest = self.truths[row as usize] & plan.look_back;
        let mut asks = |run: &Run, at: Position, asker: usize| {
            let mut left = plan.rules.pattern.looks_at(at) & of_interest;
            let asks = left != 0;
            while left != 0 {
                let variable = left.trailing_zeros() as usize;
                left &= left - 1;
                if let Some(condition) = &plan.conditions[variable] {
                    let question = &mut questions[variable];
                    condition
                        .values
                        .pick(run, Some(variable), rows, &mut question.picked);
                    question.askers.push((number, asker as u32));
                }
            }
            asks
        };
        let mut any = false;
        for (asker, run) in runs.partial().iter().enumerate() {
            any |= asks(run, run.position(), asker);
        }
        let new = Run::new(plan.rules.pattern.len(), next);
        any |= asks(&new, START, runs.partial().len());
        cursor.is_answered = any;
        any
    }

    /// Computes the conditions that were asked for.
    fn answer(&mut self, cursors: &mut [Cursor]) -> Result<(), Failure> {
        for (variable, question) in self.questions.iter_mut().enumerate() {
            let Some(condition) = self.plan.conditions[variable].as_ref() else {
                continue;
            };
            if question.askers.is_empty() {
                continue;
            }
            let question = std::mem::take(question);
            let Condition { values, expression } = condition;
            let batch = values.batch(&question.picked, &self.state.rows, self.rows.columns())?;
            let holds = expression.evaluate(&batch)?;
            let holds = holds.as_boolean();
            for (at, (cursor, asker)) in question.askers.iter().enumerate() {
                if !is_true(holds, at) {
                    cursors[*cursor as usize].truths[*asker as usize] &= !(1 << variable);
                }
            }
        }
        Ok(())
    }

    /// Lets partial matches take the row.
    fn take(&mut self, cursor: &Cursor, row: u32) -> Result<(), Failure> {
        let key = self.state.key(cursor.key);
        let next = NextRow {
            number: key.rows.last(),
            ms: self.times[row as usize],
        };
        let advanced = key.runs.advance(
            &self.plan.rules,
            next,
            &cursor.truths,
            &mut self.steps,
            &mut self.matches,
        );
        advanced.map_err(|stuck| self.stuck(stuck, Some(row)))?;
        self.report(cursor.key, row);
        Ok(())
    }

    /// Picks what comes out of the matches found in a key's rows, and drops the rows that nothing needs.
    fn report(&mut self, key: u32, row: u32) {
        let Key { runs, rows, .. } = self.state.key(key);
        for found in self.matches.drain(..) {
            self.plan
                .measured
                .pick(&found.run, None, rows, &mut self.found.picked);
            self.found.rows.push(row);
        }
        let released = &mut self.released;
        rows.trim(runs.first_row(), |place| {
            if place & FRESH == 0 {
                released.push(place);
            }
        });
    }

    /// The output rows; the state keeps what it needs.
    fn finish(self, touched: &[u32]) -> Result<Vec<RecordBatch>, Failure> {
        let Self {
            plan,
            state,
            rows,
            found,
            released,
            ..
        } = self;
        let output = if found.rows.is_empty() {
            Vec::new()
        } else {
            let matches = plan.measured.batch(&found.picked, &state.rows, rows.columns())?;
            in_order(&plan.measures.project(&matches)?, &found.rows)?
        };
        state.keep(touched, rows.columns(), rows.num_rows(), &released)?;
        Ok(output)
    }

    fn stuck(&self, stuck: Stuck, row: Option<u32>) -> Failure {
        let name = |variable: usize| self.plan.names[variable].as_str();
        let failure = Failure::user(match stuck {
            Stuck::NoRow(variable) => format!(
                "cannot skip to '{0}' after a match: no row of it is mapped to '{0}'; skip to a variable that always has one",
                name(variable)
            ),
            Stuck::SameRow(variable) => format!(
                "cannot skip to '{}' after a match: it begins with that row and would be found for ever; skip to a later variable",
                name(variable)
            ),
            Stuck::TooMany => format!(
                "a key has more than {} partial matches: bound them by WITHIN or a stricter pattern, or raise 'table.exec.match.max-partial-matches'",
                self.plan.rules.max_runs
            ),
        });
        match row {
            Some(row) => failure.at(describe_row(self.rows, row as usize)),
            None => failure,
        }
    }
}

/// Per row, the variables whose conditions on the row alone hold.
fn truths(plan: &Plan, rows: &RecordBatch) -> Vec<u64> {
    let count = rows.num_rows();
    let free = (0..).zip(&plan.columns).filter(|(_, column)| column.is_none());
    let mut truths = vec![free.fold(0, |bits, (variable, _): (u32, _)| bits | 1 << variable); count];
    for (variable, column) in plan.columns.iter().enumerate() {
        let Some(column) = column else { continue };
        let holds = rows.column(*column).as_boolean();
        let holds = match holds.nulls() {
            Some(nulls) => holds.values() & nulls.inner(),
            None => holds.values().clone(),
        };
        for row in holds.set_indices() {
            truths[row] |= 1 << variable;
        }
    }
    truths
}

fn is_true(holds: &BooleanArray, row: usize) -> bool {
    holds.is_valid(row) && holds.value(row)
}

/// Rows by the row that completed each, in batches of a good size.
fn in_order(output: &RecordBatch, completed_by: &[u32]) -> Result<Vec<RecordBatch>, Failure> {
    let mut sorted = output.clone();
    if !completed_by.is_sorted() {
        let mut indices: Vec<u32> = (0..completed_by.len() as u32).collect();
        indices.sort_by_key(|i| completed_by[*i as usize]);
        sorted = take_record_batch(output, &UInt32Array::from(indices))
            .map_err(|e| Failure::internal(format!("matches cannot be put in order: {e}")))?;
    }
    let rows = sorted.num_rows();
    let part = |from| sorted.slice(from, EMIT_ROWS.min(rows - from));
    Ok((0..rows).step_by(EMIT_ROWS).map(part).collect())
}
