//! The partial matches of one key, and the matches that become of them.
//!
//! The rows of a match follow each other, so partial matches share one list of rows, the key's: each is where it begins and how
//! many rows its variables have taken. Nothing is copied when one branches but these numbers.

use std::{mem, ops::Range};

use super::nfa::{Pattern, Position, START, Step};

/// Where matching goes on after a match: which partial matches that began before go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Skip {
    PastLastRow,
    ToNextRow,
    /// To the first row of a variable.
    ToFirst(usize),
    /// To the last row of a variable.
    ToLast(usize),
}

/// Why matching cannot go on after a match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stuck {
    /// No row was mapped to the variable.
    NoRow(usize),
    /// The variable's row is the first of the match, which would be found for ever.
    SameRow(usize),
    /// There are more partial matches than allowed.
    TooMany,
}

/// Rows that are matched to the variables of the pattern in its order, perhaps not yet to all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Run {
    /// The number of its first row among the key's.
    pub(super) start: u64,
    /// The time of that row, ms.
    pub(super) start_ms: i64,
    /// The variable that has taken the last row.
    pub(super) variable: usize,
    /// How many rows each variable has taken.
    pub(super) counts: Box<[u32]>,
}

/// A row that partial matches meet.
#[derive(Clone, Copy, Debug)]
pub(super) struct NextRow {
    /// Its number among the key's.
    pub(super) number: u64,
    /// Its time, ms.
    pub(super) ms: i64,
}

/// A complete match, and the time of its last row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Match {
    pub(super) run: Run,
    pub(super) end_ms: i64,
}

/// What partial matches share.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    pub(super) pattern: Pattern,
    pub(super) skip: Skip,
    /// The last row of a match comes less than this after the first, ms.
    pub(super) within_ms: Option<i64>,
    /// Partial matches of a key at most.
    pub(super) max_runs: usize,
}

/// The partial matches of a key by where they begin, of one beginning the preferred one first.
#[derive(Debug, Default)]
pub(super) struct Runs {
    runs: Vec<Run>,
    /// Matches that wait since an earlier one may still be found, by where they begin.
    complete: Vec<Match>,
}

impl Run {
    /// Before it has taken its first row.
    pub(super) fn new(variables: usize, row: NextRow) -> Self {
        Self {
            start: row.number,
            start_ms: row.ms,
            variable: 0,
            counts: vec![0; variables].into(),
        }
    }

    /// Where it is in the pattern.
    pub(super) fn position(&self) -> Position {
        Position {
            variable: self.variable,
            count: self.counts[self.variable],
        }
    }

    /// The numbers of the rows of a variable, or of all; as if another variable had taken one more.
    pub(super) fn rows(&self, variable: Option<usize>, taking: Option<usize>) -> Range<u64> {
        let count = |v: usize| u64::from(self.counts[v]) + u64::from(taking == Some(v));
        let Some(variable) = variable else {
            return self.start..self.start + (0..self.counts.len()).map(count).sum::<u64>();
        };
        let first = self.start + (0..variable).map(count).sum::<u64>();
        first..first + count(variable)
    }

    fn take(&mut self, step: Step) {
        self.variable = step.variable;
        self.counts[step.variable] += 1;
    }
}

impl Skip {
    /// The number of the first row at which a match may begin that is not taken back by this one.
    fn resume(self, run: &Run) -> Result<u64, Stuck> {
        let (variable, rows) = match self {
            Self::PastLastRow => return Ok(run.rows(None, None).end),
            Self::ToNextRow => return Ok(run.start + 1),
            Self::ToFirst(variable) | Self::ToLast(variable) => (variable, run.rows(Some(variable), None)),
        };
        if rows.is_empty() {
            return Err(Stuck::NoRow(variable));
        }
        let row = match self {
            Self::ToLast(_) => rows.end - 1,
            _ => rows.start,
        };
        if row == run.start {
            return Err(Stuck::SameRow(variable));
        }
        Ok(row)
    }
}

impl Runs {
    /// The partial matches.
    pub(super) fn partial(&self) -> &[Run] {
        &self.runs
    }

    pub(super) fn is_empty(&self) -> bool {
        self.runs.is_empty() && self.complete.is_empty()
    }

    /// The partial matches, then the matches that wait with the time of their last row, ms.
    pub(super) fn all(&self) -> impl Iterator<Item = (&Run, Option<i64>)> {
        let complete = self.complete.iter().map(|m| (&m.run, Some(m.end_ms)));
        self.runs.iter().map(|run| (run, None)).chain(complete)
    }

    /// How many of both there are.
    pub(super) fn len(&self) -> u32 {
        (self.runs.len() + self.complete.len()) as u32
    }

    /// Takes the next one of [`all`](Self::all).
    pub(super) fn restore(&mut self, run: Run, end_ms: Option<i64>) {
        match end_ms {
            None => self.runs.push(run),
            Some(end_ms) => self.complete.push(Match { run, end_ms }),
        }
    }

    /// Whether matches wait for earlier ones.
    pub(super) fn is_blocked(&self) -> bool {
        !self.complete.is_empty()
    }

    /// The number of the first row that is still needed.
    pub(super) fn first_row(&self) -> Option<u64> {
        let runs = self.runs.first().map(|run| run.start);
        let complete = self.complete.first().map(|m| m.run.start);
        runs.into_iter().chain(complete).min()
    }

    /// The earliest end of a match that waits, ms.
    pub(super) fn earliest_end(&self) -> Option<i64> {
        self.complete.iter().map(|m| m.end_ms).min()
    }

    /// When the first partial match began, ms.
    pub(super) fn earliest_start(&self) -> Option<i64> {
        self.runs.first().map(|run| run.start_ms)
    }

    /// Drops partial matches that no row at this time or later can complete; what waited for them alone is found. Whether there were any.
    pub(super) fn expire(
        &mut self,
        rules: &Rules,
        now_ms: i64,
        found: &mut Vec<Match>,
    ) -> Result<bool, Stuck> {
        let Some(within_ms) = rules.within_ms else {
            return Ok(false);
        };
        // By where they begin is by time, too.
        let alive = self
            .runs
            .partition_point(|run| now_ms.saturating_sub(run.start_ms) >= within_ms);
        if alive == 0 {
            return Ok(false);
        }
        self.runs.drain(..alive);
        self.settle(rules.skip, found)?;
        Ok(true)
    }

    /// Offers a row to every partial match, and to a new one: `truths` says per one of them, the new one last, which conditions the
    /// row fulfils. Matches come out in the order in which they are found.
    pub(super) fn advance(
        &mut self,
        rules: &Rules,
        row: NextRow,
        truths: &[u64],
        steps: &mut Vec<Step>,
        found: &mut Vec<Match>,
    ) -> Result<(), Stuck> {
        let before = mem::take(&mut self.runs);
        self.runs.reserve(before.len() + 1);
        let variables = rules.pattern.len();
        let (&new, old) = truths.split_last().unwrap_or((&0, &[]));
        for (run, truth) in before.into_iter().zip(old) {
            rules.pattern.steps(run.position(), *truth, steps);
            self.branch(run, steps, row);
        }
        rules.pattern.steps(START, new, steps);
        if !steps.is_empty() {
            self.branch(Run::new(variables, row), steps, row);
        }
        if self.is_blocked() {
            self.settle(rules.skip, found)?;
        }
        if self.runs.len() > rules.max_runs {
            return Err(Stuck::TooMany);
        }
        Ok(())
    }

    fn branch(&mut self, run: Run, steps: &[Step], row: NextRow) {
        let Some((last, others)) = steps.split_last() else {
            return;
        };
        for step in others {
            self.follow(run.clone(), *step, row);
        }
        self.follow(run, *last, row);
    }

    fn follow(&mut self, mut run: Run, step: Step, row: NextRow) {
        run.take(step);
        if step.completes {
            let at = self.complete.partition_point(|m| m.run.start <= run.start);
            let end_ms = row.ms;
            if !step.goes_on {
                self.complete.insert(at, Match { run, end_ms });
                return;
            }
            let run = run.clone();
            self.complete.insert(at, Match { run, end_ms });
        }
        if step.goes_on {
            self.runs.push(run);
        }
    }

    /// Finds the matches before which no partial match began, and drops what each of them takes back.
    fn settle(&mut self, skip: Skip, found: &mut Vec<Match>) -> Result<(), Stuck> {
        while let Some(first) = self.complete.first() {
            if self.runs.first().is_some_and(|run| run.start < first.run.start) {
                break;
            }
            let first = self.complete.remove(0);
            let resume = skip.resume(&first.run)?;
            let gone = self.runs.partition_point(|run| run.start < resume);
            self.runs.drain(..gone);
            let gone = self.complete.partition_point(|m| m.run.start < resume);
            self.complete.drain(..gone);
            found.push(first);
        }
        Ok(())
    }
}
