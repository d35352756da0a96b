//! A pattern as an automaton: what a partial match may do with the next row of its key.
//!
//! A pattern is a sequence of variables with quantifiers, and a match takes rows that follow each other: so a partial match is
//! at a variable of which it has taken some rows, and the only choice is to take one more or to move on.
//!
//! As in Flink, a greedy variable that may take more or fewer rows gives none back: what follows it begins with the first row that
//! does not fulfil its condition. A reluctant or optional one branches instead.

/// Variables of a pattern at most: what rows fulfil is a word of bits.
pub(super) const MAX_VARIABLES: usize = 64;

/// A variable of the pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Variable {
    /// Rows that it takes at least.
    pub(super) min: u32,
    /// Rows that it takes at most.
    pub(super) max: u32,
    /// Whether rows that fulfil its condition are never left to what follows it.
    pub(super) is_greedy: bool,
}

/// The variables in their order.
#[derive(Clone, Debug)]
pub(super) struct Pattern {
    variables: Vec<Variable>,
    /// Per variable, the conditions that decide on the next row: before enough rows are taken, and then.
    looks: Vec<[u64; 2]>,
}

/// Where a partial match is: how many rows it has taken of a variable, having done with those before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Position {
    pub(super) variable: usize,
    pub(super) count: u32,
}

/// Before the first row.
pub(super) const START: Position = Position {
    variable: 0,
    count: 0,
};

/// A way to take a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Step {
    /// The variable that takes it.
    pub(super) variable: usize,
    /// Whether that completes a match.
    pub(super) completes: bool,
    /// Whether there may be further rows.
    pub(super) goes_on: bool,
}

impl Pattern {
    /// At most [`MAX_VARIABLES`], of which one at least takes a row.
    pub(super) fn new(variables: Vec<Variable>) -> Self {
        let mut pattern = Self {
            variables,
            looks: Vec::new(),
        };
        pattern.looks = (0..pattern.len())
            .map(|variable| [false, true].map(|is_enough| pattern.looks_from(variable, is_enough)))
            .collect();
        pattern
    }

    /// How many variables it has.
    pub(super) fn len(&self) -> usize {
        self.variables.len()
    }

    /// The variables whose conditions may decide on the next row.
    pub(super) fn looks_at(&self, at: Position) -> u64 {
        let is_enough = at.count >= self.variables[at.variable].min;
        self.looks[at.variable][usize::from(is_enough)]
    }

    fn looks_from(&self, variable: usize, mut is_enough: bool) -> u64 {
        let mut bits = 0;
        for (index, v) in self.variables.iter().enumerate().skip(variable) {
            is_enough = if index == variable { is_enough } else { v.min == 0 };
            let is_full = index == variable && is_enough && v.min == v.max;
            bits |= u64::from(!is_full) << index;
            if !is_enough {
                // A row that is taken here completes the match unless a greedy one among those that may be left out wants it.
                return bits | self.greedy_tail(index);
            }
        }
        bits
    }

    /// The greedy variables behind this one, if all there may be left out.
    fn greedy_tail(&self, variable: usize) -> u64 {
        let behind = || self.variables.iter().enumerate().skip(variable + 1);
        if behind().any(|(_, v)| v.min > 0) {
            return 0;
        }
        let greedy = behind().filter(|(_, v)| v.is_greedy);
        greedy.fold(0, |bits, (index, _)| bits | 1 << index)
    }

    /// The ways to take a row that fulfils these conditions, the best one first.
    pub(super) fn steps(&self, at: Position, truth: u64, steps: &mut Vec<Step>) {
        steps.clear();
        // What is reluctant to take the row comes behind what follows it.
        let mut reluctant = 0;
        let Position {
            mut variable,
            mut count,
        } = at;
        while let Some(v) = self.variables.get(variable) {
            if count == 0 && variable > at.variable && self.keeps(variable - 1, truth) {
                break;
            }
            if count < v.max && truth & (1 << variable) != 0 {
                steps.insert(steps.len() - reluctant, self.step(variable, count + 1, truth));
                reluctant += usize::from(!v.is_greedy && v.max > 1);
            }
            if count < v.min {
                break;
            }
            (variable, count) = (variable + 1, 0);
        }
    }

    fn step(&self, variable: usize, count: u32, truth: u64) -> Step {
        let is_last = variable + 1 == self.len();
        Step {
            variable,
            completes: self.completes(variable, count, truth),
            goes_on: !is_last || count < self.variables[variable].max,
        }
    }

    /// Whether all variables behind may be left out once one has taken so many rows.
    fn completes(&self, variable: usize, count: u32, truth: u64) -> bool {
        count >= self.variables[variable].min
            && (variable + 1..self.len())
                .all(|next| self.variables[next].min == 0 && !self.keeps(next - 1, truth))
    }

    /// Whether a greedy variable lets no other take a row.
    fn keeps(&self, variable: usize, truth: u64) -> bool {
        self.variables[variable].is_greedy && truth & (1 << variable) != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: Variable = Variable {
        min: 1,
        max: 1,
        is_greedy: false,
    };
    const GREEDY: Variable = Variable {
        min: 0,
        max: u32::MAX,
        is_greedy: true,
    };
    const RELUCTANT: Variable = Variable {
        min: 1,
        max: u32::MAX,
        is_greedy: false,
    };

    fn taken(pattern: &Pattern, at: Position, truth: u64) -> Vec<(usize, bool)> {
        let mut steps = Vec::new();
        pattern.steps(at, truth, &mut steps);
        steps.iter().map(|s| (s.variable, s.completes)).collect()
    }

    #[test]
    fn a_greedy_variable_keeps_its_rows_from_the_next_one() {
        let pattern = Pattern::new(vec![ONE, GREEDY, ONE]);
        let behind_a = Position {
            variable: 0,
            count: 1,
        };
        assert_eq!(taken(&pattern, behind_a, 0b110), [(1, false)]);
        assert_eq!(taken(&pattern, behind_a, 0b100), [(2, true)]);
        assert_eq!(pattern.looks_at(behind_a), 0b110);
        assert_eq!(pattern.looks_at(START), 0b001);
    }

    #[test]
    fn a_reluctant_variable_branches_and_prefers_to_move_on() {
        let pattern = Pattern::new(vec![ONE, RELUCTANT, ONE]);
        let in_b = Position {
            variable: 1,
            count: 1,
        };
        assert_eq!(taken(&pattern, in_b, 0b110), [(2, true), (1, false)]);
        assert_eq!(
            taken(
                &pattern,
                Position {
                    variable: 0,
                    count: 1
                },
                0b110
            ),
            [(1, false)]
        );
    }

    #[test]
    fn what_may_be_left_out_at_the_end_completes_a_match_early() {
        let optional = Variable {
            min: 0,
            max: 1,
            is_greedy: false,
        };
        let pattern = Pattern::new(vec![ONE, optional]);
        assert_eq!(taken(&pattern, START, 0b01), [(0, true)]);
        assert_eq!(
            taken(
                &pattern,
                Position {
                    variable: 0,
                    count: 1
                },
                0b10
            ),
            [(1, true)]
        );
    }
}
