//! Patterns against a matcher that tries all ways to map rows to variables; and the operator, in `operator`.

mod operator;

use proptest::prelude::*;

use super::{
    nfa::{Pattern, Variable},
    runs::{Match, NextRow, Rules, Runs, Skip, Stuck},
};

/// A match as what can be compared: its first row and how many rows each variable took.
type Mapped = (usize, Vec<u64>);

/// The rows of one key: which variables each may be mapped to, in matches that begin with an even and an odd row, since conditions may
/// look back; and its time.
#[derive(Clone, Debug)]
struct Rows {
    truths: Vec<[u64; 2]>,
    times: Vec<i64>,
}

/// What the automaton finds.
fn found(rules: &Rules, rows: &Rows) -> Result<Vec<Mapped>, Stuck> {
    let (mut runs, mut steps, mut found) = (Runs::default(), Vec::new(), Vec::new());
    for (number, (truth, ms)) in rows.truths.iter().zip(&rows.times).enumerate() {
        runs.expire(rules, *ms, &mut found)?;
        let starts = runs.partial().iter().map(|run| run.start as usize);
        let truths: Vec<u64> = starts.chain([number]).map(|start| truth[start % 2]).collect();
        let row = NextRow {
            number: number as u64,
            ms: *ms,
        };
        runs.advance(rules, row, &truths, &mut steps, &mut found)?;
    }
    let variables = rules.pattern.len();
    let mapped = |m: Match| {
        let count = |v| {
            let rows = m.run.rows(Some(v), None);
            rows.end - rows.start
        };
        (m.run.start as usize, (0..variables).map(count).collect())
    };
    Ok(found.into_iter().map(mapped).collect())
}

/// A matcher that follows the definition.
struct Naive<'a> {
    variables: &'a [Variable],
    rows: &'a Rows,
    skip: Skip,
    within_ms: Option<i64>,
}

/// All ways to map the rows from one on.
#[derive(Default)]
struct Ways {
    /// The last row and the counts of each complete one.
    complete: Vec<(usize, Vec<u64>)>,
    /// The last rows of those that may go on.
    open: Vec<usize>,
}

impl Naive<'_> {
    fn holds(&self, start: usize, variable: usize, row: usize) -> bool {
        self.rows.truths[row][start % 2] & (1 << variable) != 0
    }

    /// Whether a greedy variable among these wants the row.
    fn is_kept(&self, start: usize, variables: std::ops::Range<usize>, row: usize) -> bool {
        let mut wanting = variables.filter(|v| self.variables[*v].is_greedy && self.holds(start, *v, row));
        wanting.next().is_some()
    }

    /// The variables that may take a row after `counts`, the preferred one first.
    fn choices(&self, start: usize, last: usize, counts: &[u64], row: usize) -> Vec<usize> {
        let Some(v) = self.variables.get(last) else {
            return Vec::new();
        };
        let takes = counts[last] < u64::from(v.max) && self.holds(start, last, row);
        let may_leave = counts[last] >= u64::from(v.min);
        let mut behind = Vec::new();
        if may_leave && last + 1 < self.variables.len() && !self.is_kept(start, last..last + 1, row) {
            behind = self.choices(start, last + 1, counts, row);
        }
        let own = takes.then_some(last);
        if v.is_greedy || v.max == 1 {
            own.into_iter().chain(behind).collect()
        } else {
            behind.into_iter().chain(own).collect()
        }
    }

    fn follow(&self, start: usize, row: usize, last: usize, counts: &[u64], ways: &mut Ways) {
        let is_late = |ms| self.within_ms.is_some_and(|w| ms - self.rows.times[start] >= w);
        if row >= self.rows.truths.len() || is_late(self.rows.times[row]) {
            return;
        }
        for variable in self.choices(start, last, counts, row) {
            let mut counts = counts.to_vec();
            counts[variable] += 1;
            let v = self.variables[variable];
            let end = self.variables.len() - 1;
            let rest = &self.variables[variable + 1..];
            if counts[variable] >= u64::from(v.min)
                && rest.iter().all(|v| v.min == 0)
                && !self.is_kept(start, variable..end, row)
            {
                ways.complete.push((row, counts.clone()));
            }
            if variable < end || counts[variable] < u64::from(v.max) {
                ways.open.push(row);
                self.follow(start, row + 1, variable, &counts, ways);
            }
        }
    }

    fn found(&self) -> Result<Vec<Mapped>, Stuck> {
        let rows = self.rows.truths.len();
        let ways: Vec<Ways> = (0..rows)
            .map(|start| {
                let mut ways = Ways::default();
                self.follow(start, start, 0, &vec![0; self.variables.len()], &mut ways);
                // Of one beginning the earliest end comes first, then what is preferred.
                ways.complete.sort_by_key(|(end, _)| *end);
                ways
            })
            .collect();
        let (mut found, mut from) = (Vec::new(), 0);
        for row in 0..rows {
            if row > 0 {
                self.settle(&ways, row - 1, self.rows.times[row], &mut from, &mut found)?;
            }
            self.settle(&ways, row, self.rows.times[row], &mut from, &mut found)?;
        }
        Ok(found)
    }

    /// The matches that end by a row and before which none can begin any more.
    fn settle(
        &self,
        ways: &[Ways],
        row: usize,
        now_ms: i64,
        from: &mut usize,
        found: &mut Vec<Mapped>,
    ) -> Result<(), Stuck> {
        let is_open = |start: usize| {
            let in_time = self.within_ms.is_none_or(|w| now_ms - self.rows.times[start] < w);
            in_time && ways[start].open.contains(&row)
        };
        while let Some(start) = (*from..=row).find(|s| ways[*s].complete.iter().any(|(end, _)| *end <= row)) {
            if (*from..start).any(is_open) {
                return Ok(());
            }
            let (end, counts) = &ways[start].complete[0];
            let before = |v: usize| start + counts[..v].iter().sum::<u64>() as usize;
            *from = match self.skip {
                Skip::PastLastRow => end + 1,
                Skip::ToNextRow => start + 1,
                Skip::ToFirst(v) | Skip::ToLast(v) if counts[v] == 0 => return Err(Stuck::NoRow(v)),
                Skip::ToFirst(v) if before(v) == start => return Err(Stuck::SameRow(v)),
                Skip::ToFirst(v) => before(v),
                Skip::ToLast(v) if before(v + 1) - 1 == start => return Err(Stuck::SameRow(v)),
                Skip::ToLast(v) => before(v + 1) - 1,
            };
            found.push((start, counts.clone()));
        }
        Ok(())
    }
}

fn variables() -> impl Strategy<Value = Vec<Variable>> {
    let quantifier = prop_oneof![
        Just((1, 1, false)),
        Just((0, 1, false)),
        (0..3_u32, prop_oneof![Just(u32::MAX), 2..4_u32], any::<bool>()),
        (2..4_u32).prop_map(|n| (n, n, false)),
    ];
    let variable = quantifier.prop_map(|(min, max, is_greedy)| Variable {
        min: min.min(max),
        max,
        is_greedy: is_greedy && min != max,
    });
    prop::collection::vec(variable, 1..5).prop_map(|mut variables| {
        if let Some(last) = variables.last_mut() {
            last.is_greedy = false;
        }
        if variables.iter().all(|v| v.min == 0) {
            variables[0].min = 1;
        }
        variables
    })
}

fn rows() -> impl Strategy<Value = Rows> {
    prop::collection::vec(([0..16_u64, 0..16_u64], 0..3_i64), 0..14).prop_map(|rows| {
        let mut now = 0;
        let times = rows.iter().map(|(_, step)| {
            now += step;
            now
        });
        Rows {
            times: times.collect(),
            truths: rows.iter().map(|(truth, _)| *truth).collect(),
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn matches_are_those_that_trying_all_ways_finds(
        variables in variables(),
        rows in rows(),
        skip in 0..4_usize,
        target in 0..4_usize,
        within_ms in prop::option::of(1..8_i64),
    ) {
        let target = target % variables.len();
        let skip = [Skip::PastLastRow, Skip::ToNextRow, Skip::ToFirst(target), Skip::ToLast(target)][skip];
        let rules = Rules {
            pattern: Pattern::new(variables.clone()),
            skip,
            within_ms,
            max_runs: 100_000,
        };
        let naive = Naive { variables: &variables, rows: &rows, skip, within_ms };
        prop_assert_eq!(found(&rules, &rows), naive.found());
    }
}
